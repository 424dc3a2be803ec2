"""Adds the object's name, the man page and the meaning to a kernel's refusal."""

from __future__ import annotations

import os

from .errors import CLASS_OF_ERRNO, meaning


def failure(code: int, call: str, name: object = None, hint: str | None = None) -> OSError:
    """The exception for `errno`, ready to raise: errno kept, filename = the object, a note = what it means."""
    cls = CLASS_OF_ERRNO.get(code, OSError)
    text = os.strerror(code)
    error = (
        cls(code, text) if name is None else cls(code, text, os.fspath(name) if hasattr(name, "__fspath__") else name)
    )
    explanation = hint or meaning(call, code)
    error.add_note(f"{call}: {explanation}" if explanation else f"{call}: see its man page")
    return error


def name_holders(error: OSError, holders: tuple[str, list[int]]) -> None:
    """Say in the message who has what was waited for, and as attributes: `holders`, all pids, and `pid`, the first.

    `holders`: a sentence, and the pids that are known.
    """
    sentence, pids = holders
    known = tuple(dict.fromkeys(pids))
    error.holders, error.pid = known, known[0] if known else None  # type: ignore[attr-defined]
    error.strerror = f"{error.strerror}; {sentence}"
    error.args = (error.errno, error.strerror)


def explained(error: OSError, call: str, name: object = None, hint: str | None = None) -> OSError:
    """The same refusal as `error` (raised by a standard library call), in our words."""
    return failure(error.errno or 0, call, error.filename if name is None else name, hint)
