"""Wait for a line and for signals at once: what the self-pipe trick is for.

Usage: pipesig.py    (ipc demo pipesig)    Type lines, and Ctrl-C; end with Ctrl-D.
The original polls with a time-out of 0, which burns a whole processor; its handler may hang when the pipe is full.
"""

import os
from signal import SIGINT

from unixipc.signals import SignalStream, pselect


def main() -> None:
    with SignalStream(SIGINT) as signals:
        print("Type a line, or Ctrl-C:", flush=True)
        while True:
            ready, _, _ = pselect([0, signals])
            if signals in ready:
                print(f"signal {signals.receive().signal}", flush=True)
            if 0 in ready:
                data = os.read(0, 4096)
                if not data:
                    break
                print(f"read {data!r}", flush=True)
    print("the end of the input")


if __name__ == "__main__":
    main()
