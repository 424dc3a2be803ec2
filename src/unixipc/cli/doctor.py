"""``ipc doctor``: is this machine fit? What needs attention comes first, each with its fix."""

from __future__ import annotations

import sys

import click

from ..inspector.machine import TOPICS, examine
from .main import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..inspector import Finding

URGENCY = {"bad": 0, "warn": 1, "unknown": 2, "ok": 3}
COLOURS = {"bad": "bold red", "warn": "yellow", "unknown": "magenta", "ok": "green"}
HEADINGS = ("", "what", "found", "why, and the fix")
INDENT = " " * 9
KIB = 1024

EPILOG = "\b\nTopics:\n" + "\n".join(f"  {topic:16}{about}" for topic, about in TOPICS.items())


@click.command(epilog=EPILOG)
@click.argument("topics", nargs=-1, metavar="[TOPIC]...", type=click.Choice(list(TOPICS)))
@click.option("--all", "show_all", is_flag=True, help="Also what is well and what could not be read.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects: every finding, the urgent ones first.")
@click.pass_context
def doctor(ctx: click.Context, topics: tuple[str, ...], show_all: bool, as_json: bool) -> None:
    """Look at what decides whether processes of this machine can talk, and say what needs attention, with its fix.

    Limits and how much of them is used, /dev/shm, namespaces and containers, what is removed at logout, what this
    kernel can do. Nothing is changed: each fix is for you to run. With TOPIC: only that, and all that was found.

    \b
    bad      something fails now
    warn     it will fail soon, or it is not what programs expect
    unknown  it could not be read; the line says why
    ok       all is well

    Limits of processes (those that `ulimit` shows) are those of this command, which has them from your shell. As
    root it sees more, and may see other values: ask as the user whose programs fail.

    --json: objects with topic, name, value (a number, a word, or null: no limit or not known), unit, used (a number or
    null), status, why, fix ("" if there is none).

    \b
    Examples:
      ipc doctor
      ipc doctor shared-memory memory
      ipc doctor --json | jq -r '.[] | select(.status == "bad") | .fix'

    Exit status: 0 if nothing is bad, 1 if something is, 2 if the command was not understood.
    """  # noqa: D301
    findings = sorted(examine(*topics), key=lambda finding: URGENCY[finding.status])
    if as_json:
        _print_json(findings)
    else:
        _print(findings, show_all or bool(topics))
    if any(finding.status == "bad" for finding in findings):
        ctx.exit(1)


def _print_json(findings: list[Finding]) -> None:
    from .render import print_json

    print_json([finding._asdict() for finding in findings])  # type: ignore[attr-defined]


def _print(findings: list[Finding], show_all: bool) -> None:
    shown = [finding for finding in findings if show_all or finding.status in ("bad", "warn")]
    if not shown:
        pass
    elif sys.stdout.isatty():
        _print_rich(shown)
    else:
        _print_plain(shown)
    click.echo(_summary(findings, show_all))


def _summary(findings: list[Finding], show_all: bool) -> str:
    count = {status: sum(finding.status == status for finding in findings) for status in URGENCY}
    parts = [f"{count['bad']} bad", f"{count['warn']} to look at", f"{count['ok']} well", f"{count['unknown']} unknown"]
    return ", ".join(parts) + ("" if show_all else "; --all shows every one")


def _found(finding: Finding) -> str:
    if isinstance(finding.value, str):
        return printable(finding.value)
    if finding.value is None:
        return "not known" if finding.status == "unknown" else "no limit"
    return _quantity(finding.value, finding.unit)


def _used(finding: Finding) -> str:
    if finding.used is None:
        return ""
    share = f" ({finding.used * 100 // finding.value} %)" if isinstance(finding.value, int) and finding.value else ""
    return _quantity(finding.used, finding.unit if finding.unit == "bytes" else "") + share


def _quantity(number: int, unit: str) -> str:
    if number >= 1 << 60:
        return "as good as no limit"
    if unit != "bytes" or number < 10 * KIB:
        return f"{number:,} {unit}".rstrip()
    size, step = float(number), 0
    while size >= KIB and step < 5:
        size, step = size / KIB, step + 1
    return f"{size:.1f}".removesuffix(".0") + f" {'KMGTP'[step - 1]}iB"


def _print_plain(findings: list[Finding]) -> None:
    for finding in findings:
        used = f", used: {_used(finding)}" if _used(finding) else ""
        print(f"{finding.status:<{len(INDENT)}}{finding.topic}: {finding.name}: {_found(finding)}{used}")
        print(f"{INDENT}{printable(finding.why)}")
        if finding.fix and finding.status != "ok":
            print(f"{INDENT}fix: {printable(finding.fix)}")


def _print_rich(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for finding in findings:
        why = Text(printable(finding.why))
        if finding.fix and finding.status != "ok":
            why.append(f"\n{printable(finding.fix)}", "bold")
        what = Text(finding.name).append(f"\n{finding.topic}", "dim")
        found = Text(_found(finding))
        if used := _used(finding):
            found.append(f"\nused: {used}")
        table.add_row(Text(finding.status, COLOURS[finding.status]), what, found, why)
    Console().print(table)
