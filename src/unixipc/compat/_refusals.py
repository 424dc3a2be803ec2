"""What the kernel refuses, raised as the callers of another library expect it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class Refusals:
    """``with`` around native calls: an errno that is listed becomes the exception that is listed for it.

    An errno that is not listed stays the OSError it is.
    """

    def __init__(self, meanings: dict[int, tuple[type[Exception], str]]) -> None:
        self.meanings = meanings

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and error.errno in self.meanings:
            # Only what our own calls raised has notes: a signal handler's exception, which may come in the midst of
            # any wait, passes as it is.
            notes: list[str] = getattr(error, "__notes__", [])
            if notes:
                raise self._translated(error, notes) from None

    def _translated(self, error: OSError, notes: list[str]) -> Exception:
        cls, text = self.meanings[error.errno or 0]
        text = self._text(error, cls, text)
        return with_errno(cls(f"{text} {error.filename}" if error.filename else text), error.errno, notes)

    def _text(self, error: OSError, cls: type[Exception], text: str) -> str:
        """What it says: `text`, unless a derived class knows better."""
        return text


def with_errno(error: Exception, code: int | None, notes: list[str]) -> Exception:
    """The same exception, knowing what the kernel said."""
    error.errno = code  # type: ignore[attr-defined]
    for note in notes:
        error.add_note(note)
    return error
