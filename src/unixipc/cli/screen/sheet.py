"""A table that scrolls: as many lines as there are, but only those that can be seen are drawn.

Textual's own DataTable measures every cell of every row that is put into it, which takes a second for 5 000 rows, at
each look. This one asks a column for a cell when that is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ..._record import record
from ..main import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events

__all__ = ["Column", "Line", "Sheet"]

GAP = 1
NEAR_PAGE = 2


@record
class Column:
    """A column: its heading, how wide it is, how a line's cell reads, what it is sorted by.

    `width` 0: its part of what is left over. `from_width`: in narrower sheets it is left out; `if_any`: if no line has
    it, too. `mark`: the style of the cell ("changed", "alert", "quiet" or ""). `falling`: the largest comes first.
    `cut_left`: of a path that is too long the end is shown.
    """

    heading: str
    width: int
    text: Callable[[Any], str]
    order: Callable[[Any], Any]
    mark: Callable[[Any], str] = lambda _line: ""
    right: bool = False
    falling: bool = False
    from_width: int = 0
    if_any: bool = False
    cut_left: bool = False


class Line:
    """A line of a sheet. `key` tells it from the others, at the next look too; `mark` is the style of all of it."""

    key: Any = None
    mark = ""

    def is_meant(self, key: Any) -> bool:
        """Whether a link to this key leads here."""
        return bool(self.key == key)

    def searched(self) -> str:
        """What a filter looks into."""
        return ""


class Sheet(ScrollView, can_focus=True):
    """Lines under headings; one of them is chosen. What comes from the machine is made printable here."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"sheet--{name}" for name in ("heading", "sorted", "cursor", "changed", "alert", "quiet", "new")
    }
    BINDINGS: ClassVar[list[Any]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000000)", show=False),
        Binding("end", "move(1000000000)", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Moved(Message):
        """Another line is chosen, or what is known of it is new."""

        def __init__(self, sheet: Sheet) -> None:
            super().__init__()
            self.sheet = sheet

        @property
        def control(self) -> Sheet:
            """The sheet, for `on`."""
            return self.sheet

    class Chosen(Moved):
        """Enter, or a second click."""

    def __init__(self, columns: Sequence[Column], empty: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.lines: list[Any] = []
        self.cursor = 0
        self.sorted_by: int | None = None
        self.backwards = False
        self._empty = empty
        self._unsorted: list[Any] = []
        self._bare: list[Column] = []

    @property
    def line(self) -> Any | None:
        """The chosen line."""
        return self.lines[self.cursor] if self.lines else None

    def show(self, lines: Sequence[Any]) -> None:
        """These lines instead; the chosen one stays chosen, wherever it is now."""
        key = self.line.key if self.line else None
        self._unsorted = list(lines)
        self._bare = [each for each in self.columns if each.if_any and not any(map(each.text, lines))]
        self.lines = self._in_order(self._unsorted)
        if not self.find(key):
            self._to(self.cursor)
        self.virtual_size = Size(1, len(self.lines) + 1)
        self.refresh()
        self.post_message(self.Moved(self))

    def find(self, key: Any) -> bool:
        """Choose the line with this key; whether there is one."""
        found = next((index for index, line in enumerate(self.lines) if line.is_meant(key)), None)
        if found is None:
            return False
        self._to(found)
        return True

    def sort_next(self) -> None:
        """By the next column that can be seen, after the last: as the lines came."""
        shown = [self.columns.index(column) for column, _width in self._shown()]
        after = [index for index in shown if self.sorted_by is None or index > self.sorted_by]
        self.sorted_by, self.backwards = (after[0] if after else None), False
        self.show(self._unsorted)

    def turn_round(self) -> None:
        """The same order backwards."""
        self.backwards = not self.backwards
        self.show(self._unsorted)

    def _in_order(self, lines: list[Any]) -> list[Any]:
        if self.sorted_by is None:
            return lines[::-1] if self.backwards else lines
        column = self.columns[self.sorted_by]
        known = [line for line in lines if column.order(line) is not None]
        unknown = [line for line in lines if column.order(line) is None]
        return sorted(known, key=column.order, reverse=column.falling != self.backwards) + unknown

    # moving -----------------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Choose the line so many further down."""
        self._to(self.cursor + by)
        self.refresh()
        self.post_message(self.Moved(self))

    def action_page(self, direction: int) -> None:
        """A screenful."""
        self.action_move(direction * max(1, self.size.height - NEAR_PAGE))

    def action_choose(self) -> None:
        """Follow the chosen line."""
        if self.lines:
            self.post_message(self.Chosen(self))

    def _to(self, index: int) -> None:
        self.cursor = max(0, min(index, len(self.lines) - 1))
        self.virtual_size = Size(1, len(self.lines) + 1)
        self.call_after_refresh(self._into_view)
        self._into_view()

    def _into_view(self) -> None:
        room, top = max(1, self.size.height - 1), round(self.scroll_y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + room:
            self.scroll_to(y=self.cursor - room + 1, animate=False, immediate=True)

    def on_resize(self) -> None:
        """The chosen line stays in sight."""
        self._into_view()

    def on_click(self, event: events.Click) -> None:
        """Choose the line; the chosen one again: follow it."""
        index = event.y - 1 + round(self.scroll_y)
        if event.y < 1 or index >= len(self.lines):
            return
        again = index == self.cursor
        self.action_move(index - self.cursor)
        if again:
            self.action_choose()

    # drawing ----------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """A line of the screen: the headings stay on top."""
        width, base = self.size.width, self.rich_style
        if y == 0:
            return self._strip(None, base + self.get_component_rich_style("sheet--heading", partial=True), width)
        index = y - 1 + round(self.scroll_y)
        if index >= len(self.lines):
            text = self._empty if y == 1 and not self.lines else ""
            return Strip([Segment(set_cell_size(f" {text}", width), base)], width)
        line, style = self.lines[index], base
        if line.mark:
            style += self.get_component_rich_style(f"sheet--{line.mark}", partial=True)
        if index == self.cursor:
            style += self.get_component_rich_style("sheet--cursor", partial=True)
        return self._strip(line, style, width)

    def _strip(self, line: Any | None, style: Style, width: int) -> Strip:
        segments = []
        for column, room in self._shown():
            text, look = self._heading(column) if line is None else (printable(column.text(line)), style)
            if mark := (column.mark(line) if line is not None else ""):
                look = style + self.get_component_rich_style(f"sheet--{mark}", partial=True)
            elif line is None:
                look = style + look
            segments.append(Segment(_fitted(text, room, column), look))
            segments.append(Segment(" " * GAP, style))
        return Strip(segments).adjust_cell_length(width, style)

    def _heading(self, column: Column) -> tuple[str, Style]:
        if self.sorted_by is None or column is not self.columns[self.sorted_by]:
            return column.heading, Style()
        arrow = "▼" if column.falling != self.backwards else "▲"
        return arrow + column.heading, self.get_component_rich_style("sheet--sorted", partial=True)

    def _shown(self) -> list[tuple[Column, int]]:
        """The columns that there is room for, with their widths; those of width 0 share what is left."""
        shown = [each for each in self.columns if each.from_width <= self.size.width and each not in self._bare]
        taken = sum(column.width + GAP for column in shown)
        rest = max(1, (self.size.width - taken) // max(1, sum(not column.width for column in shown)))
        return [(column, column.width or rest) for column in shown]


def _fitted(text: str, width: int, column: Column) -> str:
    """The text in so many cells; where something was cut off is a "…"."""
    if cell_len(text) > width:
        if column.cut_left and text.startswith("/") and text.isascii():
            return "…" + text[len(text) - width + 1 :]
        return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)
    room = " " * (width - cell_len(text))
    return room + text if column.right else text + room
