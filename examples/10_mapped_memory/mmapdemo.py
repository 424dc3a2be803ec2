"""Print the byte at an offset of a file, by mapping the file into memory.

Usage: mmapdemo.py OFFSET [FILE]    FILE: default: this program's source    (ipc demo mmapdemo)
"""

import argparse
import sys

from unixipc import map_file


def main() -> None:
    parser = argparse.ArgumentParser(prog="mmapdemo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("offset", type=int, help="which byte, from 0 up")
    parser.add_argument("file", nargs="?", default=__file__)
    asked = parser.parse_args()
    try:
        show(asked.file, asked.offset)
    except (OSError, ValueError) as error:  # beyond the end, empty, no file: said before anything is touched
        sys.exit(f"mmapdemo: {error}")


def show(path: str, offset_bytes: int) -> None:
    with map_file(path, "r", offset_bytes, 1) as memory:  # any offset: the page that it is in is mapped
        print(f"mmapdemo: byte {offset_bytes} of {path} is {bytes(memory)!r}")
        memory.check()  # somebody may have made the file shorter just now: that is an error, not a SIGBUS


if __name__ == "__main__":
    main()
