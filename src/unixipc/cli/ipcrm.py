"""``ipc ipcrm``: remove System V objects, spelled as for ipcrm(1) of util-linux, in its old way too."""

from __future__ import annotations

import sys

import click

from ..errors import ObjectRemoved
from .addresses import checked_key, number
from .main import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

EPILOG = """\b
Examples:
  ipc ipcrm -q 3 -M 0x4b1d      the queue with id 3, the segment with this key
  ipc ipcrm shm 5 6             the old spelling
  ipc ipcrm --all=msg           every queue of this namespace that is ours to remove

\b
See ipcrm(1), msgctl(2), semctl(2), shmctl(2); ipc rm --help.
"""
NAMES = {"queue": "message queue", "segment": "shared memory segment", "set": "semaphore"}
OLD = {"msg": "queue", "shm": "segment", "sem": "set"}


@click.command(epilog=EPILOG)
@click.option("-q", "--queue-id", multiple=True, metavar="ID", help="The message queue with this id.")
@click.option("-Q", "--queue-key", multiple=True, metavar="KEY", help="The message queue with this key.")
@click.option("-m", "--shmem-id", multiple=True, metavar="ID", help="The shared memory segment with this id.")
@click.option("-M", "--shmem-key", multiple=True, metavar="KEY", help="The shared memory segment with this key.")
@click.option("-s", "--semaphore-id", multiple=True, metavar="ID", help="The semaphore set with this id.")
@click.option("-S", "--semaphore-key", multiple=True, metavar="KEY", help="The semaphore set with this key.")
@click.option("-a", "--all", "everything", is_flag=False, flag_value="all", type=click.Choice(["all", *OLD]),
              help="All of them, or all of one kind.")  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Tell what is done.")
@click.option("--json", "as_json", is_flag=True, help="Print kind, id, key, removed and error of each as JSON.")
@click.argument("words", nargs=-1, metavar="[msg|shm|sem ID...]")
def ipcrm(
    everything: str | None, verbose: bool, as_json: bool, words: tuple[str, ...], **given: tuple[str, ...]
) -> None:
    """Remove message queues, shared memory segments and semaphore sets by id or by key.

    Numbers are decimal, 0x... or octal 0.... A segment that is attached goes with its last user.

    Exit status: 0 all were removed; 1 one was not (the others are), or is no number (none is); 2 not understood.
    """
    wanted = list(_wanted(everything, words, given))
    if bad := [text for _kind, _by, text in wanted if not _is_number(text)]:
        click.echo(f"ipc ipcrm: failed to parse argument: '{bad[0]}'", err=True)  # and nothing is removed
        sys.exit(1)
    rows = [_row(kind, by, text, verbose and not as_json) for kind, by, text in wanted]
    if as_json:
        from .render import print_json

        print_json(rows)
    for row in rows:
        if row["error"]:
            click.echo(f"ipc ipcrm: {row['error']}", err=True)
    failed = any(row["error"] for row in rows)
    if words and not failed and not as_json:
        click.echo("resource(s) deleted")
    sys.exit(1 if failed else 0)


def _wanted(
    everything: str | None, words: tuple[str, ...], given: dict[str, tuple[str, ...]]
) -> Iterator[tuple[str, str, str]]:
    """(kind, id or key, the text of it) of all that was asked for."""
    if words:
        if words[0] not in OLD:
            raise click.UsageError(f"unknown argument: {words[0]}")
        if not words[1:]:
            raise click.UsageError("not enough arguments")
        yield from ((OLD[words[0]], "id", text) for text in words[1:])
    for option, kind in (("queue", "queue"), ("shmem", "segment"), ("semaphore", "set")):
        for by in ("id", "key"):
            yield from ((kind, by, text) for text in given[f"{option}_{by}"])
    if everything:
        from .ipcs import tables

        for kind in OLD.values() if everything == "all" else [OLD[everything]]:
            yield from ((kind, "id", str(each.id)) for each in tables(kind))


def _is_number(text: str) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


def _row(kind: str, by: str, text: str, tell: bool) -> dict[str, object]:
    row: dict[str, object] = {"kind": kind, by: text, "removed": False, "error": None}
    value = number(text)
    if by == "key" and not value:
        return row | {"error": f"illegal key ({text})"}
    if tell:
        click.echo(f"removing {NAMES[kind]} {by} `{text}'")
    return row | _removed(kind, by, value, text)


def _removed(kind: str, by: str, value: int, text: str) -> dict[str, object]:
    from .things import remove_sysv, sysv_ids

    try:
        found = [value] if by == "id" else sysv_ids(kind, checked_key(value))
        if not found:
            return {"error": f"invalid key ({text})"}
        remove_sysv(kind, found[0])
    except PermissionError:
        return {"error": f"permission denied for {by} ({text})"}
    except ObjectRemoved:
        return {"error": f"invalid {by} ({text})"}
    except (OSError, ValueError) as error:
        return {"error": f"{by} ({text}): {explain(error)}"}
    return {"removed": True}
