"""What comes up over the screen: help, and the choice of kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

if TYPE_CHECKING:
    from typing import Any

    from textual.app import ComposeResult

__all__ = ["HELP", "Help", "Kinds"]

HELP = """\
Keys
  Tab, 1 2 3 4   objects, waits, orphans, processes
  up down PgUp PgDn Home End   choose a line; below are its fields and
           its links: who has to do with it
  Enter    go to the links; there: follow one, to a process or an object
  Esc      back: from the links, from where one led, from a filter
  /        show only lines with this text, in every sheet
  k        show only these kinds of objects
  s  S     sort by the next column; the other way round
  p        pause: what you see stays
  r        look now
  + -      look more often, less often
  d        the lower half larger, off, on
  [ ]      scroll the fields
  q        quit

Columns of the objects
  depth    messages in it; a semaphore's value; connections that a
           listener has not accepted
  ±/s      how fast the depth grows
  in/s     messages sent or published in a second (channels, topics)
  out/s    messages received in a second (channels)
  lost     messages dropped, or missed by subscribers, so far; marked
           while it rises
  lag      how many messages the slowest subscriber is behind
  bytes    what is in it, or how large it is
  wait     how many wait for it
  users    how many processes have it

Numbers that changed since the last look are bold. "for" is how long a
wait was seen at every look: it began no later. A deadlock with a "?" has
a link that is only likely: see `ipc why`. An orphan is "sure" if nobody
uses it and all who did have ended. Nothing is ever removed from here.
"""


class Help(ModalScreen[None]):
    """The keys and the columns."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("escape,q,question_mark,enter", "dismiss", "close", show=False),
    ]

    def compose(self) -> ComposeResult:
        """One text, which scrolls if it must."""
        with VerticalScroll(id="help", classes="over"):
            yield Static(Text(HELP))


class Kinds(ModalScreen["tuple[str, ...] | None"]):
    """Which kinds to show: all of those that are there, to be ticked."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("escape,q", "dismiss(None)", show=False),
        Binding("space", "tick", show=False),
        Binding("a", "all", show=False),
    ]

    def __init__(self, counts: dict[str, int], chosen: tuple[str, ...]) -> None:
        super().__init__()
        self._counts, self._kinds, self._chosen = counts, list(counts), set(chosen)

    def compose(self) -> ComposeResult:
        """The kinds with how many there are of each."""
        with VerticalScroll(id="kinds", classes="over"):
            yield Static(Text("Space: tick   Enter: only these   a: all   Esc: leave"))
            yield OptionList(*map(self._told, self._kinds))

    def on_mount(self) -> None:
        """The list has the keys."""
        self._list.focus()
        self._list.highlighted = 0

    @property
    def _list(self) -> OptionList:
        return self.query_one(OptionList)

    def _told(self, kind: str) -> Text:
        return Text(f"[{'x' if kind in self._chosen else ' '}] {kind:16}{self._counts[kind]:6}")

    def action_tick(self) -> None:
        """Show the one under the cursor, or not."""
        if (index := self._list.highlighted) is not None:
            self._chosen ^= {self._kinds[index]}
            self._list.replace_option_prompt_at_index(index, self._told(self._kinds[index]))

    @on(OptionList.OptionSelected)
    def take(self) -> None:
        """Those that are ticked; none ticked: the one under the cursor."""
        index = self._list.highlighted
        under = () if index is None else (self._kinds[index],)
        self.dismiss(tuple(kind for kind in self._kinds if kind in self._chosen) or under)

    def action_all(self) -> None:
        """No choice at all."""
        self.dismiss(())
