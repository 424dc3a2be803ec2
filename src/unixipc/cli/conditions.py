"""What `ipc ls --where` says: a field, a sign, a value.

>>> condition = parse("size_bytes>4K")
>>> condition.column, condition.sign, condition.value
('size_bytes', '>', '4K')
>>> condition.holds(5000), condition.holds(4096), condition.holds(None)
(True, False, False)
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from .._record import record
from .columns import cell, word_of
from .units import number_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SHAPE = re.compile(r"([a-z_]+)(!=|>=|<=|=|>|<)(.*)", re.S)


@record
class Condition:
    """FIELD=VALUE, where VALUE may be a pattern, FIELD!=VALUE, FIELD>N and so on.

    A list is = what is in it, and > N if it has more than N. What is not known is = "" and nothing else.
    """

    column: str
    sign: str
    value: str

    def holds(self, found: Any) -> bool:
        """Whether it is so for what a row has in this column."""
        if self.sign == "=":
            return self._is(found)
        if self.sign == "!=":
            return not self._is(found)
        if isinstance(found, tuple):
            found = len(found)
        if not isinstance(found, int) or self._number is None:
            return False
        compared = (found > self._number) - (found < self._number)
        return compared in {">": (1,), "<": (-1,), ">=": (0, 1), "<=": (-1, 0)}[self.sign]

    def _is(self, found: Any) -> bool:
        if isinstance(found, tuple):
            words = {word_of(each) for each in found} | {str(each.pid) for each in found if hasattr(each, "pid")}
            return any(fnmatchcase(word, self.value) for word in words) if found else not self.value
        if isinstance(found, int) and not isinstance(found, bool) and found == self._number:
            return True
        return fnmatchcase(cell(self.column, found, human=False), self.value)

    @property
    def _number(self) -> int | None:
        try:
            return number_in(self.value)
        except ValueError:
            return None


def parse(text: str) -> Condition:
    """ValueError with the spelling if it is none."""
    found = SHAPE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no condition: write FIELD=VALUE, FIELD!=VALUE, FIELD>N, FIELD<N, FIELD>=N or <=")
    condition = Condition(*found.groups())
    if condition.sign not in ("=", "!=") and condition._number is None:
        raise ValueError(
            f"{text!r}: {condition.value!r} is no number: write 4096, 64K, 0x10 or a time as 2026-11-30T12:00"
        )
    return condition
