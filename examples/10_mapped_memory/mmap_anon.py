"""A parent and its child share memory that belongs to no file: the child writes, the parent reads.

Usage: mmap_anon.py [TEXT]    (ipc demo mmap_anon)
"""

import sys

from unixipc import fork, map_anonymous
from unixipc.mapping import Mapping

WAIT_S = 30
LENGTH_BYTES = 8


def write(memory: Mapping, text: bytes) -> int:
    """In the child: the text, after its length."""
    memory.buffer[LENGTH_BYTES : LENGTH_BYTES + len(text)] = text
    memory.buffer[:LENGTH_BYTES] = len(text).to_bytes(LENGTH_BYTES, "little")
    print(f"child: wrote {len(text)} bytes", flush=True)
    return 0


def main() -> None:
    text = " ".join(sys.argv[1:]).encode() or b"hello from the child"
    with map_anonymous(LENGTH_BYTES + len(text)) as memory:  # all zero
        print(f"parent: before the child, the memory is {bytes(memory.buffer[:LENGTH_BYTES])!r}", flush=True)
        with fork(write, memory, text) as child:
            ended = child.wait(WAIT_S)  # that the child has ended is how the parent knows that all is there
        length = int.from_bytes(memory.buffer[:LENGTH_BYTES], "little")
        print(f"parent: {ended}, and the memory says {bytes(memory.buffer[LENGTH_BYTES:][:length]).decode()!r}")


if __name__ == "__main__":
    main()
