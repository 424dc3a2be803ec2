"""What ties a process to its parent and its orphans to it. -- prctl(2)"""

from __future__ import annotations

from .._native import process as _process

__all__ = ["death_signal", "is_subreaper", "subreaper"]


def death_signal(signal: int | None = None) -> int:
    """The signal this process gets when the thread that started it ends, 0 for none; given one, set it. -- prctl(2)"""
    before = _process.get_death_signal()
    if signal is not None:
        _process.set_death_signal(int(signal))
    return before


def subreaper(on: bool = True) -> None:
    """Orphaned descendants become our children instead of init's: `reap` them. -- prctl(2), PR_SET_CHILD_SUBREAPER"""
    _process.set_subreaper(on)


def is_subreaper() -> bool:
    """Whether orphaned descendants become our children. -- prctl(2), PR_GET_CHILD_SUBREAPER"""
    return _process.get_subreaper()
