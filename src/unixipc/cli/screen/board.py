"""What is on the screen: four sheets, details of the chosen line below them, a status line, and the keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Input, Static, Tab, Tabs

from ..main import explain
from .asking import Help, Kinds
from .details import LINKS, fields_of, links_of
from .looking import Look, Looker
from .sheet import Sheet
from .status import counts_of, status_of
from .tables import COLUMNS, LINES

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from .looking import Wanted

__all__ = ["Board"]

SHEETS = tuple(COLUMNS)
EMPTY = {
    "objects": "nothing is there",
    "waits": "nobody waits for anybody, as far as can be seen",
    "orphans": "everything has a user, as far as can be seen",
    "processes": "no process has anything",
}
SLOW_S = 5.0
INTERVALS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Looked(Message):
    """A look was taken, or failed."""

    def __init__(self, found: Look | Exception) -> None:
        super().__init__()
        self.found = found


class Board(Screen[None]):
    """The screen of `ipc watch`."""

    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[Any]] = [
        Binding("tab", "turn(1)", "next", priority=True, key_display="Tab"),
        Binding("shift+tab", "turn(-1)", show=False, priority=True),
        Binding("q", "app.leave(0)", "quit"),
        Binding("slash", "filter", "filter", key_display="/", priority=True),  # what is typed next goes into it
        Binding("k", "kinds", "kinds"),
        Binding("s", "sort", "sort"),
        Binding("S,upper_s", "turn_round", show=False),
        Binding("p", "pause", "pause"),
        Binding("r", "look_now", "refresh"),
        Binding("plus,equals_sign", "pace(-1)", "pace", key_display="+/-"),
        Binding("minus", "pace(1)", show=False),
        Binding("d", "details", show=False),
        Binding("left_square_bracket", "scroll_fields(-3)", show=False),
        Binding("right_square_bracket", "scroll_fields(3)", show=False),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("escape", "back", show=False),
        *(Binding(str(number), f"sheet('{name}')", show=False) for number, name in enumerate(SHEETS, 1)),
    ]

    def __init__(self, wanted: Wanted, interval_s: float) -> None:
        super().__init__()
        self.look: Look | None = None
        self.kinds: tuple[str, ...] = ()
        self.filter = ""
        self.problem = ""
        self.looker = Looker(wanted, interval_s, lambda found: self.post_message(Looked(found)))
        self._trail: list[tuple[str, Any]] = []

    def compose(self) -> ComposeResult:
        """Tabs, sheets, details, filter, status, keys."""
        yield Tabs(*(Tab(name.capitalize(), id=name) for name in SHEETS), id="tabs")
        with ContentSwitcher(id="sheets", initial=f"sheet-{SHEETS[0]}"):
            for name in SHEETS:
                yield Sheet(COLUMNS[name], EMPTY[name], id=f"sheet-{name}")
        with Horizontal(id="details"):
            with VerticalScroll(id="fields", can_focus=False):
                yield Static(id="text")
            yield Sheet(LINKS, "nobody is known to use it", id="links")
        yield Input(placeholder="only lines with this text; Enter: keep, Esc: drop", id="filter", compact=True)
        yield Static(id="status")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """The first look begins."""
        self.query_one(Tabs).can_focus = False
        self.sheet.focus()
        self.query_one("#status", Static).update(Text("the first look is being taken ..."))
        self.looker.start()
        self.set_interval(1.0, self.show_delay)

    def on_unmount(self) -> None:
        """No more looks."""
        self.looker.stop()

    @property
    def shown(self) -> str:
        """The name of the sheet that is shown."""
        return (self.query_one(ContentSwitcher).current or "").removeprefix("sheet-")

    @property
    def sheet(self) -> Sheet:
        """The sheet that is shown."""
        return self.query_one(f"#sheet-{self.shown}", Sheet)

    @property
    def is_in_links(self) -> bool:
        """Whether the keys go to the links."""
        return self.query_one("#links").has_focus

    # looks ------------------------------------------------------------------------------------------------------------

    def on_looked(self, message: Looked) -> None:
        """Show it; the next one waits for that."""
        began = time.thread_time()
        if isinstance(message.found, Look):
            self.look, self.problem = message.found, ""
            self.show()
        elif isinstance(message.found, OSError):  # a full table of descriptors, say: it may pass
            self.problem = f"the look failed: {explain(message.found)}"
            self.show_status()
        else:
            raise message.found
        self.looker.taken(time.thread_time() - began)

    def show(self) -> None:
        """The sheet in front, the numbers on the tabs, the status."""
        if self.look is None:
            return
        lines = list(LINES[self.shown](self.look))
        if self.shown == "objects" and self.kinds:
            lines = [line for line in lines if line.row.kind in self.kinds]
        if self.filter:
            lines = [line for line in lines if self.filter.lower() in line.searched().lower()]
        self.sheet.show(lines)
        for name, count in counts_of(self.look).items():
            tab, label = self.query_one(f"#{name}", Tab), f"{name.capitalize()} {count}"
            if tab.label_text != label:  # a new label is a new layout
                tab.label = label
        self.show_status()

    def show_status(self) -> None:
        """What was looked at, how often, what is left out."""
        status = self.query_one("#status", Static)
        status.update(status_of(self))
        status.set_class(self.looker.paused, "-paused")

    def show_delay(self) -> None:
        """A look that takes long: a file system that does not answer may be why. The keys go on."""
        if (spent := self.looker.looking_s()) > SLOW_S:
            self.query_one("#status", Static).update(Text(f"this look has taken {spent:.0f} s so far ...", "bold"))

    @on(Sheet.Moved)
    def show_details(self, message: Sheet.Moved) -> None:
        """The fields of the chosen line, and its links."""
        if message.sheet is not self.sheet or self.look is None:
            return
        line = self.sheet.line
        self.query_one("#text", Static).update(Text("") if line is None else fields_of(line, self.look))
        self.query_one("#links", Sheet).show([] if line is None else links_of(line, self.look))

    # following --------------------------------------------------------------------------------------------------------

    @on(Sheet.Chosen)
    def follow(self, message: Sheet.Chosen) -> None:
        """From the line to its links; from a link to where it leads."""
        links = self.query_one("#links", Sheet)
        if message.sheet is not links:
            self.query_one("#details").remove_class("-off")
            if links.lines:
                self.set_focus(links)
                self.show_status()
            return
        link, line = links.line, self.sheet.line
        if link is None or line is None:
            return
        self._trail.append((self.shown, line.key))
        if not self._go(link.sheet, link.target):
            self._go(*self._trail.pop())
            self.notify(f"{link.what} is in none of the sheets", markup=False, severity="warning")

    def _go(self, name: str, key: Any) -> bool:
        """Show this line of this sheet; a filter that hides it is dropped."""
        self.action_sheet(name)
        if self.sheet.find(key):
            self.sheet.action_move(0)
            return True
        if self.filter or self.kinds:
            self.kinds = ()
            self._filter_by("")
            return self._go(name, key)
        return False

    def action_back(self) -> None:
        """From the links to the sheet; from where a link led; from a filter."""
        if self.is_in_links or self.query_one("#filter").has_focus:
            self.set_focus(self.sheet)
            self.show_status()
        elif self._trail:
            self._go(*self._trail.pop())
            return
        if self.query_one("#filter").has_class("-on"):
            self._filter_by("")

    # keys -------------------------------------------------------------------------------------------------------------

    def action_sheet(self, name: str) -> None:
        """Show this one."""
        with self.prevent(Tabs.TabActivated):
            self.query_one(Tabs).active = name
        self.query_one(ContentSwitcher).current = f"sheet-{name}"
        self.set_focus(self.sheet)
        self.show()

    def action_turn(self, by: int) -> None:
        """Show the next one."""
        self.action_sheet(SHEETS[(SHEETS.index(self.shown) + by) % len(SHEETS)])

    @on(Tabs.TabActivated)
    def tab_clicked(self, message: Tabs.TabActivated) -> None:
        """By the mouse."""
        if message.tab.id and message.tab.id == message.tabs.active != self.shown:
            self.action_sheet(message.tab.id)

    def action_filter(self) -> None:
        """The line to write a filter into."""
        line = self.query_one("#filter", Input)
        if line.has_focus:
            line.insert_text_at_cursor("/")
        line.add_class("-on")
        self.set_focus(line)

    @on(Input.Changed, "#filter")
    def filter_changed(self, message: Input.Changed) -> None:
        """While it is being written."""
        self.filter = message.value
        self.show()

    @on(Input.Submitted, "#filter")
    def filter_kept(self) -> None:
        """The keys go to the sheet again."""
        self.query_one("#filter").set_class(bool(self.filter), "-on")
        self.set_focus(self.sheet)

    def _filter_by(self, text: str) -> None:
        line = self.query_one("#filter", Input)
        with line.prevent(Input.Changed):
            line.value = text
        line.set_class(bool(text), "-on")
        self.filter = text
        self.show()

    def action_kinds(self) -> None:
        """Choose them."""
        if self.look is not None:
            counts: dict[str, int] = {}
            for row in self.look.objects:
                counts[row.kind] = counts.get(row.kind, 0) + 1
            self.app.push_screen(Kinds(counts, self.kinds), self._show_kinds)

    def _show_kinds(self, kinds: tuple[str, ...] | None) -> None:
        if kinds is not None:
            self.kinds = kinds
            self.action_sheet("objects")

    def action_sort(self) -> None:
        """By the next column."""
        self.sheet.sort_next()

    def action_turn_round(self) -> None:
        """The other way round."""
        self.sheet.turn_round()

    def action_pause(self) -> None:
        """No more looks, until p or r."""
        self.looker.set(paused=not self.looker.paused)
        self.show_status()

    def action_look_now(self) -> None:
        """One look, at once."""
        self.looker.look_now()

    def action_pace(self, by: int) -> None:
        """The next longer or shorter interval."""
        now = self.looker.interval_s
        others = [each for each in INTERVALS_S if (each > now if by > 0 else each < now)]
        if others:
            self.looker.set(interval_s=others[0] if by > 0 else others[-1])
            self.show_status()

    def action_details(self) -> None:
        """The lower half: larger, off, as it was."""
        details = self.query_one("#details")
        large, off = details.has_class("-large"), details.has_class("-off")
        details.set_class(not large and not off, "-large").set_class(large, "-off")
        self.set_focus(self.sheet)

    def action_scroll_fields(self, by: int) -> None:
        """Those that there is no room for."""
        self.query_one("#fields").scroll_relative(y=by, animate=False)

    def action_help(self) -> None:
        """All keys and columns."""
        self.app.push_screen(Help())
