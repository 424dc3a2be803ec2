from collections.abc import Callable
from typing import Any

registered: dict[int, tuple[Callable[[Any], object], Any]]

def by_thread(queue: int, token: int, wanted: tuple[Callable[[Any], object], Any], name: object) -> None: ...
