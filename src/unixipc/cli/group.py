"""The click group `ipc`: verbs are imported when they are asked for, errors are caught here and nowhere else."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module

import click
from click.exceptions import Exit

from .. import __version__
from .main import INTERRUPTED, TIME_IS_UP, explain
from .standard import OUT, OUTPUT_CLOSED, drop_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

VERBS = {
    "ask": "Send a line to a Unix socket and print the answer.",
    "bench": "Measure what each mechanism costs on this machine, in a few seconds.",
    "completion": "Print the line that sets up tab completion for your shell.",
    "demo": "Run our twin of a program of Beej's Guide to Unix IPC.",
    "doctor": "Is this machine fit? Limits, shared memory, namespaces, the kernel: what needs attention, with the fix.",
    "gc": "Remove what is provably ownerless, and say of each why; or only tell (--dry-run).",
    "ipcrm": "Remove System V objects, spelled as for ipcrm(1).",
    "ipcs": "List System V objects, spelled as for ipcs(1).",
    "lock": "Run a command while a file is locked, as flock(1) does; or tell who holds it.",
    "ls": "List what processes talk through: queues, semaphores, memory, locks, pipes, sockets, channels.",
    "map": "Draw who talks to whom and who waits for whom: a page for the browser, SVG, DOT, JSON.",
    "mk": "Make a queue, semaphore, shared memory, FIFO, channel or topic; its address is printed.",
    "recv": "Print the messages that come to an address.",
    "rm": "Remove exactly the objects of these addresses.",
    "sem": "A semaphore: its value, acquire, release, or run a command while it is held.",
    "send": "Send lines, files or blocks to an address.",
    "shm": "Shared memory: read, write or dump its bytes.",
    "sig": "Signals: send with a value, wait for them, what a process does with them, the table of all.",
    "tour": "Carry real files over every mechanism, verify them, and kill the sender half-way.",
    "watch": "Watch all of it live, on the whole screen: rates, waits, deadlocks, orphans.",
    "who": "Who holds, reads, writes, maps or waits for a thing.",
    "why": "What processes wait for, who could end that, and who waits in a circle.",
}
"""Each verb's module and its line in the help: listing them imports none of them."""


class Verbs(click.Group):
    """Finds a verb in the module of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, sorted."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command; its module is imported now."""
        if cmd_name not in VERBS:
            return None
        command = getattr(import_module(f".{cmd_name}", __package__), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs' lines in the help."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(VERBS.items()))

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the command line; `--help` and `--version` print then."""
        with ending_well():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        with ending_well():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result


@contextmanager
def ending_well() -> Iterator[None]:
    """An error becomes one line on stderr and the exit status."""
    try:
        yield
    except KeyboardInterrupt:
        raise Exit(INTERRUPTED) from None
    except BrokenPipeError:  # not ours (that is PeerGone): Python's own stdout
        drop_output()
        raise Exit(OUTPUT_CLOSED) from None
    except TimeoutError as error:
        click.echo(f"ipc: {explain(error)}", err=True)
        raise Exit(TIME_IS_UP) from None
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, OSError) and error.filename is None and not hasattr(error, "__notes__"):
            error.filename = OUT  # ours have a name or a note: this is Python's own stdout
        click.echo(f"ipc: {explain(error)}", err=True)
        raise Exit(1) from None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="ipc")
def ipc() -> None:
    """Every way two processes on a Unix machine can talk."""
