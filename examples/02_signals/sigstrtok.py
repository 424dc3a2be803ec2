"""A handler that changes what the program is walking over, and the cure: block it meanwhile.

Usage: sigstrtok.py    (ipc demo sigstrtok)
In C it is strtok, whose hidden state a handler destroys; in Python it is any object that both use.
"""

import os
from signal import SIGUSR1

from unixipc.signals import blocked, handling, send


def main() -> None:
    words = dict.fromkeys(["the", "quick", "brown", "fox"])

    def handler(*_: object) -> None:
        words[f"intruder {len(words)}"] = None

    with handling(SIGUSR1, handler):
        try:
            for word in words:
                print(word)
                send(os.getpid(), SIGUSR1)
        except RuntimeError as error:
            print(f"broken by the handler: {error}")
        with blocked(SIGUSR1):
            for word in words:
                print(word)
                send(os.getpid(), SIGUSR1)
        print(f"blocked meanwhile: all went well, and there are {len(words)} words now")


if __name__ == "__main__":
    main()
