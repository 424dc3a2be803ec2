"""Names that well-known programs give by themselves, and what they tell of a file in /dev/shm. -- shm_overview(7)

A name proves nothing: anybody may use it. It raises "possible" to "likely", with the reason said.
"""

from __future__ import annotations

import re

from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Pattern

__all__ = ["Family", "family_of"]


@record
class Family:
    """Who gives such names. `comes_back`: a program of it that runs may come back for what nobody has open now."""

    pattern: Pattern[str]
    maker: str
    comes_back: bool


FAMILIES = {
    "posix-memory": (
        Family(re.compile(r"/psm_[0-9a-f]{8}"), "Python's multiprocessing.shared_memory", False),
        Family(re.compile(r"/torch_(?P<pid>\d+)_\d+_\d+"), "PyTorch", False),
        # Its pinned segments outlive their last user: a backend that needs one again opens it by name.
        Family(re.compile(r"/PostgreSQL\.\d+"), "PostgreSQL", True),
        Family(re.compile(r"/\.uipc-gc-[0-9a-f]{12}"), "`ipc gc`, which was killed while it removed this,", False),
    ),
    "posix-semaphore": (
        Family(re.compile(r"/mp-\w{8}"), "Python's multiprocessing", False),
        Family(re.compile(r"/loky-(?P<pid>\d+)-\w+"), "joblib's loky", False),
    ),
}


def family_of(kind: str, name: str) -> tuple[Family, int | None] | None:
    """The family of this name, and its maker's pid if the name says it."""
    for family in FAMILIES.get(kind, ()):
        if found := family.pattern.fullmatch(name):
            pid = found.groupdict().get("pid")
            return family, int(pid) if pid else None
    return None
