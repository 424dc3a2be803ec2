"""A pool of workers that are killed again and again, and no job is lost: each job is leased, not taken.

Usage: pool.py [JOBS [WORKERS]]    default: 200 jobs, 3 workers    (ipc demo pool)

The parent kills a worker with SIGKILL whenever some jobs are done, and starts another one. What the dead one was at
goes back into the queue: the kernel drops its lock, the next worker sees that.
"""

import signal
import sys
from collections import Counter

from unixipc import Child, channel, fork

WAIT_S = 30
KILL_EVERY = 20


def work(jobs: channel.Queue, results: channel.Queue) -> None:
    """In a worker: until every sender of jobs has left and no job can come any more."""
    with jobs.receiver() as receiver, results.sender() as sender:
        while True:
            try:
                with receiver.lease() as job:  # ours at the end of the block, and not before
                    sender.send(job + b" " + str(sum(range(int(job) * 1000))).encode())
            except EOFError:
                return


def start(jobs: channel.Queue, results: channel.Queue) -> Child:
    return fork(work, jobs, results, death_signal=signal.SIGKILL)  # should we die, they do not stay


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with channel.Queue.anonymous() as jobs, channel.Queue.anonymous() as results:
        pool = [start(jobs, results) for _ in range(workers)]
        with jobs.sender() as sender, results.receiver(persistent=True) as receiver:  # it outlives any worker
            sender.send_many([str(number).encode() for number in range(count)], timeout=WAIT_S)
            done, killed = Counter[int](), 0
            while len(done) < count:
                job, _sum = receiver.receive(timeout=WAIT_S).split()
                done[int(job)] += 1
                if done.total() % KILL_EVERY == 0:
                    with pool.pop(0) as victim:
                        victim.kill()  # SIGKILL, at whatever it is doing
                        victim.wait(WAIT_S)
                    pool.append(start(jobs, results))
                    killed += 1
        for child in pool:  # no sender of jobs is left, so they end by themselves
            with child:
                child.wait(WAIT_S)
    again = done.total() - count
    print(f"pool: {len(done)} of {count} jobs done, {killed} workers killed, {again} jobs done twice")


if __name__ == "__main__":
    main()
