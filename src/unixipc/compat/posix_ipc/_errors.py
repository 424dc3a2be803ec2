"""posix_ipc's exceptions, and which of them a refusal of the kernel becomes.

Each carries the kernel's `errno` (None if nobody asked the kernel), and as a note the call and what it means.
"""

from __future__ import annotations

from errno import EBADF

from ...errors import ClosedError
from .._refusals import Refusals as _Refusals
from .._refusals import with_errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class Error(Exception):
    """The base of the exceptions here."""

    errno: int | None = None


class SignalError(Error):
    """A signal ended a wait. Nothing here raises it, waits go on; it is there to be named in ``except``."""


class PermissionsError(Error):
    """The object's mode and owner do not allow this, or it was not opened for it."""


class ExistentialError(Error):
    """No such object, or there is one that must not be, or it was closed."""


class BusyError(Error):
    """Not possible now, or not within the timeout."""


REFUSED = (OSError, ClosedError)
"""What `Refusals` looks at."""


class Refusals(_Refusals):
    """``with`` around native calls: what the kernel refuses is raised as posix_ipc's callers expect it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if isinstance(error, ClosedError):
            raise with_errno(ExistentialError("it was closed in this process"), EBADF, []) from None
        super().__exit__(kind, error, where)


def busy(text: str, code: int) -> BusyError:
    """Not now."""
    error = BusyError(text)
    error.errno = code
    return error
