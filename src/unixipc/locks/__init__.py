"""File locks: whole files, and ranges of bytes. -- flock(2), fcntl(2)

All are *advisory*: they exclude those who ask. Linux has had no others since 5.15.
"""

from ._holders import Holder, probe
from .flock import FileLock
from .ranges import lock_range, try_lock_range, unlock_range
from .record import RecordLock

__all__ = ["FileLock", "Holder", "RecordLock", "lock_range", "probe", "try_lock_range", "unlock_range"]
