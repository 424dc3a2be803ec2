"""Workers share a counter under a robust mutex; every second one is killed while it holds it, and the work goes on.

Usage: survivors.py [WORKERS]
"""

import os
import signal
import sys

from unixipc import OwnerDied, fork, map_anonymous, robust
from unixipc.mapping import Mapping

WAIT_S = 30
COUNTER, COPY = 4096, 4104  # two numbers that are equal whenever nobody holds the mutex


def number(memory: Mapping, at: int) -> int:
    return int.from_bytes(memory.buffer[at : at + 8], sys.byteorder)


def put(memory: Mapping, at: int, value: int) -> None:
    memory.buffer[at : at + 8] = value.to_bytes(8, sys.byteorder)


def work(mutex: robust.Mutex, memory: Mapping, dies: bool) -> int:
    """In a child: one more; half-way, some are killed."""

    def repair(death: OwnerDied) -> None:
        print(f"worker {os.getpid()}: process {death.pid} was killed half-way, its half is taken back", flush=True)
        put(memory, COUNTER, number(memory, COPY))

    with mutex.hold(timeout=WAIT_S, repair=repair):
        put(memory, COUNTER, number(memory, COUNTER) + 1)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        put(memory, COPY, number(memory, COUNTER))
    return 0


def main() -> None:
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    with map_anonymous(8192) as memory:
        mutex = robust.Mutex.create(memory)
        for i in range(workers):
            with fork(work, mutex, memory, i % 2 == 0) as child:
                child.wait(WAIT_S)
        with mutex.hold(timeout=WAIT_S, repair=lambda death: put(memory, COUNTER, number(memory, COPY))):
            print(f"{workers} workers, {workers - workers // 2} of them killed: {number(memory, COUNTER)} have counted")
        mutex.close()


if __name__ == "__main__":
    main()
