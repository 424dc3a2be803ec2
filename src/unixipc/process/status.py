"""How a process ended or changed, as values: decoded from waitid(2) and from wait(2)'s status word."""

from __future__ import annotations

from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Status: TypeAlias = "Exited | Killed | Stopped | Continued"

__all__ = ["CLD_DUMPED", "Continued", "Exited", "Killed", "Stopped", "Usage", "from_waitid", "from_word"]

CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED = range(1, 7)


@record
class Exited:
    """The process ended by itself, with an exit code from 0 to 255."""

    code: int


@record
class Killed:
    """A signal ended the process; `core` tells whether it left a core dump."""

    signal: int
    core: bool = False


@record
class Stopped:
    """A signal stopped the process; it can be continued."""

    signal: int


@record
class Continued:
    """SIGCONT let a stopped process go on."""


@record
class Usage:
    """What an ended child cost: CPU seconds in user and kernel mode, and its peak memory. -- getrusage(2)"""

    user_seconds: float
    system_seconds: float
    peak_kib: int


def from_waitid(code: int, status: int) -> Status:
    """The status for waitid(2)'s si_code and si_status."""
    if code == CLD_EXITED:
        return Exited(status)
    if code in (CLD_KILLED, CLD_DUMPED):
        return Killed(status, code == CLD_DUMPED)
    return Continued() if code == CLD_CONTINUED else Stopped(status)


def from_word(word: int) -> Status:
    """The same from the status word that wait(2) used to give."""
    return Exited(word >> 8 & 0xFF) if word & 0x7F == 0 else Killed(word & 0x7F, bool(word & 0x80))
