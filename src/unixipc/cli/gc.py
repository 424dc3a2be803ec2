"""``ipc gc``: remove what is provably ownerless, and say of each why."""

from __future__ import annotations

import click

from .choices import Kind
from .words import Duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..inspector import Collected

EPILOG = """\b
Examples:
  ipc gc --dry-run
  ipc gc
  ipc gc sysv --mine --older-than 1h
  ipc gc --likely --dry-run        and, once that list is what you mean:
  ipc gc --likely --yes

\b
See ipc ls --orphans, ipc who THING, ipc rm URL...; ipcrm(1), shmctl(2), unlink(2).
"""


@click.command(epilog=EPILOG)
@click.argument("kinds", nargs=-1, metavar="[KIND]...", type=Kind())
@click.option("-n", "--dry-run", is_flag=True, help="Remove nothing; tell what would be removed.")
@click.option("--likely", is_flag=True, help="Also what is only likely ownerless; asked once at a terminal.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--mine", is_flag=True, help="Only what belongs to you.")
@click.option(
    "--matching", metavar="PATTERN", help="Only what has such an id, name or path, as in a shell: '/tmp/app-*'."
)
@click.option("--older-than", type=Duration(), default="60s", show_default=True, metavar="DURATION",
              help="Leave what was used more recently: 90s, 10m, 1h, 2d, 0.")  # fmt: skip
@click.option("--in", "folders", multiple=True, metavar="FOLDER", type=click.Path(exists=True, file_okay=False),
              help="Look for sockets' files here, not in /run, /tmp and the like; may be repeated.")  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Print a list of objects: those of `ls --orphans`, done, because."
)
def gc(
    kinds: tuple[str, ...], dry_run: bool, likely: bool, yes: bool, mine: bool, matching: str | None, older_than: float,
    folders: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Remove what nobody uses and nobody can come back for, and say of each why; with KIND: only that, or that family.

    \b
    Removed are
      segments      nobody has attached, without a key, whose creator and last user have ended
      queues, sets  without a key, if no process of their owner lives that is as old as their last use
      channels      temporary ones whose users were all killed
      sockets       files that no socket is bound to, in any namespace

    Everything else that nobody seems to use is listed as left, with the reason. What is "likely" ownerless, but could
    be found again by its key or name, goes with --likely. What is only "possible" never goes: `ipc rm` removes by name.
    What belongs to others is left to root. Each is looked at once more immediately before, and left if somebody came.

    Exit status: 0 all of that was removed, or there was nothing; 1 the kernel refused a removal, or you did; 2 not
    understood.
    """  # noqa: D301
    from functools import partial

    from ..inspector import collect

    where = folders or None
    look = partial(collect, kinds, mine=mine, matching=matching, older_than_s=older_than, folders=where)
    asks = likely and not (dry_run or yes or as_json)
    meant = _agreed(look(likely=True, dry_run=True)) if asks else likely
    rows = _with_a_bar(partial(look, likely=meant, dry_run=dry_run))
    if as_json:
        from .render import print_json

        print_json([_plain(row) for row in rows])
    else:
        _print(rows)
    if any(row.done == "refused" for row in rows):
        raise click.exceptions.Exit(1)


def _agreed(rows: list[Collected]) -> bool | list[tuple[str, int | str]]:
    """At a terminal: those that were shown, if they are meant; else all, as --likely itself is what a script says."""
    import sys

    doubtful = [row for row in rows if row.done == "would remove" and not row.orphan.sure]
    if not doubtful or not sys.stdin.isatty():
        return not sys.stdin.isatty()
    _print(doubtful)
    click.confirm("These are likely, not surely, ownerless. Remove them?", err=True, abort=True)
    return [(row.orphan.kind, row.orphan.id) for row in doubtful]


def _with_a_bar(collecting: Callable[..., list[Collected]]) -> list[Collected]:
    from .meter import Meter

    with Meter("looked at", None, False) as meter:
        return collecting(on_each=lambda row: meter.add(1, row.orphan.size_bytes))


def _plain(row: Collected) -> Any:
    from .seeing import plain

    return {**plain(row.orphan), "done": row.done, "because": row.because}


def _print(rows: list[Collected]) -> None:
    from .main import printable
    from .render import print_table
    from .seeing import name_of, owner_of, plain

    lines = [
        (row.done, f"{row.orphan.kind}:{plain(row.orphan.id)}", name_of(row.orphan), owner_of(row.orphan),
         row.orphan.certainty, row.orphan.why + (f" - {row.because}" if row.because else ""))
        for row in rows
    ]  # fmt: skip
    if lines:
        print_table(("", "what", "key", "owner", "how sure", "why"), [tuple(map(printable, line)) for line in lines])
    click.echo(f"ipc gc: {_summary(rows)}", err=True)


def _summary(rows: list[Collected]) -> str:
    """How many of each, what that gives back, and how the rest could go."""
    if not rows:
        return "nothing is left over"
    parts = []
    for done in ("removed", "would remove", "refused", "left"):
        if those := [row for row in rows if row.done == done]:
            size = sum(row.orphan.size_bytes for row in those)
            parts.append(f"{done} {len(those)}" + (f" ({size} bytes)" if size and done != "left" else ""))
    if any(row.because == "only likely" for row in rows):
        parts.append("--likely removes what is likely ownerless")
    if any(row.because == "it belongs to somebody else" for row in rows):
        parts.append("root may remove what belongs to others")
    return "; ".join(parts)
