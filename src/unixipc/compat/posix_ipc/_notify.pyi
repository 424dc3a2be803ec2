from collections.abc import Callable
from typing import Any, TypeVar

registered: dict[int, tuple[Callable[[Any], object], Any]]

def by_thread(queue: int, token: int, wanted: tuple[Callable[[Any], object], Any], name: object) -> None: ...

S = TypeVar("S")

def entered(self: S) -> S: ...
def left(self: object, *exception: object) -> None: ...
