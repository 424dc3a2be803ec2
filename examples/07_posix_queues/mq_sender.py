"""Send each line of the standard input through a POSIX message queue to mq_receiver, the urgent ones first.

Usage: mq_sender.py [NAME [PRIORITY]]    in another terminal: mq_receiver.py [NAME]    (ipc demo mq_sender)
NAME begins with a slash; default: /unixipc-demo. A line that begins with ! has priority 9, others PRIORITY (0).
End with Ctrl-D. The queue and what is in it stay until mq_unlink removes it.
"""

import sys

from unixipc.posix import MessageQueue

NAME = "/unixipc-demo"
URGENT = 9


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else NAME
    ordinary = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with MessageQueue.ensure(name, max_messages=10, max_message_bytes=256) as queue:  # whoever comes first makes it
        print(f"mq_sender: {name} holds {len(queue)} messages. Type some lines", flush=True)
        for line in sys.stdin.buffer:
            text = line.removesuffix(b"\n")
            if len(text) > queue.max_message_bytes:
                print(f"mq_sender: not sent: {len(text)} bytes; here a message has at most {queue.max_message_bytes}")
                continue
            priority = URGENT if text.startswith(b"!") else ordinary
            queue.send(text, priority)  # waits while the queue is full
            print(f"mq_sender: sent {len(text)} bytes with priority {priority}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("mq_sender: interrupted")
