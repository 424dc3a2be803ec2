"""Catch Ctrl-C while waiting for a line.

Usage: sigint.py    (ipc demo sigint)
Type Ctrl-C, then a line. In C the handler must use write(2). Here it runs between two steps of the interpreter, but
that may be in the middle of a print, which cannot be entered again: so it uses write(2), too.
"""

import os
import sys
from signal import SIGINT

from unixipc.signals import handling


def main() -> None:
    with handling(SIGINT, lambda *_: os.write(1, b"Ahhh! SIGINT!\n")):
        print("Enter a string:", flush=True)
        line = sys.stdin.readline()  # goes on after the signal: PEP 475
    print(f"You entered: {line.rstrip()!r}")


if __name__ == "__main__":
    main()
