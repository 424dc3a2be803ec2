"""Send each line of the standard input through a System V message queue to spock.

Usage: kirk.py [PATH]    in another terminal: spock.py [PATH]    (ipc demo kirk, ipc demo spock)
The queue's key is made of the file PATH; default: this program's source. End with Ctrl-D.
"""

import sys

from unixipc import ObjectRemoved
from unixipc.sysv import Key, MessageQueue, limits

LINE, GOODBYE = 1, 2  # types of messages; spock looks at them


def say(queue: MessageQueue) -> None:
    print("kirk: the queue is there. Type some lines, spock reads them now or later", flush=True)
    most = min(limits().message_bytes, queue.stat().capacity_bytes)
    for line in sys.stdin.buffer:
        text = line.removesuffix(b"\n")
        if len(text) > most:
            print(f"kirk: not sent: {len(text)} bytes; a message has at most {most} (kernel.msgmax)", flush=True)
            continue
        queue.send(text, LINE)  # the kernel keeps the length: no NUL says where it ends. An empty line is a message too
        print(f"kirk: sent {len(text)} bytes", flush=True)


def leave(queue: MessageQueue) -> None:
    """Removing the queue would destroy what spock has not read. Then he is told to do it, when he comes to the end."""
    if waiting := len(queue):
        queue.send(b"", GOODBYE)
        print(f"kirk: {waiting} lines wait in the queue for spock, who will remove it")
    else:
        queue.remove()  # a spock that waits in it sees that it is gone


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else __file__
    with MessageQueue.ensure(Key.ftok(path, "B")) as queue:  # whoever comes first makes it
        try:
            say(queue)
            leave(queue)
        except ObjectRemoved:
            print("kirk: spock has left and taken the queue away")
        except KeyboardInterrupt:
            print("kirk: interrupted")
            forget(queue)


def forget(queue: MessageQueue) -> None:
    """Take the queue away, unless there are messages in it, or spock has done so already."""
    try:
        if waiting := len(queue):
            print(f"kirk: {waiting} messages stay in the queue, and the queue too, until a spock has read them")
        else:
            queue.remove()
    except ObjectRemoved:
        pass


if __name__ == "__main__":
    main()
