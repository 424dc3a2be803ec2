"""What the twins of System V objects have in common."""

from __future__ import annotations

from typing import Any

from ...sysv import Key
from .. import _drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["PATIENCE_S", "Object", "Wrapped", "nothing"]

PATIENCE_S = 10.0


def nothing(_result: object) -> None:
    """There is nothing to give back."""


class Object(_drive.Twin[Any]):
    """What all of them have besides."""

    @property
    def id(self) -> int:
        """The kernel's number for it."""
        number: int = self.sync.id
        return number

    @property
    def key(self) -> Key:
        """The key; `Key.PRIVATE` if it has none."""
        key: Key = self.sync.key
        return key

    def stat(self) -> Any:
        """The object at this moment."""
        return self.sync.stat()

    def remove(self) -> None:
        """Remove it; tasks that wait get `ObjectRemoved`."""
        self.sync.remove()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.sync,)


class Wrapped:
    """Has a plain object in `sync`, and closes it."""

    sync: Any

    def __init__(self, sync: Any) -> None:
        self.sync = sync

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        closed: bool = self.sync.closed
        return closed

    def close(self) -> None:
        """Close it."""
        self.sync.close()

    def remove(self) -> None:
        """Remove what is behind it, for everybody."""
        self.sync.remove()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<aio {repr(self.sync)[1:]}"
