"""Living processes as witnesses: whose group or session they are in, and whether one is old enough to know a thing.

Read once, and only if somebody asks: most looks at the machine need none of it. -- proc_pid_stat(5), credentials(7)
"""

from __future__ import annotations

import os
from time import CLOCK_BOOTTIME, CLOCK_REALTIME, clock_gettime

from .._record import record
from .procfs import has_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Living", "Witness"]

FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO: where every process of the machine has a pid."""
NEVER = float("inf")
SLACK_S = 2.0
"""Start times are ticks since boot, times of objects whole seconds of a clock that somebody may set."""


@record
class Witness:
    """A living process: its group and session, the users whose rights it has or may take back, when it began.

    Of one that may not be looked at nothing is known: no users.
    """

    pid: int
    group: int
    session: int
    uids: tuple[int, ...]
    began_at: float


class Living:
    """The processes among these that live, looked at when the first question comes.

    `may_be_more`: others may live, which are not shown here.
    """

    def __init__(self, pids: Iterable[int], may_be_more: bool = False) -> None:
        self._pids, self.may_be_more = pids, may_be_more
        self._found: list[Witness] | None = None
        self._led: dict[int, int] = {}
        self._oldest: dict[int, float] = {}

    @property
    def witnesses(self) -> list[Witness]:
        """All of them but zombies, and but for this process."""
        if self._found is None:
            booted_at = clock_gettime(CLOCK_REALTIME) - clock_gettime(CLOCK_BOOTTIME)
            seen = (_witness(pid, booted_at) for pid in self._pids if pid != os.getpid())
            self._found = [each for each in seen if each is not None]
            for each in self._found:
                self._led |= {each.group: each.pid, each.session: each.pid}
                for uid in each.uids:
                    self._oldest[uid] = min(each.began_at, self._oldest.get(uid, each.began_at))
        return self._found

    def relative_of(self, pids: Iterable[int]) -> int | None:
        """A living process in a group or session that one of these (ended) processes led: its family may go on."""
        return next((self._led[pid] for pid in pids if self.witnesses and pid in self._led), None)

    def nobody_remembers(self, uids: Iterable[int], at: float) -> bool:
        """Whether no process of these users lives that is older than this moment: nobody (but root) can have used it.

        Only who sees every process of the machine can say so: root, in the first pid namespace, with its own /proc.
        """
        if not _sees_everybody() or not all(each.uids for each in self.witnesses):
            return False
        return all(self._oldest.get(uid, NEVER) > at + SLACK_S for uid in uids)


def _sees_everybody() -> bool:
    try:
        with open("/proc/1/status"):  # not with hidepid, unless we are really root
            here = os.readlink("/proc/self/ns/pid") == FIRST_PID_NAMESPACE
        return here and os.readlink("/proc/self") == str(os.getpid()) and os.geteuid() == 0
    except OSError:
        return False


def _witness(pid: int, booted_at: float) -> Witness | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as stat, open(f"/proc/{pid}/status", "rb") as status:
            facts = stat.readall().rpartition(b")")[2].split()  # a name may hold anything, but nothing follows its ")"
            uids = next(line.split()[1:] for line in status if line.startswith(b"Uid:"))
    except PermissionError:
        return Witness(pid, pid, pid, (), 0.0)
    except (OSError, StopIteration):  # it has ended
        return None
    if facts[0] in b"ZX" and has_ended(pid):  # its first thread may end before the others
        return None
    began_at = booted_at + int(facts[19]) / os.sysconf("SC_CLK_TCK")
    return Witness(pid, int(facts[2]), int(facts[3]), tuple(map(int, uids)), began_at)
