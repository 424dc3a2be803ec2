"""``ipc recv URL``: messages from a queue, channel, FIFO or socket to the standard output."""

from __future__ import annotations

import sys

import click

from .send import refuse_unknown
from .words import SECONDS, Number, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .addresses import Address
    from .incoming import Incoming
    from .meter import Meter

MOST = 4096
EPILOG = """\b
Examples:
  seq 1000000 | ipc send channel:n & ipc recv channel:n | tail -1
  ipc recv --raw --count 1 channel:photos > photo.jpg
  ipc recv --drain --json sysv:0x4b1d
  ipc recv --follow unix:/run/log.sock >> log
  job=$(ipc recv --count 1 --timeout 5 posix:/jobs) || exit

\b
See msgrcv(2), mq_receive(3), fifo(7), unix(7); ipc send --help.
"""


@click.command(epilog=EPILOG)
@click.option("-0", "--null", is_flag=True, help="End each message with a NUL byte instead of a newline.")
@click.option("--raw", is_flag=True, help="Print each message as it is, and nothing between them.")
@click.option("--json", "as_json", is_flag=True,
              help="A line of JSON for each: body (or body_base64 if it is no text), type or priority.")  # fmt: skip
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N messages.")
@click.option("-w", "--timeout", type=SECONDS, metavar="SECONDS",
              help="Wait so long at most, each time: for the other side, and for the next message.")  # fmt: skip
@click.option("--follow", is_flag=True, help="Go on when the last sender has left: another may come.")
@click.option("--drain", is_flag=True, help="sysv, posix: take what is there, and end.")
@click.option("--type", type=Number(), help="sysv: only messages of this type.")
@click.option("--up-to", type=Number(), help="sysv: the lowest type first, up to this one.")
@click.option("--make", is_flag=True, help="sysv, posix, fifo: make it if it is missing.")
@click.option("-v", "--verbose", is_flag=True, help="At the end tell on stderr how many messages and bytes came.")
@click.argument("url", type=Url())
def recv(
    null: bool, raw: bool, as_json: bool, count: int | None, timeout: float | None, verbose: bool, url: Address,
    **words: Any,
) -> None:  # fmt: skip
    """Print the messages that come to URL, a line each, until the last sender has left.

    URL is as for ipc send. A channel or topic that is missing is made, and the first sender is waited for; a message of
    a channel goes to one of its receivers, of a topic to all that are there. unix:/PATH is listened on, for one
    connection (--follow: one after the other); its file goes at the end.

    System V and POSIX queues and datagram sockets have no end: recv goes on until the queue is removed or you say stop;
    --drain ends when nothing is there. What was received is gone from the queue, also if nobody reads our output any
    more. A channel that was made by ipc mk or a program and has had senders ends at once while it has none: use
    --follow there. Who follows a channel counts as a sender.

    Exit status: 0 the end came, or --count messages; 1 refused, or fewer messages than --count; 2 not understood; 124
    the time was up; 130 Ctrl-C; 141 nobody reads our output.
    """
    from .incoming import way_from
    from .meter import Meter

    if null + raw + as_json > 1:
        raise click.UsageError("--null, --raw and --json: only one of them")
    way = way_from(url)
    refuse_unknown(words, way.options, url)
    ending = b"" if raw else b"\0" if null else b"\n"
    # a bar would be in the way of what we print, unless that goes elsewhere
    with Meter("received", None, quiet=sys.stdout.isatty()) as meter, way(url, timeout, words) as incoming:
        try:
            _print_all(_messages(incoming, ending, as_json or count), Printer(ending, as_json), count, timeout, meter)
        finally:
            if verbose:
                meter.tell(as_json)
    if count is not None and meter.messages < count:
        click.echo(f"ipc: {url}: the end came after {meter.messages} of {count} messages", err=True)
        sys.exit(1)


def _messages(incoming: Incoming, ending: bytes, one_by_one: object) -> Incoming:
    """Bytes without borders are passed on as they come, unless somebody wants messages."""
    from .incoming import Records

    return Records(incoming, ending or b"\n") if one_by_one and not incoming.borders else incoming


def _print_all(incoming: Incoming, printer: Printer, count: int | None, timeout: float | None, meter: Meter) -> None:
    while count is None or meter.messages < count:
        try:
            batch = incoming.receive_many(MOST if count is None else min(MOST, count - meter.messages), timeout)
        except EOFError:
            return
        printer.write(batch, incoming)
        meter.add(len(batch) if incoming.borders else 0, sum(map(len, batch)))


class Printer:
    """Messages on the standard output, at once."""

    def __init__(self, ending: bytes, as_json: bool) -> None:
        self.ending, self.as_json = ending, as_json

    def write(self, batch: list[bytes], incoming: Incoming) -> None:
        """Print them all."""
        out = sys.stdout.buffer
        if self.as_json:
            facts = incoming.facts or [{}] * len(batch)
            out.writelines(_as_json(*each) for each in zip(batch, facts, strict=True))
        elif self.ending and incoming.borders:
            out.write(self.ending.join([*batch, b""]))
        else:
            out.writelines(batch)
        out.flush()


def _as_json(body: bytes, facts: dict[str, int]) -> bytes:
    import json

    try:
        shown = {"body": body.decode()}
    except UnicodeDecodeError:
        from base64 import b64encode

        shown = {"body_base64": b64encode(body).decode()}
    return json.dumps(facts | shown).encode() + b"\n"
