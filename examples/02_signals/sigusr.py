"""Work until SIGUSR1 comes: a latch, which is what sig_atomic_t is for.

Usage: sigusr.py    (ipc demo sigusr)    then, in another terminal: kill -USR1 PID
"""

import os
from signal import SIGUSR1

from unixipc.signals import Latch


def main() -> None:
    with Latch(SIGUSR1) as got_usr1:
        print(f"PID {os.getpid()}: working hard...", flush=True)
        got_usr1.wait()
    print("Done in by SIGUSR1!")


if __name__ == "__main__":
    main()
