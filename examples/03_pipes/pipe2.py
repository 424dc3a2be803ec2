"""A child writes into a pipe, its parent reads until the end; each closes the end it does not use.

Usage: pipe2.py
"""

from unixipc import PipeReader, PipeWriter, fork, pipe


def child_main(reader: PipeReader, writer: PipeWriter) -> None:
    reader.close()  # or we would never learn that the parent has stopped reading
    with writer:
        for word in (b"one ", b"two ", b"three"):
            print(f"child:  writing {word!r}")
            writer.write_all(word)


def main() -> None:
    reader, writer = pipe()
    with reader, fork(child_main, reader, writer) as child:
        writer.close()  # or our own copy would keep the stream from ever ending
        received = b""
        while part := reader.read(100):
            received += part
        print(f"parent: read {received!r}, then the end of the stream")
        print(f"parent: the child ended: {child.wait()}")


if __name__ == "__main__":
    main()
