"""What two looks tell together: rates, what is new, what has changed, for how long somebody is seen to wait.

Nothing here asks the machine, or a clock.
"""

from __future__ import annotations

from ..._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    Key: TypeAlias = tuple[Any, ...]

__all__ = ["Change", "Changes", "History", "Numbers", "key_of", "numbers_of", "wait_key"]


@record
class Numbers:
    """What is counted of an object, None where its kind, or our rights, know no such number.

    `depth`: the messages in it; a semaphore's value; connections that a listener has not accepted. `used_bytes`: what
    is in it, or its size. `entered`, `left`, `lost`: counters since it was made: messages in, out, dropped or missed.
    `lag`: how far behind the slowest subscriber is.
    """

    depth: int | None = None
    used_bytes: int | None = None
    entered: int | None = None
    left: int | None = None
    lost: int | None = None
    lag: int | None = None


@record
class Change:
    """An object since the last look: rates per second (None at its first look, or if its counters began anew).

    `changed`: the fields of its row that differ, as names. `growth_s`: of `Numbers.depth`.
    """

    is_new: bool
    changed: frozenset[str]
    growth_s: float | None
    entered_s: float | None
    left_s: float | None
    lost_s: float | None


@record
class Changes:
    """All of it: `of` by `key_of`; `gone`: rows that are no more; `waiting_s` by `wait_key`.

    `elapsed_s`: since the look before; None at the first.
    """

    of: dict[Key, Change]
    new: int
    gone: tuple[Any, ...]
    waiting_s: dict[Key, float]
    elapsed_s: float | None


UNKNOWN = Change(False, frozenset(), None, None, None, None)
"""At the first look nothing is new and nothing has changed."""
NEW = Change(True, frozenset(), None, None, None, None)


def key_of(row: Any) -> Key:
    """What tells an object from all others, at this look and the next. A file can have several locks."""
    if row.kind == "lock":
        return row.kind, row.id, row.type, row.shared, row.start, row.length, row.pid
    return row.kind, row.id


def wait_key(wait: Any) -> Key:
    """What tells a wait from all others."""
    return wait.pid, wait.tid, wait.does, wait.kind, wait.id


class History:
    """The look before, and since when each wait is seen."""

    def __init__(self) -> None:
        self._rows: dict[Key, Any] = {}
        self._at: float | None = None
        self._since: dict[Key, tuple[float, float]] = {}

    def next(self, at: float, rows: Iterable[Any], waits: Iterable[Any]) -> Changes:
        """What this look, taken `at` (seconds of a monotonic clock), says after the one before."""
        now = {key_of(row): row for row in rows}
        first, before, elapsed = self._at is None, self._rows, None if self._at is None else at - self._at
        of = {key: UNKNOWN if first else _change(before.get(key), row, elapsed or 0.0) for key, row in now.items()}
        gone = tuple(row for key, row in before.items() if key not in now)
        waiting = self._waiting(at, waits)
        self._rows, self._at = now, at
        return Changes(of, sum(change.is_new for change in of.values()), gone, waiting, elapsed)

    def _waiting(self, at: float, waits: Iterable[Any]) -> dict[Key, float]:
        """Who waits turns over in his sleep now and then: to be missed at one look is no end of a wait."""
        kept = {key: span for key, span in self._since.items() if span[1] == self._at}
        seen = {wait_key(wait) for wait in waits}
        last = {key: self._since[key][0] if key in self._since else at for key in seen}
        self._since = kept | {key: (since, at) for key, since in last.items()}
        return {key: at - since for key, since in last.items()}


def _change(before: Any, now: Any, elapsed: float) -> Change:
    if before is None:
        return NEW
    if before == now:
        changed: frozenset[str] = frozenset()
    else:
        was = before._asdict()
        changed = frozenset(name for name, value in now._asdict().items() if was.get(name) != value)
    old, new = numbers_of(before), numbers_of(now)
    if _began_anew(old, new):
        return Change(False, changed, None, None, None, None)
    return Change(
        False, changed, _rate(old.depth, new.depth, elapsed), _rate(old.entered, new.entered, elapsed),
        _rate(old.left, new.left, elapsed), _rise(old.lost, new.lost, elapsed),
    )  # fmt: skip


def _began_anew(old: Numbers, new: Numbers) -> bool:
    """Whether it was removed and made again under the same name: its counters only ever rise."""
    pairs = ((old.entered, new.entered), (old.left, new.left))
    return any(a is not None and b is not None and b < a for a, b in pairs)


def _rate(old: int | None, new: int | None, elapsed: float) -> float | None:
    return None if old is None or new is None or elapsed <= 0 else (new - old) / elapsed


def _rise(old: int | None, new: int | None, elapsed: float) -> float | None:
    """What was lost is summed over those who are there: it falls when one leaves, and then tells nothing."""
    rate = _rate(old, new, elapsed)
    return None if rate is None or rate < 0 else rate


def numbers_of(row: Any) -> Numbers:
    """What is counted of an object."""
    counted = COUNTED.get(row.kind)
    return NOTHING if counted is None else counted(row)


def _set(row: Any) -> Numbers:
    semaphores = list(row.semaphores or ())
    return Numbers(semaphores[0].value) if len(semaphores) == 1 else NOTHING


def _topic(row: Any) -> Numbers:
    missed, lag = sum(each.missed for each in row.subscribers), max((each.lag for each in row.subscribers), default=0)
    return Numbers(None, row.used_bytes, row.published, None, missed, lag)


def _size(row: Any) -> Numbers:
    return Numbers(None, row.size_bytes)


NOTHING = Numbers()
COUNTED: dict[str, Callable[[Any], Numbers]] = {
    "channel": lambda row: Numbers(row.depth, row.used_bytes, row.sent, row.received, row.dropped),
    "topic": _topic,
    "sysv-queue": lambda row: Numbers(row.messages, row.used_bytes),
    "posix-queue": lambda row: Numbers(row.messages, row.used_bytes),
    "sysv-set": _set,
    "posix-semaphore": lambda row: Numbers(row.value),
    "sysv-segment": _size,
    "posix-memory": _size,
    "memfd": _size,
    "mapping": lambda row: Numbers(None, row.mapped_bytes),
    "socket": lambda row: Numbers(row.waiting if row.state == "listening" else None, row.received_bytes),
}
"""Each kind's numbers."""
