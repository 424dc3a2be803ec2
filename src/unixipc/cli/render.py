"""Tables and JSON: a rich table for people at a terminal, plain columns for pipes and files."""

from __future__ import annotations

import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GAP = "  "


def print_json(value: object) -> None:
    """The value as indented JSON on stdout."""
    print(json.dumps(value, indent=2))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], right: frozenset[str] = frozenset()) -> None:
    """Rows under headings; the columns named in `right` are aligned to the right."""
    lines = [tuple(row) for row in rows]
    if sys.stdout.isatty():
        _print_rich(headings, lines, right)
    else:
        _print_plain(headings, lines, right)


def _print_rich(headings: Sequence[str], rows: list[tuple[str, ...]], right: frozenset[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # Text: a file's name may look like markup
    Console().print(table)


def _print_plain(headings: Sequence[str], rows: list[tuple[str, ...]], right: frozenset[str]) -> None:
    lines = [tuple(headings), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(headings, line, widths, strict=True)
        padded = (cell.rjust(width) if heading in right else cell.ljust(width) for heading, cell, width in cells)
        print(GAP.join(padded).rstrip())
