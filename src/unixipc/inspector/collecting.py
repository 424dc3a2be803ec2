"""Remove what is provably ownerless, and say of each why, or why it was left. -- ipcrm(1), shmctl(2), unlink(2)

What proves it, and what can still happen between the last look and the removal, is in the guide:
cleaning up after a crash.
"""

from __future__ import annotations

import fnmatch
import os
from time import CLOCK_REALTIME, clock_gettime

from .._record import record
from .leftovers import Orphan, found
from .listing import KINDS, no_such_kind
from .procfs import snapshot
from .removing import OPEN, remove_if_unchanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Literal, TypeAlias

    from .leftovers import Row

    Done: TypeAlias = Literal["removed", "would remove", "left", "refused"]

__all__ = ["YOUNG_S", "Collected", "collect"]

YOUNG_S = 60.0
"""What was used within this many seconds is left: somebody may be just setting it up."""


@record
class Collected:
    """What became of an orphan: "removed", "would remove" (`dry_run`), "left", or "refused" by the kernel.

    `because`: why it was left, or what the kernel said; "" if it was removed.
    """

    orphan: Orphan
    done: Done
    because: str


def collect(
    kinds: Collection[str] = (),
    *,
    likely: bool | Collection[tuple[str, int | str]] = False,
    mine: bool = False,
    matching: str | None = None,
    older_than_s: float = YOUNG_S,
    dry_run: bool = False,
    folders: Sequence[str] | None = None,
    on_each: Callable[[Collected], object] | None = None,
) -> list[Collected]:
    """Remove the orphans that are "sure" (with `likely` those too), and tell of each what was done. -- shmctl(2)

    `likely` may also be the (kind, id) of those that are meant. `kinds`: as for `ls`, all by default. `mine`: only what
    belongs to this user. `matching`: only what has such an id, as a shell's pattern ("/tmp/app-*"). What is "possible"
    only is never removed, nor what was used within `older_than_s` seconds. Each is looked at once more, immediately
    before: who came meanwhile keeps it. `folders`: where to look for sockets' files. `on_each` is called with each as
    it is done. What belongs to others is left, unless we are root; a removal that the kernel refuses is "refused",
    with its words.
    ValueError for a kind that does not exist.
    """
    known = {*KINDS, *(each.partition("-")[0] for each in KINDS)}
    if unknown := sorted(set(kinds) - known):
        raise no_such_kind(unknown[0])
    done: list[Collected] = []
    for orphan, row in found(snapshot(), folders, kinds):
        if _is_meant(orphan, mine, matching):
            reason = _why_left(orphan, row, likely, older_than_s)
            done.append(_dealt_with(orphan, row, reason, dry_run))
            if on_each is not None:
                on_each(done[-1])
    return done


def _is_meant(orphan: Orphan, mine: bool, matching: str | None) -> bool:
    by_name = matching is None or fnmatch.fnmatchcase(str(orphan.id), matching)
    return by_name and (not mine or orphan.owner_uid == os.geteuid())


def _why_left(orphan: Orphan, row: Row, likely: bool | Collection[tuple[str, int | str]], older_than_s: float) -> str:
    """Why it is not even tried; "" if it is."""
    if orphan.certainty == "possible":
        return "not enough is known"
    if orphan.certainty == "likely" and not (
        likely if isinstance(likely, bool) else (orphan.kind, orphan.id) in likely
    ):
        return "only likely"
    if os.geteuid() not in (0, orphan.owner_uid, getattr(row, "creator_uid", orphan.owner_uid)):
        return "it belongs to somebody else"
    age = older_than_s if orphan.used_at is None else clock_gettime(CLOCK_REALTIME) - orphan.used_at
    if older_than_s and age < older_than_s:
        return f"used {max(age, 0):.0f} s ago"
    return ""


def _dealt_with(orphan: Orphan, row: Row, reason: str, dry_run: bool) -> Collected:
    if reason or dry_run:
        return Collected(orphan, "left" if reason else "would remove", reason)
    try:
        left = remove_if_unchanged(row)
    except BlockingIOError:  # the lease or the folder's lock
        left = OPEN
    except OSError as error:
        return Collected(
            orphan, "refused", " - ".join([error.strerror or str(error), *getattr(error, "__notes__", [])])
        )
    return Collected(orphan, "left" if left else "removed", left or "")
