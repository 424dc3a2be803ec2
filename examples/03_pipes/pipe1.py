"""A pipe has two ends: what goes into the writer comes out of the reader, in order.

Usage: pipe1.py
"""

from unixipc import pipe


def main() -> None:
    reader, writer = pipe()
    with reader:
        with writer:
            print(f"this pipe holds {reader.capacity_bytes} bytes before a writer has to wait")
            writer.write_all(b"test")
            print(f"{reader.pending_bytes} bytes are under way, inside the kernel")
        # leaving the block closed the writer: what is under way can still be read, and then comes the end
        print(f"read {reader.read(100)!r}")
        print(f"read {reader.read(100)!r}: the end of the stream, for nobody can write any more")


if __name__ == "__main__":
    main()
