"""sysv_ipc's exceptions, and which of them a refusal of the kernel becomes.

Each carries the kernel's `errno` (None if nobody asked the kernel), and as a note the call and what it means.
"""

from __future__ import annotations

from errno import EINVAL

from ...errors import ObjectRemoved
from .._refusals import Refusals as _Refusals


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


class Refusals(_Refusals):
    """``with`` around native calls: what the kernel refuses is raised as sysv_ipc's callers expect it."""

    def _text(self, error: OSError, cls: type[Exception], text: str) -> str:
        if cls is ExistentialError and error.errno == EINVAL and not isinstance(error, ObjectRemoved):
            return "the kernel refuses this number for"  # the object is there
        return text


def busy(text: str, code: int) -> BusyError:
    """Not now."""
    error = BusyError(text)
    error.errno = code
    return error
