"""Block SIGINT for a while: Ctrl-C waits, and is delivered at the end of the block.

Usage: sigblock.py [SECONDS]    (ipc demo sigblock)
"""

import os
import sys
from signal import SIGINT, Signals

from unixipc.signals import blocked, handling, pending, pselect, send


def main(seconds: float) -> None:
    with handling(SIGINT, lambda *_: print("SIGINT is delivered now")):
        with blocked(SIGINT):
            print(f"SIGINT is blocked for {seconds} s (Ctrl-C, if you like)", flush=True)
            send(os.getpid(), SIGINT)
            pselect(timeout=seconds, mask=[SIGINT])
            print(f"waiting meanwhile: {[Signals(each).name for each in pending()]}")
        print("SIGINT is let through again")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1)
