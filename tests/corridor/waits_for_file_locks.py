"""Every waiting call on file locks."""

from __future__ import annotations

from unixipc.locks import FileLock, RecordLock, lock_range, unlock_range

from .waits import Waits


class FileLockAcquire(Waits):
    """flock(2)."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.mine, self.theirs = self.own(*(self.made(tmp_path / "x.lock") for _ in range(2)))
        self.theirs.acquire()

    def made(self, path):
        return FileLock(path)

    def wait(self, timeout):
        return self.mine.acquire(timeout) is None and self.mine.held

    def satisfy(self):
        self.theirs.release()


class RecordLockAcquire(FileLockAcquire):
    """F_OFD_SETLKW."""

    def made(self, path):
        return RecordLock(path, 10, 10, mode=0o600)


class FileLockUpgrade(FileLockAcquire):
    """It waits for those who share."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.theirs.downgrade()

    def wait(self, timeout):
        if not self.mine.held:
            self.mine.acquire(shared=True)
        return self.mine.upgrade(timeout) is False


class LockOfAnotherThread(FileLockAcquire):
    """One opening, held by this process: futex(2)."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        file = self.own((tmp_path / "file").open("xb"))
        self.mine = self.theirs = self.own(RecordLock(file))
        self.mine.acquire_for(1, False)

    def satisfy(self):
        self.mine.release()


class LockRange(Waits):
    """F_OFD_SETLKW, on a file of ours."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.theirs, self.mine = self.own(*((tmp_path / "file").open(mode) for mode in ("xb", "r+b")))
        lock_range(self.theirs, 0, 10)

    def wait(self, timeout):
        return lock_range(self.mine, 5, 10, timeout=timeout) is None

    def satisfy(self):
        unlock_range(self.theirs)


WAITS_FOR_FILE_LOCKS = [FileLockAcquire, FileLockUpgrade, RecordLockAcquire, LockOfAnotherThread, LockRange]
