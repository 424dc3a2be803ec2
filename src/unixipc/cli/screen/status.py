"""The status line in words, and the numbers on the tabs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.text import Text

from ..main import printable
from .looking import period_s

if TYPE_CHECKING:
    from .board import Board
    from .looking import Look

__all__ = ["counts_of", "status_of"]


def counts_of(look: Look) -> dict[str, int]:
    """What the tabs say."""
    return {
        "objects": len(look.objects),
        "waits": len({(wait.pid, wait.tid) for wait in look.waits}),
        "orphans": len(look.orphans),
        "processes": len(look.commands),
    }


def status_of(board: Board) -> Text:
    """Of this moment: the pace, what is new, what is left out, what could not be seen."""
    look, parts = board.look, [(board.problem, "bold red")]
    if board.looker.paused:
        parts.append(("PAUSED (p goes on)", "bold"))
    if look is not None:
        parts += [(_circles(look), "bold red reverse"), (_pace(look, board.looker.interval_s), ""), (_news(look), "")]
    if board.is_in_links:
        parts.append(("Enter follows, Esc goes back", "bold"))
    if board.kinds:
        parts.append((f"only {', '.join(board.kinds)}", "bold"))
    if board.filter:
        parts.append((f"only with {board.filter!r}", "bold"))
    if look is not None:
        parts.append((_hidden(look), ""))
    told = [Text(printable(part), style) for part, style in parts if part]
    return Text(" · ", no_wrap=True, overflow="ellipsis").join(told)


def _pace(look: Look, interval_s: float) -> str:
    period = max(look.took_s, period_s(interval_s, look.cost_s))
    stretched = f" (not {interval_s:g}: to spare the CPU)" if period > interval_s * 1.05 else ""
    return f"look {look.took_s:.2f} s, every {period:.2g} s{stretched}"


def _circles(look: Look) -> str:
    count = len(look.cycles)
    return f"{count} DEADLOCK{'S' if count > 1 else ''}" if count else ""


def _news(look: Look) -> str:
    new, gone = look.changes.new, len(look.changes.gone)
    return ", ".join([f"{new} new"] * bool(new) + [f"{gone} gone"] * bool(gone))


def _hidden(look: Look) -> str:
    if not look.hidden:
        return ""
    count = len(look.hidden)
    return f"{count} process{'es' if count > 1 else ''} hidden from us{'' if os.geteuid() == 0 else ', not from root'}"
