"""Catch Ctrl-C while waiting for a line.

Usage: sigint.py    (ipc demo sigint)
Type Ctrl-C, then a line. In C the handler must use write(2); here it runs between two steps of the interpreter.
"""

import sys
from signal import SIGINT

from unixipc.signals import handling


def main() -> None:
    with handling(SIGINT, lambda *_: print("Ahhh! SIGINT!", flush=True)):
        print("Enter a string:", flush=True)
        line = sys.stdin.readline()  # goes on after the signal: PEP 475
    print(f"You entered: {line.rstrip()!r}")


if __name__ == "__main__":
    main()
