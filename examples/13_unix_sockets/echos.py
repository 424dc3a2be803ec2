"""An echo server on a Unix socket: it survives clients that vanish, and takes over a stale socket file.

Usage: echos.py [PATH]    in another terminal: echoc.py [PATH]    (ipc demo echos, ipc demo echoc)
It ends with Ctrl-C.
"""

import os
import sys
import tempfile

from unixipc import PeerGone, sockets


def default_path() -> str:
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return os.path.join(folder, f"unixipc-echo-{os.getuid()}.sock")


def serve(connection: sockets.Connection) -> None:
    """Send everything back, until the client says that nothing more will come, or vanishes."""
    with connection, connection.peer as peer:
        print(f"echos: process {peer.pid} has connected", flush=True)
        try:
            while data := connection.read(100):
                connection.write_all(data)
            print("echos: it is done", flush=True)
        except PeerGone:  # an exception, not SIGPIPE, which would have killed the whole server
            print("echos: it vanished", flush=True)


def listen(path: str) -> None:
    # temporary: the file goes when we end. If we are killed it stays; nobody is bound to it then, so the next listen
    # replaces it, and would not touch one that is alive.
    with sockets.listen(path, temporary=True) as listener:
        print(f"echos: listening on {path}: run `ipc demo echoc` in another terminal", flush=True)
        for connection in listener:
            serve(connection)


def main() -> None:
    try:
        listen(sys.argv[1] if len(sys.argv) > 1 else default_path())
    except KeyboardInterrupt:
        print("echos: bye")


if __name__ == "__main__":
    main()
