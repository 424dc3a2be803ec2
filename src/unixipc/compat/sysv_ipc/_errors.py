"""sysv_ipc's exceptions, and which of them a refusal of the kernel becomes.

Each carries the kernel's `errno` (None if nobody asked the kernel), and as a note the call and what it means.
"""

from __future__ import annotations

from errno import EINVAL

from ...errors import ObjectRemoved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class Error(Exception):
    """The base of the exceptions here."""

    errno: int | None = None


class InternalError(Error):
    """A fault of the library itself. Nothing here raises it; it is there to be named in ``except``."""


class PermissionsError(Error):
    """The object's mode and owner do not allow this."""


class ExistentialError(Error):
    """No such object (any more), or there is one that must not be."""


class BusyError(Error):
    """Not possible now, or not within the timeout."""


class NotAttachedError(Error):
    """The segment's memory is not attached to this process."""


class Refusals:
    """``with`` around native calls: what the kernel refuses is raised as sysv_ipc's callers expect it.

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
        if cls is ExistentialError and error.errno == EINVAL and not isinstance(error, ObjectRemoved):
            text = "the kernel refuses this number for"  # the object is there
        return with_errno(cls(f"{text} {error.filename}" if error.filename else text), error.errno, notes)


def with_errno(error: Exception, code: int | None, notes: list[str]) -> Exception:
    """The same exception, knowing what the kernel said."""
    error.errno = code  # type: ignore[attr-defined]
    for note in notes:
        error.add_note(note)
    return error


def busy(text: str, code: int) -> BusyError:
    """Not now."""
    error = BusyError(text)
    error.errno = code
    return error
