"""``ipc rm URL...``: remove exactly these objects."""

from __future__ import annotations

import sys

import click

from .choices import UrlOrShortId
from .main import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .addresses import Address

EPILOG = """\b
Examples:
  ipc rm sysv:0x4b1d posix:/jobs channel:frames
  ipc rm sysv:id=3?kind=segment
  ipc rm m3                               the same, by its short id from `ipc ls`
  ipc rm --force fifo:/tmp/f unix:/run/old.sock

\b
See msgctl(2), semctl(2), shmctl(2), mq_unlink(3), sem_unlink(3), shm_unlink(3), unlink(2); ipc ipcrm --help.
"""


@click.command(epilog=EPILOG)
@click.option("-f", "--force", is_flag=True, help="It is no error if one does not exist.")
@click.option("-v", "--verbose", is_flag=True, help="Tell what was removed.")
@click.option("--json", "as_json", is_flag=True, help="Print address, kind, removed and error of each as JSON.")
@click.argument("urls", type=UrlOrShortId(), nargs=-1, required=True, metavar="URL...")
def rm(force: bool, verbose: bool, as_json: bool, urls: tuple[Address, ...]) -> None:
    """Remove the objects that the URLs, or short ids of `ipc ls`, name, and nothing else.

    What is no object of that kind is left as it is. A key or name that stands for several kinds of objects is refused
    until ?kind= behind it says which. A socket's file goes only if nobody is bound to it. Who has an object open goes
    on with it where the kernel lets them (all but System V queues and semaphore sets).

    Exit status: 0 all were removed; 1 one of them was refused (the others are removed); 2 not understood.
    """
    rows = [_row(url, force) for url in urls]
    if as_json:
        from .render import print_json

        print_json(rows)
    for row in rows:
        if row["error"]:
            click.echo(f"ipc rm: {row['error']}", err=True)
        elif verbose and row["removed"] and not as_json:
            click.echo(f"removed {row['kind']} {row['address']}")
    sys.exit(1 if any(row["error"] for row in rows) else 0)


def _row(url: Address, force: bool) -> dict[str, object]:
    from .things import remove

    row: dict[str, object] = {"address": str(url), "kind": None, "removed": False, "error": None}
    try:
        row |= {"kind": remove(url), "removed": True}
    except FileNotFoundError as error:
        row["error"] = None if force else _named(url, error)
    except (OSError, ValueError) as error:
        row["error"] = _named(url, error)
    return row


def _named(url: Address, error: Exception) -> str:
    """The error, and which of the addresses it is about: what the kernel refuses has other names too."""
    text = explain(error)
    return text if text.startswith(str(url)) else f"{url}: {text}"
