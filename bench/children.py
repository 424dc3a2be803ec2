"""One way to have children, N times over, in an interpreter that has nothing else on its mind (run by process.py).

``python children.py WAY N [FOLDER]`` prints nanoseconds for one child; FOLDER is where unixipc was found. Each way
imports what it needs and nothing more: a fork copies what the process weighs, and runs every module's at-fork hooks
(threading's and random's alone double the price of a bare fork).
"""

import gc
import os
import sys
import time
from itertools import repeat


def empty():
    pass


def unixipc_fork():
    from unixipc import fork

    def loop(n):
        for _ in repeat(None, n):
            with fork(empty) as child:
                child.wait()

    return loop


def os_fork():
    import unixipc  # noqa: F401 - the same weight: a fork copies what its process has mapped, whoever calls it

    return os_fork_light()


def os_fork_light():
    def loop(n):
        for _ in repeat(None, n):
            pid = os.fork()
            if pid == 0:
                empty()
                os._exit(0)
            os.waitpid(pid, 0)

    return loop


def multiprocessing_fork():
    from multiprocessing import get_context

    context = get_context("fork")

    def loop(n):
        for _ in repeat(None, n):
            process = context.Process(target=empty)
            process.start()
            process.join()
            process.close()

    return loop


def unixipc_spawn():
    from unixipc import spawn

    def loop(n):
        for _ in repeat(None, n):
            with spawn(["true"]) as child:
                child.wait()

    return loop


def os_posix_spawn():
    def loop(n):
        for _ in repeat(None, n):
            os.waitpid(os.posix_spawnp("true", ["true"], os.environ), 0)

    return loop


def subprocess_popen():
    from subprocess import Popen

    def loop(n):
        for _ in repeat(None, n):
            Popen(["true"]).wait()

    return loop


def main(way, n, *folder):
    sys.path.extend(folder)
    loop = globals()[way]()
    gc.disable()
    loop(n // 10 + 1)
    begin = time.perf_counter_ns()
    loop(n)
    print((time.perf_counter_ns() - begin) / n)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
