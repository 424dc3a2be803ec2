"""Send signals while they are blocked: standard ones merge, real-time ones queue.

Usage: sigcount.py [N]    (ipc demo sigcount)
"""

import os
import sys
from signal import SIGRTMIN, SIGUSR1

from unixipc.signals import Counter, blocked, send


def main(times: int) -> None:
    with Counter(SIGUSR1) as standard, Counter(SIGRTMIN) as real_time:
        with blocked(SIGUSR1, SIGRTMIN):
            for value in range(times):
                send(os.getpid(), SIGUSR1)
                send(os.getpid(), SIGRTMIN, value)
        real_time.wait(timeout=10)
        print(f"{times} of each were sent while they were blocked")
        print(f"SIGUSR1 was counted {standard.count} times: the kernel merges what is pending")
        print(f"SIGRTMIN was counted {real_time.count} times, the last with value {real_time.last_value}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
