"""Send each line of the standard input to the echo server and print what comes back.

Usage: echoc.py [PATH]    in another terminal, first: echos.py [PATH]    (ipc demo echoc, ipc demo echos)
End with Ctrl-D.
"""

import os
import sys
import tempfile

from unixipc import PeerGone, sockets


def default_path() -> str:
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return os.path.join(folder, f"unixipc-echo-{os.getuid()}.sock")


def talk(connection: sockets.Connection) -> None:
    print("echoc: connected. Type some lines", flush=True)
    for line in sys.stdin:
        data = line.encode()
        connection.write_all(data)
        # A stream keeps no borders: one read might give a part of it, so ask for exactly what we sent.
        echo = connection.read_exactly(len(data), timeout=10)
        print(f"echo> {echo.decode().rstrip()}", flush=True)


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else default_path()
    try:
        with sockets.connect(path, timeout=10) as connection:
            talk(connection)
    except (FileNotFoundError, ConnectionRefusedError):
        sys.exit(f"echoc: nobody listens on {path}: run `ipc demo echos` in another terminal first")
    except (PeerGone, EOFError):
        sys.exit("echoc: the server has left")
    except KeyboardInterrupt:
        print("echoc: bye")


if __name__ == "__main__":
    main()
