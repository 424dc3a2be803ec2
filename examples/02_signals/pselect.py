"""Wait for input with SIGINT let through only while asleep: no wake-up is lost.

Usage: pselect.py    (ipc demo pselect)    Type a line, or Ctrl-C.
"""

import os
from signal import SIGINT

from unixipc.signals import blocked, handling, pselect


def main() -> None:
    got = []
    with handling(SIGINT, lambda *_: got.append(1)), blocked(SIGINT):
        print("Type a line, or Ctrl-C:", flush=True)
        # Here a signal could come between a look at `got` and the sleep; blocked, it waits for the sleep.
        ready: list[object] = []
        while not got and not ready:
            ready = list(pselect([0])[0])
    print("a signal came" if got else f"read {os.read(0, 4096)!r}")


if __name__ == "__main__":
    main()
