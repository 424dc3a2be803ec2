"""Words of `ls`, `who` and `why`: kinds, columns, processes, things; each with its completion from what there is."""

from __future__ import annotations

import os

import click

from .addresses import Address, parse
from .words import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from click.shell_completion import CompletionItem

FAMILIES = {"sysv": "all of System V", "posix": "all of POSIX"}
KINDS = {
    "sysv-queue": "System V message queues",
    "sysv-set": "System V semaphore sets",
    "sysv-segment": "System V shared memory",
    "posix-queue": "POSIX message queues",
    "posix-semaphore": "POSIX semaphores with a name",
    "posix-memory": "POSIX shared memory",
    "lock": "file locks of all kinds, with who waits",
    "pipe": "pipes with both ends",
    "fifo": "FIFOs that somebody has open",
    "socket": "Unix sockets with both sides",
    "memfd": "memory files",
    "channel": "our queues in shared memory",
    "topic": "our topics in shared memory",
    "robust": "robust locks, with who has them and who waits",
    "mapping": "shared mappings of any file (only when asked for)",
    "signals": "what each process does with its signals (only when asked for)",
}
"""As `unixipc.inspector.KINDS`, which takes longer to import than completion may."""


class Kind(click.Choice[str]):
    """A kind or a family; the completion tells what each is."""

    def __init__(self) -> None:
        super().__init__([*FAMILIES, *KINDS])

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Those that begin so."""
        return _items(((name, what) for name, what in (FAMILIES | KINDS).items()), incomplete)


class Columns(click.ParamType[str]):
    """Names of columns, with commas between them if there may be several; the verb checks them."""

    name = "COLUMN"

    def __init__(self, several: bool = False) -> None:
        self.several = several

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The columns of the kinds that the line names."""
        from .columns import OF_ALL, known_columns

        before, comma, last = incomplete.rpartition(",") if self.several else ("", "", incomplete)
        plus = "+" if last.startswith("+") and not comma else ""
        words = [*(ctx.params.get("kinds") or ()), *ctx.args]  # an option without its value: they are not sorted yet
        kinds = concrete(tuple(word for word in words if word in FAMILIES or word in KINDS))
        names = [(f"{before}{comma}{plus}{name}", OF_ALL.get(name, "")) for name in known_columns(kinds)]
        more = [("help", "list them")] if self.several and not before else []
        return _items(iter([*names, *more]), incomplete)


class Pid(click.IntRange):
    """The number of a process."""

    name = "PID"

    def __init__(self) -> None:
        super().__init__(min=1)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Every process, with its name."""
        return _items(processes(incomplete), incomplete)


class Thing(click.ParamType[str]):
    """Whatever an object may be called."""

    name = "THING"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Short ids and names of what there is; "PID:" and "kind:"; the shell completes paths itself."""
        from click.shell_completion import CompletionItem

        if "/" in incomplete and ":" not in incomplete:
            return [*_items(_things(incomplete), incomplete), CompletionItem(incomplete, type="file")]
        return _items(_things(incomplete), incomplete)


class UrlOrShortId(Url):
    """An address, or a short id of an object that has one."""

    def convert(self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Look a short id up; what cannot be removed is a usage error that says what ends it."""
        if not isinstance(value, Address) and ":" not in value:
            try:
                return address_of(value) or super().convert(value, param, ctx)
            except ValueError as error:
                self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Addresses; short ids once they are begun."""
        found = super().shell_complete(ctx, param, incomplete)
        short = _things(incomplete) if incomplete and ":" not in incomplete else iter(())
        return [*found, *_items(short, incomplete)]


def address_of(short: str) -> Address | None:
    """Of the object with this short id; None if there is none. ValueError: several, or it has no address."""
    from ..inspector.short_ids import ambiguous, meant
    from .looking import Look

    rows = Look().rows
    names = meant(short, rows)
    if len(names) > 1:
        raise ambiguous(short, names)
    found = [row for row in rows if (row.kind, row.id) in names]
    return parse(_url_of(short, found[0])) if found else None


def _url_of(short: str, row: Any) -> str:
    family, _, kind = row.kind.partition("-")
    if family == "sysv":
        return f"sysv:id={row.id}?kind={kind}"
    if family == "posix":
        return f"posix:{row.id}?kind={kind}"
    if row.kind in ("channel", "topic") and row.path:
        return f"{row.kind}:{row.id}"
    if row.kind == "fifo" and row.path.startswith("/"):
        return f"fifo:{row.path}"
    if row.kind == "socket" and row.name:
        return f"unix:{row.name}?kind={row.type}"
    raise ValueError(f"{short!r} is a {row.kind} without a name: it goes with who has it, whom `ipc who {short}` names")


def concrete(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds that these kinds and families stand for; all that `ls` lists without being asked, for none."""
    if not kinds:
        return tuple(kind for kind in KINDS if kind not in ("mapping", "signals"))
    return tuple(kind for kind in KINDS if kind in kinds or kind.partition("-")[0] in kinds)


def processes(incomplete: str) -> Iterator[tuple[str, str]]:
    """(pid, name) of those whose pid begins so."""
    from ..inspector.procfs import command_of
    from ..inspector.procfs import processes as pids

    yield from ((str(pid), command_of(pid)) for pid in pids() if str(pid).startswith(incomplete))


def _things(incomplete: str) -> Iterator[tuple[str, str]]:
    """(word, what it is); pipes and sockets without a name only when they are asked for, as they are many."""
    before, colon, _ = incomplete.partition(":")
    if colon and before.isdigit():
        yield from _descriptors(int(before))
        return
    if incomplete.isdigit():
        yield from ((f"{pid}:", command) for pid, command in processes(incomplete))
    from .looking import Look

    look = Look((before,) if colon and before in KINDS else ())
    for row in look.rows:
        yield from _words_for(look, row, incomplete, before if colon else "")


def _words_for(look: Any, row: Any, incomplete: str, kind: str) -> Iterator[tuple[str, str]]:
    from .seeing import name_of

    name, short = name_of(row), look.short_id(row)
    if kind:
        yield f"{row.kind}:{row.id}", name
    elif incomplete.startswith(("/", "@", "0x")):
        yield from ((word, f"{row.kind} {short}") for word in {name, str(row.id)} if word)
    elif incomplete or name or row.kind not in ("pipe", "socket"):
        yield short, f"{row.kind} {name or row.id}"
        if isinstance(row.id, str) and row.id[:1].isalpha():  # a channel's
            yield row.id, row.kind


def _descriptors(pid: int) -> Iterator[tuple[str, str]]:
    folder = f"/proc/{pid}/fd"
    try:
        numbers = sorted(os.listdir(folder), key=int)
    except OSError:
        return
    for number in numbers:
        try:
            yield f"{pid}:{number}", os.readlink(f"{folder}/{number}")
        except OSError:  # closed meanwhile
            continue


def _items(words: Iterator[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """Those that begin so, each once; what cannot be printed or typed is not offered."""
    from click.shell_completion import CompletionItem

    from .main import printable

    found = {word: what for word, what in words if word.startswith(incomplete) and word.isprintable()}
    return [CompletionItem(word, help=printable(what) or None) for word, what in found.items()]
