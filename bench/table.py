"""Reports as tables: with rich where it is installed, else plain."""

from __future__ import annotations

from .harness import Report, Row, Target

HEADINGS = ("who", "kind", "median", "min", "max", "ratio")


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def cells(row: Row) -> tuple[str, ...]:
    shown = [number(value) for value in (row.median, min(row.values), max(row.values))]
    return row.name, row.kind, *shown, "" if row.ratio is None else f"{row.ratio:.2f}"


def line(target: Target) -> str:
    bound = f"{'at most' if target.at_most else 'at least'} {target.limit:g}"
    actual = "not measured" if target.actual is None else f"{target.actual:.3g}"
    return f"{'ok    ' if target.ok else 'MISSED'}  {target.text}: {bound} {target.unit}, measured: {actual}"


def show(report: Report) -> None:
    title = f"{report.title} ({report.unit}{f'; ratio to {report.baseline}' if report.baseline else ''})"
    try:
        with_rich(title, report)
    except ImportError:
        plain(title, report)
    for text in (*report.notes, *map(line, report.targets)):
        print(f"  {text}")
    print()


def with_rich(title: str, report: Report) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("who", "kind") else "right")
    for row in report.rows:
        table.add_row(*cells(row), style="bold" if row.kind == "ours" else None)
    print(title, end="")  # not as the table's title, which is wrapped to its width
    Console().print(table)


def plain(title: str, report: Report) -> None:
    lines = [HEADINGS, *map(cells, report.rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    print(title)
    for words in lines:
        print(" ", *(f"{word:<{width}}" for word, width in zip(words, widths, strict=True)))
