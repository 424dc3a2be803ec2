"""Take the name of a POSIX message queue away; who has the queue open keeps it.

Usage: mq_unlink.py [NAME]    (ipc demo mq_unlink)
NAME begins with a slash; default: /unixipc-demo, which mq_sender and mq_receiver use.
"""

import sys

from unixipc.posix import remove_queue

NAME = "/unixipc-demo"


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else NAME
    try:
        remove_queue(name)
        print(f"mq_unlink: {name} is gone; it ends when the last process that has it open does")
    except FileNotFoundError:
        sys.exit(f"mq_unlink: no queue is called {name}")


if __name__ == "__main__":
    main()
