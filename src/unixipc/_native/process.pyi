from collections.abc import Callable
from typing import Any, TypeVar

from .descriptor import Descriptor

T = TypeVar("T")

NOCLDWAIT: int
NOCLDSTOP: int

def spawn(
    candidates: list[bytes],
    argv: list[bytes],
    envp: list[bytes],
    folder: bytes | None,
    moves: list[tuple[int, int]],
    death_signal: int,
    group: bool,
    session: bool,
    make: type[T],
) -> T: ...
def waitid_once(which: int, who: int, options: int) -> tuple[int, int, int, int, int, int] | None: ...
def exit_status(pidfd: int) -> int | None: ...
def pidfd_open(pid: int, nonblocking: bool) -> int: ...
def pidfd_getfd(pidfd: int, number: int, name: object) -> int: ...
def pidfd_send_signal(pidfd: int, signal: int, value: int | None, name: object) -> None: ...
def set_subreaper(on: bool) -> None: ...
def get_subreaper() -> bool: ...
def set_death_signal(signal: int) -> None: ...
def get_death_signal() -> int: ...
def child_flags(flags: int | None = None) -> tuple[int, bool]: ...
def fork_run(
    target: Callable[..., Any],
    args: tuple[Any, ...],
    death_signal: int,
    group: bool,
    session: bool,
    armed: int,
    make: type[T],
) -> T: ...

class ProcessHandle(Descriptor):
    pid: int
    def __init__(self, pid: int, pidfd: int) -> None: ...

Found = tuple[int, int, int, int, int, int]

class ChildHandle(ProcessHandle):
    owner: int
    status: Any
    @property
    def waited(self) -> Found | None: ...
    def wait(self, timeout: float | None = None, *, stopped: bool = False, continued: bool = False) -> Any: ...
    def ended(self, status: Any, found: Found | None) -> None: ...

def use_status_class(status_of: Callable[[int, int], Any], success: Any) -> None: ...

abandoned: list[Any]

def living(pid: int) -> list[ChildHandle]: ...
