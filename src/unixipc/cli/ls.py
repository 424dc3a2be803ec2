"""``ipc ls``: every object of this machine that processes talk through."""

from __future__ import annotations

import os
import sys

import click

from .choices import FAMILIES, KINDS, Columns, Kind, Pid, concrete
from .main import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from .conditions import Condition
    from .looking import Look

    Command = TypeVar("Command", bound=Callable[..., Any])

EPILOG = """\b
Examples:
  ipc ls                                         all there is, a line each
  ipc ls sysv --mine                             my own System V objects
  ipc ls sysv-segment --sort size_bytes -r       shared memory, the largest first
  ipc ls lock --waiting                          locks that somebody waits for
  ipc ls --pid 4711                              what this process has, and waits for
  ipc ls --columns +id,waiters                   the columns as ever, and two more
  ipc ls posix --where 'used_by=' --where 'size_bytes>=1M'
  ipc ls --orphans                               what nobody seems to use, and why
  ipc ls socket --json | jq -r '.[].name'

\b
Exit status: 0; 1 if something could not be read; 2 if the command was not understood.
What could not be seen is one line on stderr.

\b
See ipc who, ipc why; lsipc(1), ipcs(1), lslocks(8), lsfd(1), ss(8), proc(5).
"""
CONDITION = "FIELD=VALUE"


def options(*those: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options in the order of the help."""

    def add(command: Command) -> Command:
        for each in reversed(those):
            command = each(command)
        return command

    return add


WHICH = options(
    click.option("--mine", is_flag=True, help="Only what belongs to you."),
    click.option("--user", metavar="NAME", help="Only what belongs to this user (a name or a number)."),
    click.option("--pid", type=Pid(), metavar="PID", help="Only what this process has to do with, or waits for."),
    click.option("--name", metavar="PATTERN", help="Only what has this path, name, key or id: * and ? as in a shell."),
    click.option("--waiting", is_flag=True, help="Only what somebody waits for."),
    click.option(
        "--where", multiple=True, metavar=CONDITION, help="Only where this holds; also != > < >= <=. See above."
    ),
    click.option("--orphans", is_flag=True, help="Only what nobody seems to use, and why; nothing is removed."),
)
HOW = options(
    click.option("-o", "--columns", type=Columns(several=True), metavar="A,B,...",
                 help='These columns; "+A,B" adds to the usual ones; "help" lists them.'),
    click.option("--sort", type=Columns(), metavar="FIELD", help="In the order of this field."),
    click.option("-r", "--reverse", is_flag=True, help="The other way round."),
    click.option("--no-headings", is_flag=True, help="Without the first line."),
    click.option("-b/-H", "--bytes/--human", "exact", default=None,
                 help="Sizes and times as numbers, as is usual where no terminal reads; or as 4K, 17:30."),
    click.option("--json", "as_json", is_flag=True,
                 help="A list of objects: all fields of each row, or those of --columns; exact."),
)  # fmt: skip


GROUPS = {
    "Which objects": ("mine", "user", "pid", "name", "waiting", "where", "orphans"),
    "How they are shown": ("columns", "sort", "reverse", "no_headings", "exact", "as_json"),
}


class Grouped(click.Command):
    """Its kinds are told, and its options stand under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each group."""
        every = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        told = {param.name: record for param in every if (record := param.get_help_record(ctx))}
        with formatter.section("Kinds and families"):
            formatter.write_dl([*(FAMILIES | KINDS).items()])
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([told.pop(name) for name in names])
        with formatter.section("Other options"):
            formatter.write_dl([*told.values()])


@click.command(cls=Grouped, epilog=EPILOG)
@click.argument("kinds", nargs=-1, metavar="[KIND]...", type=Kind())
@WHICH
@HOW
def ls(kinds: tuple[str, ...], columns: str | None, sort: str | None, as_json: bool, **chosen: Any) -> None:
    r"""List what processes talk through: System V and POSIX objects, locks, pipes, FIFOs, sockets, channels, memory.

    With KIND only that, or that family (sysv, posix), with columns of its own. `mapping` and `signals` are listed by
    name only. The first column is a short id, the same as long as the object is there: `ipc who` takes it.

    --where: a field is what --columns=help lists. VALUE of = and != may have * and ?; a number may be 64K or 0x10, a
    time 2026-11-30T12:00. A list (users, used_by, readers ...) is = what is in it, and > N if it has more than N. What
    is not known is = "" and nothing else. Given several times, all must hold.

    A pipe gets what --json has: nothing is shortened, "-" for nothing, \x20 for a blank inside a cell. A pipe or
    lock has no owner: it belongs to whose processes have it.
    """
    asked = ("orphans",) if chosen["orphans"] else kinds
    among = asked if chosen["orphans"] else concrete(kinds)
    if columns == "help":
        _print_columns(among)
        return
    shown, conditions = _checked(asked, among, columns, sort, chosen["where"])
    from .looking import Look

    uid = os.getuid() if chosen["mine"] else _uid_of(chosen["user"])
    look = Look(kinds, chosen["orphans"])
    rows = list(_chosen(look, conditions, uid, chosen))
    if sort or chosen["reverse"]:
        rows = _sorted(look, rows, sort, chosen["reverse"])
    if as_json:
        _print_as_json(look, rows, shown if columns else ())
    else:
        _print(look, rows, shown, chosen)
    _say_what_is_hidden(look, uid, chosen["pid"])


def _checked(
    asked: tuple[str, ...], among: tuple[str, ...], columns: str | None, sort: str | None, where: tuple[str, ...]
) -> tuple[tuple[str, ...], list[Condition]]:
    """The columns to show and the conditions; a usage error for a field that no such row has."""
    from .columns import default_columns, known_columns
    from .conditions import parse

    shown = default_columns(asked)
    if columns:
        named = tuple(each.strip() for each in columns.removeprefix("+").split(","))
        last = shown[-1:] if shown[-1] in PROSE else ()
        added = (*(each for each in shown if each not in last), *named, *last)
        shown = tuple(dict.fromkeys(added)) if columns.startswith("+") else named
    try:
        conditions = [parse(each) for each in where]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--where") from None
    known = known_columns(among)
    wanted = {"--columns": shown, "--sort": (sort,) if sort else (), "--where": [each.column for each in conditions]}
    for option, names in wanted.items():
        for name in names:
            if name not in known:
                raise click.BadParameter(f"{name!r} is no field here; there are {', '.join(known)}", param_hint=option)
    return shown, conditions


PROSE = ("now", "why")
"""Columns of several words stay the last: there blanks are blanks."""


def _uid_of(user: str | None) -> int | None:
    import pwd

    if user is None:
        return None
    try:
        return int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise click.BadParameter(f"there is no user {user!r}", param_hint="--user") from None


def _chosen(look: Look, conditions: list[Condition], uid: int | None, chosen: dict[str, Any]) -> Iterable[Any]:
    """What costs most is asked last."""
    from .columns import value_of
    from .looking import is_called

    for row in look.rows:
        if (
            (chosen["name"] is None or is_called(row, chosen["name"]))
            and all(each.holds(value_of(look, row, each.column)) for each in conditions)
            and (uid is None or look.belongs_to(row, uid))
            and (chosen["pid"] is None or look.is_used_by(row, chosen["pid"]))
            and (not chosen["waiting"] or look.waiters(row))
        ):
            yield row


def _sorted(look: Look, rows: list[Any], field: str | None, backwards: bool) -> list[Any]:
    """By the field, what is not known last; without a field as they are, or from the end."""
    from .columns import cell, value_of

    if field is None:
        return rows[::-1]

    def key(row: Any) -> tuple[Any, ...]:
        value = value_of(look, row, field)
        if isinstance(value, tuple):
            value = len(value)
        return (0, value, "") if isinstance(value, int) else (1, 0, cell(field, value, human=False))

    known = [row for row in rows if value_of(look, row, field) is not None]
    unknown = [row for row in rows if value_of(look, row, field) is None]
    return [*sorted(known, key=key, reverse=backwards), *unknown]


def _print_as_json(look: Look, rows: list[Any], columns: tuple[str, ...]) -> None:
    from .columns import value_of
    from .render import print_json
    from .seeing import plain

    if columns:
        print_json([{each: plain(value_of(look, row, each)) for each in columns} for row in rows])
    else:
        print_json([{"short": look.short_id(row), **plain(row)} for row in rows])


def _print(look: Look, rows: list[Any], columns: tuple[str, ...], chosen: dict[str, Any]) -> None:
    from .columns import cell, is_right, value_of
    from .render import print_rows

    human = sys.stdout.isatty() if chosen["exact"] is None else not chosen["exact"]
    lines = [tuple(printable(cell(each, value_of(look, row, each), human)) for each in columns) for row in rows]
    print_rows(columns, lines, frozenset(filter(is_right, columns)), titled=not chosen["no_headings"])


def _print_columns(kinds: tuple[str, ...]) -> None:
    from .columns import OF_ALL, fields_of

    for name, what in OF_ALL.items():
        click.echo(f"{name:14}{what}")
    for kind in kinds:
        click.echo(f"\n{kind}: {', '.join(fields_of(kind))}")


def _say_what_is_hidden(look: Look, uid: int | None, pid: int | None) -> None:
    from .hidden import hidden_line

    hidden_line(look.hidden(pid, uid), "ls", "what only they have is not listed, nor are they among the users")
