"""``ipc bench [QUESTION...]``: what each mechanism costs on this machine."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

import click

from .tour import slug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.shell_completion import CompletionItem

    from .lanes import Lane
    from .measuring import Cost

QUESTIONS = ("one-way", "round-trip")
TITLES = {"one-way": "one way", "round-trip": "there and back"}
SIZES = (64, 65536)
SECONDS = 0.1
MOST_BYTES = 1 << 28


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from .lanes import LANES

    return [CompletionItem(slug(name)) for name in LANES if slug(name).startswith(incomplete)]


@click.command()
@click.argument("questions", nargs=-1, metavar="[QUESTION]...", type=click.Choice(QUESTIONS))
@click.option("--only", "only", multiple=True, metavar="NAME", shell_complete=_complete,
              help="Only this mechanism, e.g. pipe or system-v-queue; may be repeated.")  # fmt: skip
@click.option("--size", "sizes", multiple=True, type=click.IntRange(1, MOST_BYTES), default=SIZES, show_default=True,
              metavar="BYTES", help="Length of a message; may be repeated.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.01, 60), default=SECONDS, show_default=True,
              help="About how long each measurement takes.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects instead of a table.")
def bench(
    questions: tuple[str, ...], only: tuple[str, ...], sizes: tuple[int, ...], seconds: float, as_json: bool
) -> None:
    """Measure what a message between two processes costs here, over each mechanism.

    \b
    one-way     one process sends, the other receives: microseconds a message
    round-trip  one sends, the other sends it back: microseconds for both ways

    Without QUESTION: both. The messages go through this library's own calls from Python, each with a time limit, as a
    program would use them; shared memory has room for one message, and two semaphores or counters say whose turn it
    is. A measurement sends batches of a few ms; the table shows the median of the batches. Nothing is pinned to a
    processor, and whatever else the machine does disturbs it: compare rows of one run, not runs.

    A mechanism that cannot carry the length on this machine has a "-" and the limit below the table.

    --json: objects with question, mechanism, message_bytes, median_us and lowest_us (null if it was not possible),
    messages, batches, why_not (null if it was).

    \b
    Examples:
      ipc bench
      ipc bench round-trip --size 1024 --only pipe --only channel

    Exit status: 0; 1 if nothing could be measured; 2 if the command was not understood.
    """  # noqa: D301
    if seconds != seconds:  # not a number: no range excludes it
        raise click.BadParameter("it must be a number", param_hint="--seconds")
    kinds = _chosen(only)
    asked = [question for question in QUESTIONS if not questions or question in questions]
    lengths = sorted(set(sizes))
    costs = list(_measured(asked, kinds, lengths, seconds))
    if as_json:
        from .render import print_json

        print_json([cost._asdict() for cost in costs])  # type: ignore[attr-defined]
    else:
        _print(costs, asked, lengths)
    if all(cost.median_us is None for cost in costs):
        sys.exit(1)


def _chosen(only: tuple[str, ...]) -> list[type[Lane]]:
    from .lanes import LANES

    known = {slug(name): kind for name, kind in LANES.items()}
    for name in only:
        if slug(name) not in known:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(known)}", param_hint="--only")
    wanted = {slug(name) for name in only} or known.keys()
    return [kind for name, kind in known.items() if name in wanted]


def _measured(questions: list[str], kinds: list[type[Lane]], sizes: list[int], seconds: float) -> Iterator[Cost]:
    from .measuring import measure

    with _progress(len(questions) * len(kinds) * len(sizes)) as step:
        for kind in kinds:
            for size in sizes:
                for question in questions:
                    step(f"{kind.name}, {_length(size)}, {TITLES[question]}")
                    yield measure(question, kind, size, seconds)


@contextmanager
def _progress(steps: int) -> Iterator[Callable[[str], object]]:
    """A bar on stderr if somebody looks; `step(name)` begins the next measurement."""
    if not sys.stderr.isatty():
        yield lambda _name: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # No refresh thread: this process forks.
    with Progress(console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
        task = bar.add_task("", total=steps)
        done = -1

        def step(name: str) -> None:
            nonlocal done
            done += 1
            bar.update(task, description=name, completed=done, refresh=True)

        yield step


def _length(size: int) -> str:
    return f"{size >> 10} KiB" if size >= 1024 and size % 1024 == 0 else f"{size} B"


def _print(costs: list[Cost], questions: list[str], sizes: list[int]) -> None:
    from .render import print_table

    columns = [(question, size) for size in sizes for question in questions]
    headings = ("mechanism", *(f"{_length(size)} {TITLES[question]}" for question, size in columns))
    found = {(cost.mechanism, cost.question, cost.message_bytes): cost for cost in costs}
    names = dict.fromkeys(cost.mechanism for cost in costs)
    rows = [(name, *(_cell(found[name, question, size]) for question, size in columns)) for name in names]
    print_table(headings, rows, frozenset(headings[1:]))
    reasons = dict.fromkeys((cost.mechanism, _length(cost.message_bytes), cost.why_not) for cost in costs)
    for name, length, reason in reasons:
        if reason is not None:
            click.echo(f"{name}, {length}: {reason}")
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > processors:
        click.echo(
            f"this machine is busy (load {load:.1f}, {processors} processors): the numbers are too high", err=True
        )


def _cell(cost: Cost) -> str:
    if cost.median_us is None:
        return "-"
    return f"{cost.median_us:.{2 if cost.median_us < 10 else 1}f} µs"
