"""A pair of connected sockets: parent and child talk both ways over one descriptor each.

Usage: spair.py [TEXT]
"""

import sys

from unixipc import fork, sockets


def child_main(mine: sockets.Connection, parents: sockets.Connection) -> None:
    parents.close()  # or we would never see the end when the parent closes its end
    while data := mine.read(100):
        print(f"child:  read {data!r}, sending it back in capitals")
        mine.write_all(data.upper())
    print("child:  the parent has closed its end")


def main() -> None:
    text = (sys.argv[1] if len(sys.argv) > 1 else "b").encode()
    ours, childs = sockets.pair()
    with fork(child_main, childs, ours) as child:
        childs.close()
        with ours:
            print(f"parent: sending {text!r}")
            ours.write_all(text)
            print(f"parent: read {ours.read_exactly(len(text), timeout=10)!r}")
        print(f"parent: the child ended: {child.wait(timeout=10)}")


if __name__ == "__main__":
    main()
