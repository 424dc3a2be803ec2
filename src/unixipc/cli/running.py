"""Running a command in the foreground, as a shell does: its status is ours, and Ctrl-C is its business."""

from __future__ import annotations

import signal

import click

from ..process import Exited
from .main import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._fd import HasFileno

NOT_FOUND, NOT_A_PROGRAM = 127, 126


def run(
    verb: str,
    command: Sequence[str],
    descriptors: Mapping[int, HasFileno] | None = None,
    death_signal: int | None = None,
) -> int:
    """The command's exit status, as a shell would say it: 128 + n for signal n, 127 and 126 if it could not start."""
    from ..process import spawn

    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        child = spawn(command, descriptors=descriptors, death_signal=death_signal)
    except OSError as error:
        click.echo(f"ipc {verb}: {explain(error)}", err=True)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_A_PROGRAM
    with child:
        ended = child.wait()
    return ended.code if isinstance(ended, Exited) else 128 + ended.signal
