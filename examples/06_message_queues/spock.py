"""Print each message that comes through a System V message queue from kirk, with its length.

Usage: spock.py [PATH]    in another terminal: kirk.py [PATH]    (ipc demo spock, ipc demo kirk)
The queue's key is made of the file PATH; default: kirk's source. It ends when kirk has ended. If kirk is killed, it
waits for the next one: a queue does not tell that its sender is gone.
"""

import sys
from pathlib import Path

from unixipc import ObjectRemoved
from unixipc.sysv import Key, MessageQueue

LINE, GOODBYE = 1, 2  # types of messages


def listen(queue: MessageQueue) -> None:
    print("spock: the queue is there, I am waiting", flush=True)
    for message in queue:  # until somebody removes it
        if message.type == GOODBYE:
            if len(queue):  # of a second kirk
                continue
            queue.remove()
            break
        # The length is the message's own. A NUL in it is a byte like any other, and none is needed at the end.
        text = message.body.decode(errors="replace")
        print(f"spock: {len(message.body)} bytes: {text!r}", flush=True)
    print("spock: kirk has left, and the queue is gone")


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("kirk.py")
    with MessageQueue.ensure(Key.ftok(path, "B")) as queue:  # whoever comes first makes it
        try:
            listen(queue)
        except KeyboardInterrupt:
            print("spock: interrupted")
            forget(queue)


def forget(queue: MessageQueue) -> None:
    """Take the queue away, unless there are messages in it, or kirk has done so already."""
    try:
        if waiting := len(queue):
            print(f"spock: {waiting} messages stay in the queue, and the queue too, until a spock has read them")
        else:
            queue.remove()
    except ObjectRemoved:
        pass


if __name__ == "__main__":
    main()
