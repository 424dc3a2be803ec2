"""What does a look at a busy machine cost? 5 000 processes that have to do with each other; ours, and util-linux's.

The processes (see c/crowd.c) and all who look at them are in namespaces of their own: nothing else on the machine is
seen. It is the processor's time that counts, in the program and in the kernel for it: nobody here waits for anybody, so
on an idle machine the clock shows the same.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from unixipc import inspector
from unixipc.inspector import procfs

from . import harness
from .harness import Case, Effort, Report, Target

PROCESSES, ROUNDS, LIMIT_S = 5000, 1, 1.0
SNAPSHOT, LS, WHY, GRAPH, ORPHANS = "one pass: snapshot()", "ls()", "why()", "graph()", "orphans()"
LSFD = "lsfd"
PEERS = {
    LSFD: ["lsfd"],
    "lsof -n -P": ["lsof", "-n", "-P"],
    "ss -xp": ["ss", "-xp"],
    "lslocks": ["lslocks"],
    "ls -l /proc/*/fd": ["sh", "-c", "ls -l /proc/[0-9]*/fd 2>&1"],
}
NAMESPACES = ["unshare", "--mount", "--ipc", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
SHELL = 'mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs tmpfs /mnt && exec "$0" "$@"'
INSIDE = "--inside"


def ours(name: str, look: Callable[[], object]) -> Case:
    def once() -> float:
        begin = time.process_time()
        look()
        return time.process_time() - begin

    return Case(name, "ours", once)


def peer(name: str, words: Sequence[str]) -> Case | None:
    """The processor's time of the program and its children; None if it is not installed."""
    if shutil.which(words[0]) is None:
        return None

    def once() -> float:
        before = os.times()
        subprocess.run(
            words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=harness.LONGEST_SLICE_S
        )
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    return Case(name, "peer", once)


@contextmanager
def crowd(n: int) -> Iterator[Path]:
    """Processes of a C program, and the folder that their files are in."""
    folder = Path("/mnt/crowd")
    folder.mkdir()
    words = [harness.c_program("crowd"), str(folder), str(n)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as made:
        if made.stdout.readline() != b"ready\n":
            raise RuntimeError("the processes could not be made")
        yield folder
        made.stdin.close()


def looks(folder: Path) -> list[Case]:
    """Every way that we have to look."""
    path, pipe = folder / "log.1", min(procfs.snapshot().pipes)
    return [
        ours(SNAPSHOT, procfs.snapshot),
        ours(LS, inspector.ls),
        ours(WHY, inspector.why),
        ours(GRAPH, inspector.graph),
        ours(ORPHANS, inspector.orphans),
        ours("who(path)", lambda: inspector.who(path)),
        ours("who(pipe)", lambda: inspector.who(pipe)),
        *(ours(f"ls({kind!r})", lambda kind=kind: inspector.ls(kind)) for kind in inspector.KINDS),
    ]


def measured(effort: Effort) -> Report:
    n = effort.n(PROCESSES)
    with crowd(n) as folder:
        cases = [*looks(folder), *(peer(name, words) for name, words in PEERS.items())]
        rows = harness.interleave(cases, effort, ROUNDS)
        seen = procfs.snapshot()
        count = sum(
            len(ends) for table in (seen.pipes, seen.sockets, seen.files, seen.anonymous) for ends in table.values()
        )
    report = Report("inspector", f"a look at {n:,} processes", "s of processor time", rows, LSFD)
    report.notes.append(
        f"{count:,} descriptors of {len(seen.pipes):,} pipes, {len(seen.sockets):,} sockets, {len(seen.files):,} files"
    )
    for name in (SNAPSHOT, LS, WHY, GRAPH):
        report.targets.append(Target(f"inspector: {name}", LIMIT_S * n / PROCESSES, True, report.row(name).median, "s"))
    return report


def outside(effort: Effort) -> list[Report]:
    """The same in namespaces: a process there cannot come back."""
    rights = ["--user", "--map-root-user"] if os.geteuid() else []
    quick = ["--quick"] if effort == harness.QUICK else []
    words = [*NAMESPACES, *rights, "sh", "-c", SHELL, sys.executable, "-m", "bench.inspector", INSIDE, "--raw", *quick]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    return [Report.from_dict(plain) for plain in json.loads(done.stdout)]


def run(effort: Effort) -> list[Report]:
    return [measured(effort)] if INSIDE in sys.argv else outside(effort)


if __name__ == "__main__":
    harness.answer(run)
