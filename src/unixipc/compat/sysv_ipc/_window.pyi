from typing import Any, TypeVar

from typing_extensions import Buffer

class Window(Buffer):
    _shown: Any
    def _mapped(self, doing: str) -> Any: ...

S = TypeVar("S")

def entered(self: S) -> S: ...
def left(self: object, *exception: object) -> None: ...
