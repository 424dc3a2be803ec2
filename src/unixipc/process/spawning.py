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
    Nothing else is inherited. Signal handlers are reset; SIGPIPE is as a C program expects it; the mask is ours, but
    for what is blocked only because a `SignalStream` reads it. Errors come here, not as an exit status:
    FileNotFoundError, PermissionError, OSError(ENOEXEC) name the program or the folder.
    `death_signal`: sent to it when this process ends (prctl(2)). As the kernel looks at the starting *thread*, the
    program is started by one of the library's that lasts if this is not the main thread; it then has the processor
    affinity and the priority of that one.
    """
    words = [_word(word, "an argument") for word in argv]
    if not words or not words[0]:
        raise ValueError("spawn needs a program's name")
    standard = {0: stdin, 1: stdout, 2: stderr}
    wanted = {number: end for number, end in standard.items() if end is not None} | dict(descriptors or {})
    for number in wanted:
        if type(number) is not int or not 0 <= number < 2**31:
            raise ValueError(f"a descriptor is a number from 0 up, not {number!r}")
    environment = os.environ if env is None else env
    pairs = [_pair(key, value) for key, value in environment.items()]
    folder = None if cwd is None else _word(cwd, "a folder")
    collect()
    paths = _candidates(words[0], environment)
    moves = [(_number(end), number) for number, end in wanted.items()]
    return _process.spawn(paths, words, pairs, folder, moves, int(death_signal or 0), new_group, new_session, Child)


def _word(word: str | bytes | os.PathLike[str], what: str) -> bytes:
    raw = os.fsencode(word)
    if b"\0" in raw:
        raise ValueError(f"{what} has no NUL in it: {word!r}")
    return raw


def _pair(key: str, value: str) -> bytes:
    if not isinstance(key, str) or not isinstance(value, str):
        raise TypeError(f"an environment is made of str, not {key!r}: {value!r}")
    if not key or "=" in key:
        raise ValueError(f"a variable's name is not empty and has no = in it: {key!r}")
    return _word(f"{key}={value}", "a variable")


def _number(end: int | HasFileno) -> int:
    number = number_of(end)
    if number < 0:
        raise ValueError(f"a descriptor is a number from 0 up, not {number}")
    return number


def _candidates(program: bytes, environment: Mapping[str, str]) -> list[bytes]:
    """The paths to try, as execvp(3) does."""
    if b"/" in program:
        return [program]
    folders = os.fsencode(environment.get("PATH", os.defpath)).split(b":")
    return [os.path.join(folder or b".", program) for folder in folders]
