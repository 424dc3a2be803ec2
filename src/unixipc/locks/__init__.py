"""File locks: whole files, ranges of bytes, and leases. -- flock(2), fcntl(2)

The locks are *advisory*: they exclude those who ask. Linux has had no others since 5.15.
"""

from ._holders import Holder, probe
from .flock import FileLock
from .lease import Lease
from .ranges import lock_range, try_lock_range, unlock_range
from .record import RecordLock

__all__ = ["FileLock", "Holder", "Lease", "RecordLock", "lock_range", "probe", "try_lock_range", "unlock_range"]
