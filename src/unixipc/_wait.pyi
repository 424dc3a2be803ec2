from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Protocol, TypeVar

from ._native.descriptor import Descriptor
from ._native.wait import Interrupt as Interrupt
from ._native.wait import Word
from ._native.wait import check_signals as check_signals
from ._native.wait import monotonic_ns as monotonic_ns
from ._native.wait import ready_now as ready_now
from ._native.wait import sleep_on_descriptors as sleep_on_descriptors
from ._native.wait import wake_thread as wake_thread

T = TypeVar("T")

class Sleepable(Protocol):
    def add_sleeper(self, sleeper: Callable[[], object], /) -> None: ...
    def remove_sleeper(self, sleeper: Callable[[], object], /) -> None: ...
    def check_open(self) -> None: ...

Watched = tuple[tuple[Descriptor, int], ...]

READABLE: int
WRITABLE: int
FIRST_BEAT_NS: int
this_thread: SimpleNamespace

class Deadline:
    timeout: float | None
    began_ns: int
    at_ns: int
    beats: bool
    def __init__(self, timeout: float | None) -> None: ...
    def next_look_ns(self) -> int: ...
    def left(self) -> float | None: ...
    def check(self, name: object, doing: str) -> None: ...

def checked_ns(timeout: float) -> int: ...
def timed_out(name: object, doing: str, timeout: float | None) -> TimeoutError: ...
def wait(
    attempt: Callable[[], T | None],
    sleep: Callable[[int], object],
    deadline: Deadline,
    name: object,
    tried: bool = False,
) -> T: ...
def on_descriptor(
    descriptor: Descriptor,
    events: int,
    attempt: Callable[..., T | None],
    *args: Any,
    timeout: float | None,
    tried: bool = False,
) -> T: ...
def on_descriptors(
    watched: Callable[[], Watched], attempt: Callable[[], T | None], timeout: float | None, name: object
) -> T: ...
def on_word(
    word: Word,
    attempt: Callable[[], T | None],
    timeout: float | None,
    name: object = None,
    look_ns: int | None = None,
) -> T: ...
def in_kernel(
    call: Callable[..., T | None],
    *args: Any,
    timeout: float | None,
    name: object = None,
    interrupt: Interrupt | None = None,
    on: Sleepable | None = None,
) -> T: ...
