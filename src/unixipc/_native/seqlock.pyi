from _thread import LockType
from collections.abc import Callable
from types import TracebackType

from typing_extensions import Buffer

from .wait import Word

HEADER_BYTES: int
SEQUENCE_OFFSET: int

class SeqLock:
    body_bytes: int
    writable: bool
    claimed: int
    turn: LockType
    def __init__(self, memory: Buffer, writable: bool) -> None: ...
    @property
    def sequence(self) -> int: ...
    @property
    def writer(self) -> int: ...
    def claim(self, old: int, new: int) -> bool: ...
    def begin(self) -> None: ...
    def end(self) -> None: ...
    def put(self, data: Buffer, offset: int) -> None: ...
    def try_read(self, n: int, offset: int) -> bytes | None: ...
    def close(self) -> None: ...

class Writing:
    def __init__(
        self,
        lock: SeqLock,
        claim: Callable[[], LockType],
        word: Word,
        timeout: float | None,
        name: Callable[[], str],
    ) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...
