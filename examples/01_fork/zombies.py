"""A child that has ended stays a zombie (state Z) until its parent takes its status.

Usage: zombies.py [COUNT]    how many children end at once (default 3)
"""

import sys

from unixipc import fork, reap


def state_of(pid: int) -> str:
    """The letter that ps shows: R running, S sleeping, Z zombie; "gone" if there is no such process. -- proc(5)"""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    children = [fork(lambda status=number: status) for number in range(count)]
    for child in children:
        child.wait_end(timeout=10)  # a pidfd tells that it has ended; nothing is reaped by looking
        print(f"child {child.pid} has ended, its state is {state_of(child.pid)}: a zombie, it waits for us")
    # SIGCHLD would tell of several deaths once, so reaping goes on until nobody is left.
    for pid, status in reap():
        print(f"reaped {pid}: {status}, its state is {state_of(pid)}")
    for child in children:
        child.close()


if __name__ == "__main__":
    main()
