"""Remove the lock that seminit and semdemo use; whoever waits for it is told.

Usage: semrm.py [PATH]    the same PATH as seminit and semdemo were given    (ipc demo semrm)
"""

import sys
from pathlib import Path

from unixipc.sysv import Key, Semaphore


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("seminit.py")
    try:
        with Semaphore.open(Key.ftok(path, "J")) as lock:
            print(f"semrm: {lock.waiters} processes wait for it")
            lock.remove()  # at once, held or not: they get ObjectRemoved
    except FileNotFoundError:
        sys.exit("semrm: there is no such lock: `ipc demo seminit` makes it")
    print("semrm: it is gone")


if __name__ == "__main__":
    main()
