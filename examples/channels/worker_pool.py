"""Workers take jobs from a queue, on trust; some are killed in the middle of one, and no job is lost.

Usage: worker_pool.py [JOBS] [WORKERS]

A job that is leased goes to the next worker if its own is killed before it has finished. So it may be begun twice, and
its result must bear that: here results are collected by the job's number.
"""

import os
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack

from unixipc import Killed, channel, fork
from unixipc.process import Child

WAIT_S = 30
DEATHS = 5  # one job in so many is a worker's last


def work(jobs: channel.Queue, results: channel.Queue, seed: int) -> int:
    """In a child: square numbers until there are none; now and then be killed half-way."""
    dice = random.Random(seed)
    with jobs.receiver() as receiver, results.sender() as sender:
        while True:
            try:
                with receiver.lease(timeout=WAIT_S) as job:
                    if dice.randrange(DEATHS) == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    sender.send({"job": job, "result": job**2})
            except EOFError:  # the boss has left, and nothing is there any more
                return 0


def hire(jobs: channel.Queue, results: channel.Queue, rest: ExitStack) -> Iterator[Child]:
    """One worker after the other."""
    for seed in range(10**6):
        yield rest.enter_context(fork(work, jobs, results, seed))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    done: dict[int, int] = {}
    killed = 0
    with (
        channel.Queue.anonymous(codec="pickle") as jobs,
        channel.Queue.anonymous(codec="pickle") as results,
        ExitStack() as rest,
    ):
        boss, inbox = rest.enter_context(jobs.sender()), rest.enter_context(results.receiver())
        open_ended = rest.enter_context(results.sender())  # results do not end while workers come and go
        hiring = hire(jobs, results, rest)
        workers = [next(hiring) for _ in range(most)]
        boss.send_many(list(range(count)), timeout=WAIT_S)
        while len(done) < count:
            try:
                answer = inbox.receive(timeout=0.1)
                done[answer["job"]] = answer["result"]
            except TimeoutError:
                pass  # a look at the workers: the dead ones are replaced
            for i, worker in enumerate(workers):
                if isinstance(worker.try_wait(), Killed):
                    killed += 1
                    workers[i] = next(hiring)
        open_ended.close()
        boss.close()
    assert done == {n: n**2 for n in range(count)}
    print(f"{count} jobs, {killed} workers killed in the middle of one: all {len(done)} results are here")


if __name__ == "__main__":
    main()
