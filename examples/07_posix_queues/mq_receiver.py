"""Print each message that comes through a POSIX message queue, the highest priority first.

Usage: mq_receiver.py [NAME [SECONDS]]    in another terminal: mq_sender.py [NAME]    (ipc demo mq_receiver)
NAME begins with a slash; default: /unixipc-demo. It ends when nothing has come for SECONDS (default: never), or with
Ctrl-C: a queue does not tell that its sender is gone. The queue stays until mq_unlink removes it.
"""

import sys

from unixipc.posix import MessageQueue

NAME = "/unixipc-demo"


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else NAME
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else None
    with MessageQueue.ensure(name, max_messages=10, max_message_bytes=256) as queue:  # whoever comes first makes it
        print(f"mq_receiver: {name} holds {len(queue)} messages", flush=True)
        while True:
            # Seconds from now. C's mq_timedreceive wants the time of day at which to give up.
            message = queue.receive(timeout=seconds)
            text = message.body.decode(errors="replace")
            print(f"mq_receiver: priority {message.priority}, {len(message.body)} bytes: {text!r}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except TimeoutError:
        print("mq_receiver: nothing came any more")
    except KeyboardInterrupt:
        print("mq_receiver: interrupted")
