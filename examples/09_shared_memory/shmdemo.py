"""Write a text into a System V shared memory segment, or read what is in it.

Usage: shmdemo.py [--key PATH] [--remove] [TEXT]    with TEXT: write it; without: read    (ipc demo shmdemo)
The segment's key is made of the file PATH; default: this program's source. The segment stays until --remove.
"""

import argparse
import os
import struct
import sys

from unixipc import LayoutError
from unixipc.sysv import Guarded, Key, SharedMemory

SIZE_BYTES = 1024
LENGTH = struct.Struct("<Q")  # before the text: memory does not know how much of it is used


def write(memory: Guarded, text: bytes) -> None:
    room = memory.size_bytes - LENGTH.size
    if len(text) > room:  # half of a text is another text: refused, not cut
        sys.exit(f"shmdemo: {len(text)} bytes do not fit into {room}; nothing was written")
    memory.write(LENGTH.pack(len(text)) + text)  # readers see all of it or nothing
    print(f"shmdemo: wrote {len(text)} bytes")


def read(memory: Guarded) -> None:
    whole = memory.read(timeout=10)
    (length,) = LENGTH.unpack_from(whole)
    if length > len(whole) - LENGTH.size:  # who else writes there may write anything
        raise LayoutError("length of the text", f"at most {len(whole) - LENGTH.size}", length)
    text = whole[LENGTH.size : LENGTH.size + length].decode(errors="replace")
    print(f"shmdemo: {length} bytes: {text!r}")


def remove(key: Key) -> None:
    with SharedMemory.open(key) as memory:
        attached = memory.stat().attached
        memory.remove()
    print(f"shmdemo: removed; {attached} attachments keep the memory until they end")


def main() -> None:
    parser = argparse.ArgumentParser(prog="shmdemo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("text", nargs="?", help="write this; without it: read")
    parser.add_argument("--key", metavar="PATH", default=__file__, help="the file that the key is made of")
    parser.add_argument("--remove", action="store_true", help="remove the segment")
    asked = parser.parse_args()
    key = Key.ftok(asked.key, "R")
    try:
        if asked.remove:
            return remove(key)
        use(key, asked.text)
    except FileNotFoundError:
        sys.exit("shmdemo: there is no segment: write something first")


def use(key: Key, text: str | None) -> None:
    memory = SharedMemory.open(key) if text is None else SharedMemory.ensure(key, SIZE_BYTES)
    with memory, memory.guarded("seqlock", readonly=text is None) as guarded:
        if text is None:
            read(guarded)
        else:
            write(guarded, os.fsencode(text))
            print("shmdemo: it stays in memory. Read it without TEXT, remove it with --remove")


if __name__ == "__main__":
    main()
