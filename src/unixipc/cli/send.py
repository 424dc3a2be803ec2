"""``ipc send URL [FILE...]``: messages from lines, files or blocks to a queue, channel, FIFO or socket."""

from __future__ import annotations

import click

from .words import SECONDS, Number, Size, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .addresses import Address
    from .cutting import Blocks, Lines, Whole
    from .meter import Meter
    from .outgoing import Outgoing

EPILOG = """\b
Examples:
  seq 1000000 | ipc send channel:n & ipc recv channel:n | tail -1
  ipc send --file channel:photos *.jpg
  echo urgent | ipc send --priority 9 posix:/jobs
  ipc send --type 2 sysv:0x4b1d < orders.txt
  find . -print0 | ipc send -0 unix:/run/index.sock

\b
See msgsnd(2), mq_send(3), fifo(7), unix(7); ipc recv --help.
"""


def refuse_unknown(given: Mapping[str, Any], options: tuple[str, ...], address: Address) -> None:
    """A usage error for an option that means nothing for this kind of object."""
    for name, value in given.items():
        if value and name not in options:
            raise click.UsageError(f"--{name.replace('_', '-')} means nothing for {address.scheme}: objects")


@click.command(epilog=EPILOG)
@click.option("-0", "--null", is_flag=True, help="Messages end with a NUL byte instead of a newline.")
@click.option("--file", "whole", is_flag=True, help="Each FILE is one message, as it is.")
@click.option("--bytes", "block", type=Size(), help="A message is a block of so many bytes; the last may be shorter.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Send N messages at most, and end.")
@click.option("-w", "--timeout", type=SECONDS, metavar="SECONDS",
              help="Wait so long at most, each time: for the other side, and for room.")  # fmt: skip
@click.option("--type", type=Number(), help="sysv: the messages' type, 1 or more [default: 1].")
@click.option("--priority", type=click.IntRange(0, 32767), metavar="N",
              help="posix: the highest is received first [default: 0].")  # fmt: skip
@click.option("--make", is_flag=True, help="sysv, posix, fifo: make it if it is missing.")
@click.option("-v", "--verbose", is_flag=True, help="At the end tell on stderr how many messages and bytes went.")
@click.option("--json", "as_json", is_flag=True, help="At the end print messages, bytes and seconds as JSON.")
@click.argument("url", type=Url())
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True), metavar="[FILE]...")
def send(
    null: bool, whole: bool, block: int | None, count: int | None, timeout: float | None, verbose: bool,
    as_json: bool, url: Address, files: tuple[str, ...], **words: Any,
) -> None:  # fmt: skip
    """Send what is in the FILEs (none, or "-": the standard input) to URL, a message a line.

    URL is channel:NAME, topic:NAME, sysv:KEY or sysv:id=N (a message queue), posix:/NAME (a queue), fifo:/PATH, or
    unix:/PATH and unix:@NAME (a socket that somebody listens on, see ipc recv; ?kind=seqpacket or ?kind=dgram behind
    it if it is no stream). Lines go without their newline. A FIFO and a stream socket know no messages: there each
    line goes with its newline, and --file and --bytes add nothing.

    A channel or topic that is missing is made (1 MiB), as ipc recv does. Such a one lives with its users: the last one
    out removes it, once nothing is in it. If it is full and every receiver has left, sending ends with an error, as a
    pipe would. One that was made with ipc mk stays, and sending waits for the next receiver. What a topic carries is
    for the subscribers that are there.

    Exit status: 0 all was sent; 1 refused; 2 not understood; 124 the time was up; 130 Ctrl-C.
    """
    from .meter import Meter, size_of_all
    from .outgoing import way_to

    way = way_to(url)
    refuse_unknown(words, way.options, url)
    paths = files or ("-",)
    cut, ending = _how(null, whole, block)
    with Meter("sent", size_of_all(paths), quiet=False) as meter:
        try:
            with way(url, timeout, words) as out:
                _send_all(out, paths, cut, b"" if out.borders else ending, count, meter)
        finally:
            if verbose:
                meter.tell(as_json=False)
    if as_json:
        from .render import print_json

        print_json(meter.facts())


def _how(null: bool, whole: bool, block: int | None) -> tuple[Lines | Blocks | Whole, bytes]:
    """How the input is cut into messages, and what ends one where the mechanism has no borders."""
    from .cutting import Blocks, Lines, Whole

    if null + whole + (block is not None) > 1:
        raise click.UsageError("--null, --file and --bytes: only one of them")
    if whole:
        return Whole(), b""
    if block is not None:
        if not block:
            raise click.BadParameter("a block has at least one byte", param_hint="--bytes")
        return Blocks(block), b""
    ending = b"\0" if null else b"\n"
    return Lines(ending), ending


def _send_all(
    out: Outgoing, paths: tuple[str, ...], cut: Lines | Blocks | Whole, ending: bytes, count: int | None, meter: Meter
) -> None:
    from .cutting import batches

    for batch in batches(paths, cut):
        if count is not None:
            batch = batch[: count - meter.messages]
        out.send_many([each + ending for each in batch] if ending else batch)
        meter.add(len(batch), sum(map(len, batch)))
        if meter.messages == count:
            break
    out.finish()
