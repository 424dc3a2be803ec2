from typing import Any

from typing_extensions import Buffer

class Window(Buffer):
    _shown: Any
    def _mapped(self, doing: str) -> Any: ...
