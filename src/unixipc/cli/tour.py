"""``ipc tour [PATH]``: carry real files over every mechanism, verify each, kill the sender half-way."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import click

from .main import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from click.shell_completion import CompletionItem

    from .cargo import Cargo
    from .carriers import Carrier
    from .trial import AfterKill, Delivery

HEADINGS = ("mechanism", "files", "bytes", "messages", "MB/s", "verified", "after kill -9")
NUMBERS = frozenset(HEADINGS[1:5])
SHOWN_REASONS = 5
KILL_NOTE = """
noticed: the sender was killed when half of the bytes had arrived; the receiver saw it by itself and ended within
that time, took nothing torn for whole, and no process, descriptor, name, System V or
POSIX object was left."""


def slug(name: str) -> str:
    """A mechanism's name as one word: ``pipe-packet-mode``."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from .carriers import CARRIERS

    return [CompletionItem(slug(name)) for name in CARRIERS if slug(name).startswith(incomplete)]


@click.command()
@click.argument("path", required=False, type=click.Path())
@click.option("--only", "only", multiple=True, metavar="NAME", shell_complete=_complete,
              help="Only this mechanism, e.g. fifo or pipe-packet-mode; may be repeated.")  # fmt: skip
@click.option("--no-kill", is_flag=True, help="Leave out the kill test.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects instead of a table.")
@click.pass_context
def tour(ctx: click.Context, path: str | None, only: tuple[str, ...], no_kill: bool, as_json: bool) -> None:
    """Carry all files at PATH over every mechanism between two processes; the receiver verifies the SHA-256 of each.

    PATH is a file or a folder. Every plain file in it is carried; symbolic links are not followed, and what cannot be
    read is named and skipped. Without PATH: the standard library of the running Python, less site-packages and
    __pycache__. MB/s (10**6 bytes) counts all of it: reading, carrying and hashing.

    Then each mechanism runs once more, and its sender gets SIGKILL when half of the bytes have arrived: the receiver
    must notice by itself, end in time, take nothing torn for whole, and nothing may be left on the machine.

    --json: objects with mechanism, files, bytes, messages, seconds, verified, complaints (why it was not verified)
    and after_kill (null with --no-kill), which has ok, noticed, how, seconds, files (arrived whole), torn, left_behind.

    Exit status: 0 if all was verified and every kill test passed, else 1.
    """
    kinds = _chosen(only)
    cargo = _load(path)
    with _progress(len(kinds) * (1 if no_kill else 2), cargo.bytes) as step:
        results = [_try_one(kind, cargo, step, no_kill) for kind in kinds]
    _print_json(results) if as_json else _print_table(results)
    if not all(_passed(result) for result in results):
        ctx.exit(1)


def _chosen(only: tuple[str, ...]) -> list[type[Carrier]]:
    from .carriers import CARRIERS

    known = {slug(name): kind for name, kind in CARRIERS.items()}
    unknown = [name for name in only if slug(name) not in known]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(known)}", param_hint="--only")
    wanted = {slug(name) for name in only} or known.keys()
    return [kind for name, kind in known.items() if name in wanted]


def _load(path: str | None) -> Cargo:
    from .cargo import collect

    cargo = collect(path)
    for name, reason in cargo.skipped:
        click.echo(f"skipped {printable(name)}: {reason}", err=True)
    return cargo


def _try_one(
    kind: type[Carrier], cargo: Cargo, step: Callable[[str], Callable[[int], object]], no_kill: bool
) -> tuple[str, Delivery, AfterKill | None]:
    from .trial import deliver, kill_half_way

    delivery = deliver(kind, cargo, step(kind.name))
    after = None if no_kill else kill_half_way(kind, cargo, step(f"{kind.name}, kill -9"))
    return kind.name, delivery, after


@contextmanager
def _progress(steps: int, total_bytes: int) -> Iterator[Callable[[str], Callable[[int], object]]]:
    """A bar on stderr if somebody looks; `step(name)` begins the next run and gives what to call with its bytes."""
    if not sys.stderr.isatty():
        yield lambda _name: lambda _arrived: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # No refresh thread: this process forks.
    with Progress(console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
        task = bar.add_task("", total=steps * max(total_bytes, 1))
        done = -max(total_bytes, 1)

        def step(name: str) -> Callable[[int], object]:
            nonlocal done
            done += max(total_bytes, 1)

            def show(arrived: int) -> None:
                bar.update(task, description=name, completed=done + arrived, refresh=True)

            show(0)
            return show

        yield step


def _passed(result: tuple[str, Delivery, AfterKill | None]) -> bool:
    _, delivery, after = result
    return not delivery.complaints and (after is None or after.ok)


def _print_json(results: list[tuple[str, Delivery, AfterKill | None]]) -> None:
    from .render import print_json

    print_json([_as_dict(*result) for result in results])


def _as_dict(name: str, delivery: Delivery, after: AfterKill | None) -> dict[str, Any]:
    facts = delivery._asdict()  # type: ignore[attr-defined]
    complaints = [printable(line) for line in facts.pop("complaints")]
    killed = None if after is None else after._asdict()  # type: ignore[attr-defined]
    return {"mechanism": name, **facts, "verified": not complaints, "complaints": complaints, "after_kill": killed}


def _print_table(results: list[tuple[str, Delivery, AfterKill | None]]) -> None:
    from .render import print_table

    print_table(HEADINGS, [_row(*result) for result in results], NUMBERS)
    if any(after is not None and after.ok for _, _, after in results):
        click.echo(KILL_NOTE)
    for name, delivery, after in results:
        for line in delivery.complaints[:SHOWN_REASONS]:
            click.echo(f"{name}: {printable(line)}", err=True)
        if after is not None and not after.ok:
            click.echo(f"{name}, kill -9: {printable(after.how)} {' '.join(after.left_behind)}", err=True)


def _row(name: str, delivery: Delivery, after: AfterKill | None) -> tuple[str, ...]:
    speed = delivery.bytes / delivery.seconds / 1e6 if delivery.seconds else 0.0
    verified = "NO" if delivery.complaints else "yes"
    numbers = (f"{delivery.files:,}", f"{delivery.bytes:,}", f"{delivery.messages:,}", f"{speed:,.0f}")
    return (name, *numbers, verified, _fate(after))


def _fate(after: AfterKill | None) -> str:
    if after is None:
        return "not tried"
    if not after.ok:
        return "FAILED"
    return f"noticed, {after.seconds * 1000:.1f} ms"
