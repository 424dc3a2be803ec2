"""One finding, and how it is made of one number or word that the kernel shows."""

from __future__ import annotations

import os

from ..._record import record
from ..._text import text_of as whole_text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    Status = Literal["ok", "warn", "bad", "unknown"]

NEARLY = 0.8
"""The share of a limit from which on it is near."""


@record
class Finding:
    """One thing that was looked at.

    `value`, in `unit`: what was found (None: no limit, or unknown). `used`: how much of it, where that can be known.
    `status`: "ok"; "warn", it will fail soon, or is not what programs expect; "bad", something fails now; "unknown".
    `why` it matters here, or why it is unknown. `fix`: the command or line of configuration that changes it (a limit
    that is well can be raised too), "" where there is none.
    """

    topic: str
    name: str
    value: int | str | None
    unit: str
    used: int | None
    status: Status
    why: str
    fix: str


def attempt(topic: str, name: str, look: Callable[[], Finding]) -> Finding:
    """What `look` finds; "unknown" if it cannot."""
    try:
        return look()
    except (OSError, ValueError, LookupError) as error:
        return unreadable(topic, name, error)


def unreadable(topic: str, name: str, error: Exception) -> Finding:
    """What is said where nothing could be found out."""
    why = f"it cannot be read: {error}"
    if isinstance(error, FileNotFoundError):
        why = f"this kernel, or a namespace that is not its first, does not show it: {error}"
    return Finding(topic, name, None, "", None, "unknown", why, "")


def limited(topic: str, name: str, value: int, unit: str, used: int | None, why: str, fix: str) -> Finding:
    """A limit, judged by how much of it is used."""
    if used is None or used < value * NEARLY:
        return Finding(topic, name, value, unit, used, "ok", why, fix)
    if used < value:
        return Finding(topic, name, value, unit, used, "warn", f"{used * 100 // value} % is used: {why}", fix)
    return Finding(topic, name, value, unit, used, "bad", f"it is used up: {why}", fix)


def expected(finding: Finding, least: int, why: str) -> Finding:
    """The finding, but a warning if all is well and yet the value is less than programs expect."""
    if finding.status != "ok" or not isinstance(finding.value, int) or finding.value >= least:
        return finding
    facts = {**finding._asdict(), "status": "warn", "why": f"less than {why} ({least}): {finding.why}"}  # type: ignore[attr-defined]
    return Finding(**facts)


def text_of(path: str) -> str:
    """The whole file, without white space around it."""
    return whole_text_of(path).strip()


def sysctl(name: str) -> int:
    """The (first) number of a sysctl. -- sysctl(8)"""
    return int(text_of(f"/proc/sys/{name.replace('.', '/')}").split()[0])


def setting(name: str, value: int | str) -> str:
    """The command that sets a sysctl; none for a number that is as good as no limit."""
    return "" if isinstance(value, int) and value > AS_GOOD_AS_NO_LIMIT else f"sysctl -w {name}={value}"


def own_status(field: str) -> str:
    """A line of /proc/self/status. -- proc_pid_status(5)"""
    for line in text_of("/proc/self/status").splitlines():
        key, _, value = line.partition(":")
        if key == field:
            return value.strip()
    raise LookupError(f"/proc/self/status has no {field}")


def version_in(text: str) -> tuple[int, int]:
    """The first two numbers of a kernel's release, or of a sentence about one."""
    import re  # here: who only imports the inspector need not pay for it

    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def has_capability(number: int) -> bool:
    """Whether this process has it in effect. -- capabilities(7)"""
    return bool(int(own_status("CapEff"), 16) >> number & 1)


CAP_IPC_LOCK, CAP_SYS_PTRACE, CAP_SYS_RESOURCE = 14, 19, 24
AS_GOOD_AS_NO_LIMIT = 1 << 48
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
