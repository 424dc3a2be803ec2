"""Make a lock, a System V semaphore, from several processes at once: none of them sees it half made.

Usage: seminit.py [PATH] [COUNT]    COUNT processes (default 5) make the lock that semdemo and semrm use
The semaphore's key is made of the file PATH; default: this program's source.
"""

import sys
from contextlib import ExitStack

from unixipc import Exited, fork, pipe
from unixipc.sysv import Key, Semaphore

WAIT_S = 30


def make_and_use(key: Key, number: int) -> int:
    # The kernel makes a semaphore in one call and gives it a value in another. Whoever came between would find the lock
    # taken, or reset it while it is. `ensure` lets nobody come between, and one of all these gives it the value.
    with Semaphore.ensure(key, 1) as lock, lock.hold(undo=True, timeout=WAIT_S):
        print(f"process {number}: I have the lock, its value is {lock.value} now", flush=True)
    return 0


def race(key: Key, count: int) -> bool:
    """Let them all go at the same moment; whether all went well."""
    gate, starter = pipe()
    with gate, starter:

        def child_main(number: int) -> int:
            starter.close()
            gate.read(1)  # the end of the stream: the parent has closed its end
            return make_and_use(key, number)

        with ExitStack() as families:
            children = [families.enter_context(fork(child_main, number)) for number in range(1, count + 1)]
            starter.close()
            ends = [child.wait(WAIT_S) for child in children]
        return all(end == Exited(0) for end in ends)


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else __file__
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    key = Key.ftok(path, "J")
    if not race(key, count):
        sys.exit("seminit: a process could not use the lock")
    with Semaphore.open(key) as lock:
        print(f"seminit: the lock is free, its value is {lock.value} (id {lock.id})")
    print("seminit: it stays. Use it with `ipc demo semdemo`, remove it with `ipc demo semrm`")


if __name__ == "__main__":
    main()
