"""What does the import cost, in time and memory, over bare Python? Each time in a fresh interpreter.

Everybody gets ``python -I``: the site module runs, as it does for users, but neither the environment nor the current
folder matter. Time is that of the import statement; memory is the whole process's resident set afterwards (exact, from
smaps_rollup), less the bare interpreter's in the same round.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median

import unixipc

from . import harness
from .harness import Effort, Report, Row, Target

BARE, OURS = "(bare python)", "unixipc"
MODULES = {
    BARE: "stdlib", OURS: "ours", "unixipc.sockets": "ours", "sysv_ipc": "peer", "posix_ipc": "peer",
    "socket": "stdlib", "subprocess": "stdlib", "multiprocessing": "stdlib", "multiprocessing.connection": "stdlib",
    "multiprocessing.shared_memory": "stdlib", "zmq": "peer",
}  # fmt: skip
ROUNDS = 20

PROGRAM = """\
import sys, time
sys.path.append(sys.argv[2])  # where unixipc was found, should -I hide that place
begin = time.perf_counter_ns()
{statement}
took = time.perf_counter_ns() - begin
with open("/proc/self/smaps_rollup") as lines:
    kib = next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
print(took / 1e6, kib / 1024)
"""


def measure(module: str) -> tuple[float, float]:
    """(milliseconds, MiB) of one fresh interpreter."""
    program = PROGRAM.format(statement="pass" if module == BARE else f"import {module}")
    words = [sys.executable, "-I", "-c", program, module, str(Path(unixipc.__file__).parents[1])]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    ms, mib = map(float, done.stdout.split())
    return ms, mib


def editable() -> bool:
    """An editable install looks for changes to build at import: that is not what a user's import costs."""
    return "editable" in type(unixipc.__spec__.loader).__module__


def run(effort: Effort) -> list[Report]:
    harness.pin(harness.PRODUCER)
    present = [name for name in MODULES if name == BARE or harness.has(name)]
    for name in present:
        measure(name)  # the files are in memory from here on, byte code and all
    rounds = [{name: measure(name) for name in present} for _ in range(effort.n(ROUNDS) + 2 * (effort.scale < 1))]
    times = [Row(name, MODULES[name], [each[name][0] for each in rounds]) for name in present]
    sizes = [Row(name, MODULES[name], [each[name][1] - each[BARE][1] for each in rounds]) for name in present]
    bare = median(each[BARE][1] for each in rounds)
    reports = [
        Report("imports", "import in a fresh interpreter", "ms", times),
        Report("imports", f"memory the import adds to bare Python's {bare:.1f} MiB", "MiB", sizes),
    ]
    for report, limit, unit in zip(reports, (10, 3), ("ms", "MiB"), strict=True):
        report.targets.append(Target(f"imports: import {OURS}", limit, True, report.row(OURS).median, unit))
    if editable():
        reports[0].notes.append("unixipc is installed editable here: its import looks for changes to build")
    return reports


if __name__ == "__main__":
    harness.answer(run)
