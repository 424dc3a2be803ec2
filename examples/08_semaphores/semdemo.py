"""A lock that several terminals share: a System V semaphore, which the kernel gives back when its holder dies.

Usage: semdemo.py [PATH]    run it in several terminals; semrm.py [PATH] removes the lock    (ipc demo semdemo, semrm)
The semaphore's key is made of the file PATH; default: the source of seminit. End with Ctrl-D.
"""

import sys
from pathlib import Path

from unixipc import ObjectRemoved
from unixipc.sysv import Key, Semaphore


def wait_for_return(what: str) -> bool:
    """Whether there was a line; False at the end of the input."""
    print(f"semdemo: press return to {what}", flush=True)
    return bool(sys.stdin.readline())


def take_turns(lock: Semaphore) -> None:
    while wait_for_return("lock"):
        if not lock.value:
            print(f"semdemo: process {lock.last_pid} has it. Waiting ...", flush=True)
        # undo: should we be killed with the lock, kill -9 included, the kernel unlocks it.
        with lock.hold(undo=True):
            print("semdemo: locked", flush=True)
            wait_for_return("unlock")
        print("semdemo: unlocked", flush=True)


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("seminit.py")
    with Semaphore.ensure(Key.ftok(path, "J"), 1) as lock:  # seminit may have made it; if not, we do
        try:
            take_turns(lock)
            print("semdemo: the lock stays, for others. `ipc demo semrm` removes it")
        except ObjectRemoved:
            sys.exit("semdemo: somebody has removed the lock")
        except KeyboardInterrupt:
            print("semdemo: interrupted. The lock is not ours any more, and stays")


if __name__ == "__main__":
    main()
