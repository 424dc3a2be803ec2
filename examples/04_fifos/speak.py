"""Send each line of the standard input through a FIFO to tick.

Usage: speak.py [PATH]    in another terminal: tick.py [PATH]    (ipc demo speak, ipc demo tick)
End with Ctrl-D.
"""

import os
import sys
import tempfile
from contextlib import suppress

from unixipc import Fifo, PeerGone
from unixipc.framing import FrameWriter


def default_path() -> str:
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return os.path.join(folder, f"unixipc-speak-{os.getuid()}.fifo")


def say(fifo: Fifo) -> None:
    print(f"speak: waiting for a reader of {fifo.path}: run `ipc demo tick` in another terminal", flush=True)
    with fifo.writer() as writer:  # opening waits for the other side
        print("speak: there it is. Type some lines", flush=True)
        frames = FrameWriter(writer)  # a FIFO is a stream: frames keep the lines apart
        for line in sys.stdin:
            text = line.rstrip("\n").encode()
            frames.send(text)
            print(f"speak: sent {len(text)} bytes", flush=True)


def main() -> None:
    fifo = Fifo.ensure(sys.argv[1] if len(sys.argv) > 1 else default_path())  # whoever comes first makes it
    try:
        say(fifo)
    except PeerGone:
        print("speak: the last reader has left")
    except KeyboardInterrupt:
        print("speak: interrupted")
    finally:
        forget(fifo)


def forget(fifo: Fifo) -> None:
    """Take the name away, unless tick has done so already (or made a new one since: that is left alone)."""
    with suppress(OSError):
        fifo.remove()


if __name__ == "__main__":
    main()
