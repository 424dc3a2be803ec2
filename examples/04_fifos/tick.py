"""Print each message that comes through a FIFO from speak, with its length.

Usage: tick.py [PATH]    in another terminal: speak.py [PATH]    (ipc demo tick, ipc demo speak)
It ends when the last speaker has left.
"""

import os
import sys
import tempfile
from contextlib import suppress

from unixipc import Fifo
from unixipc.framing import FrameReader


def default_path() -> str:
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return os.path.join(folder, f"unixipc-speak-{os.getuid()}.fifo")


def listen(fifo: Fifo) -> None:
    print(f"tick: waiting for a writer of {fifo.path}: run `ipc demo speak` in another terminal", flush=True)
    with fifo.reader() as reader:  # opening waits for the other side
        print("tick: there it is", flush=True)
        # No buffer of a fixed size that a long line could overrun: a message comes whole, however long it is.
        for message in FrameReader(reader):
            print(f"tick: {len(message)} bytes: {message.decode(errors='replace')!r}", flush=True)
    print("tick: the last writer has left")


def main() -> None:
    fifo = Fifo.ensure(sys.argv[1] if len(sys.argv) > 1 else default_path())  # whoever comes first makes it
    try:
        listen(fifo)
    except KeyboardInterrupt:
        print("tick: interrupted")
    finally:
        forget(fifo)


def forget(fifo: Fifo) -> None:
    """Take the name away, unless speak has done so already (or made a new one since: that is left alone)."""
    with suppress(OSError):
        fifo.remove()


if __name__ == "__main__":
    main()
