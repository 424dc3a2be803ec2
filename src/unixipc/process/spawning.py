"""Other programs, started with pid and pidfd in one step. -- clone(2), execve(2)"""

from __future__ import annotations

import os

from .._fd import number_of
from .._native import process as _process
from .handle import Child, collect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._fd import HasFileno

__all__ = ["spawn"]


def spawn(
    argv: Sequence[str | bytes | os.PathLike[str]],
    *,
    stdin: int | HasFileno | None = None,
    stdout: int | HasFileno | None = None,
    stderr: int | HasFileno | None = None,
    descriptors: Mapping[int, int | HasFileno] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    death_signal: int | None = None,
    new_group: bool = False,
    new_session: bool = False,
) -> Child:
    """Start another program; its pidfd and its pid are made in one step. -- clone(2), execve(2)

    `stdin`, `stdout`, `stderr`: a descriptor for each, else ours. `descriptors`: more of them, {number there: ours}.
    Nothing else is inherited. Signal handlers are reset; SIGPIPE is as a C program expects it. Errors come here, not
    as an exit status: FileNotFoundError, PermissionError, OSError(ENOEXEC) name the program or the folder.
    """
    words = [os.fsencode(word) for word in argv]
    if not words or not words[0]:
        raise ValueError("spawn needs a program's name")
    if any(b"\0" in word for word in words):
        raise ValueError("a program's argument has no NUL in it")
    standard = {0: stdin, 1: stdout, 2: stderr}
    wanted = {number: end for number, end in standard.items() if end is not None} | dict(descriptors or {})
    moves = [(number_of(end), number) for number, end in wanted.items()]
    if any(number < 0 for move in moves for number in move):
        raise ValueError("a descriptor is a number from 0 up")
    environment = os.environ if env is None else env
    collect()
    pid, pidfd = _process.spawn(
        _candidates(words[0], environment), words,
        [os.fsencode(f"{key}={value}") for key, value in environment.items()],
        None if cwd is None else os.fsencode(cwd), moves, int(death_signal or 0), new_group, new_session,
    )  # fmt: skip
    return Child(pid, pidfd)


def _candidates(program: bytes, environment: Mapping[str, str]) -> list[bytes]:
    """The paths to try, as execvp(3) does."""
    if b"/" in program:
        return [program]
    folders = os.fsencode(environment.get("PATH", os.defpath)).split(b":")
    return [os.path.join(folder or b".", program) for folder in folders]
