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


def print_rows(
    headings: Sequence[str], rows: Iterable[Sequence[str]], right: frozenset[str] = frozenset(), *, titled: bool = True
) -> None:
    r"""One line a row. At a terminal long cells are shortened to its width, and an empty one is empty.

    Elsewhere nothing is shortened, and blanks part the columns for cut(1), awk(1) and sort(1): an empty cell is "-",
    and a blank in a cell (but in the last one) "\x20".
    """
    lines = [tuple(row) for row in rows]
    if sys.stdout.isatty():
        _print_shortened(headings, lines, right, titled)
    else:
        _print_raw(headings, lines, right, titled)


def _print_shortened(headings: Sequence[str], rows: list[tuple[str, ...]], right: frozenset[str], titled: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=titled)
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for heading, width in zip(headings, widths, strict=True):
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=width <= MOST_IN_FULL)
    for row in rows:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
    Console().print(table)


MOST_IN_FULL = 14
"""A column that is no wider is not shortened, while others can be."""


def _print_raw(headings: Sequence[str], rows: list[tuple[str, ...]], right: frozenset[str], titled: bool) -> None:
    words = [tuple(_raw(cell, place == len(row) - 1) for place, cell in enumerate(row)) for row in rows]
    lines = [*([tuple(headings)] if titled else []), *words]
    widths = [min(MOST_PADDING, max(map(len, column))) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(headings, line, widths, strict=True)
        padded = (cell.rjust(width) if heading in right else cell.ljust(width) for heading, cell, width in cells)
        print(GAP.join(padded).rstrip())


MOST_PADDING = 40
"""Beyond it one long cell would only push the columns of all other lines apart."""


def _raw(cell: str, is_last: bool) -> str:
    return (cell if is_last else cell.replace(" ", "\\x20")) or "-"
