"""``ipc ask URL [WORD]...``: send a question to a Unix socket, and print what is answered."""

from __future__ import annotations

import sys

import click

from .words import SECONDS, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .addresses import Address

MOST_BYTES = 1 << 20

EPILOG = """\b
Examples:
  ipc ask unix:/run/service/control.sock status
  printf 'reload\\nstatus\\n' | ipc ask unix:/run/service/control.sock
  ipc ask --lines 1 --keep-open unix:/tmp/qmp.sock '{"execute": "query-status"}'
  ipc ask 'unix:@service?kind=seqpacket' status

\b
See unix(7); ipc send --help, ipc recv --help.
"""


@click.command(epilog=EPILOG)
@click.option("-w", "--timeout", type=SECONDS, metavar="SECONDS", help="Wait so long at most, each time.")
@click.option("--lines", type=click.IntRange(min=1), metavar="N",
              help="End after N lines, or packets, of the answer [default: its end; a packet a question].")  # fmt: skip
@click.option("-k", "--keep-open", is_flag=True,
              help="Do not say that the question is over: for servers that would leave then.")  # fmt: skip
@click.argument("url", type=Url("unix"))
@click.argument("words", nargs=-1, metavar="[WORD]...", type=click.UNPROCESSED)
def ask(timeout: float | None, lines: int | None, keep_open: bool, url: Address, words: tuple[str, ...]) -> None:
    """Send the WORDs as one line to the socket at URL, or without any the standard input, and print the answer.

    URL is unix:/PATH or unix:@NAME, with ?kind=seqpacket or ?kind=dgram behind it if it is no stream. To a stream all
    is sent, then the writing side is shut, and everything is printed until the server closes. Packets are one a line,
    without the newline; each answer is printed as a line.

    Exit status: 0 there was an answer; 1 refused, or the end came first; 2 not understood; 124 the time was up; 130
    Ctrl-C; 141 nobody reads our output.
    """
    question = (" ".join(words) + "\n").encode("utf-8", "surrogateescape") if words else sys.stdin.buffer.read()
    answers = {"seqpacket": _packets, "dgram": _datagrams}.get(str(url.kind), _stream)
    printed, left = False, lines
    for piece in answers(url, question, timeout, lines, keep_open):
        if left is not None and answers is _stream:
            piece, left = _first_lines(piece, left)
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        printed = True
        if left == 0:
            break
    if not printed:
        raise EOFError(f"{url}: it left without an answer")


def _first_lines(piece: bytes, left: int) -> tuple[bytes, int]:
    """What belongs to the lines that are wanted, and how many are left."""
    whole = piece.split(b"\n", left)
    if len(whole) <= left:
        return piece, left - (len(whole) - 1)
    return b"".join(line + b"\n" for line in whole[:left]), 0


def _stream(
    url: Address, question: bytes, timeout: float | None, _lines: int | None, keep_open: bool
) -> Iterator[bytes]:
    from .. import sockets

    with sockets.connect(url.name, "stream", timeout) as connection:
        connection.write_all(question, timeout)
        if not keep_open:
            connection.shutdown_write()
        while piece := connection.read(MOST_BYTES, timeout=timeout):
            yield piece


def _packets(
    url: Address, question: bytes, timeout: float | None, lines: int | None, keep_open: bool
) -> Iterator[bytes]:
    from .. import sockets

    asked = question.splitlines()
    with sockets.connect(url.name, "seqpacket", timeout) as connection:
        for each in asked:
            connection.send(each, timeout=timeout)
        if not keep_open:
            connection.shutdown_write()
        for _ in range(lines or len(asked)):
            answer = connection.receive(MOST_BYTES, timeout=timeout)
            if answer.eof:
                return
            yield answer.data + b"\n"


def _datagrams(
    url: Address, question: bytes, timeout: float | None, lines: int | None, _keep_open: bool
) -> Iterator[bytes]:
    from .. import sockets

    asked = question.splitlines()
    with sockets.bind("") as ours:
        for each in asked:
            ours.send_to(each, url.name, timeout=timeout)
        for _ in range(lines or len(asked)):
            yield ours.receive_from(MOST_BYTES, timeout=timeout).data + b"\n"
