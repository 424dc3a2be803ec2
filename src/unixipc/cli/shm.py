"""``ipc shm URL [ACTION]``: the bytes of shared memory: read them, write them, look at them in hexadecimal."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

import click

from .words import Size, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..sysv import SharedMemory
    from .addresses import Address

EPILOG = """\b
Examples:
  ipc mk posix-memory /m --size 4K
  echo hello | ipc shm posix:/m write --offset 16
  ipc shm posix:/m read --offset 16 --length 5
  ipc shm sysv:0x4b1d dump | less

\b
See shmat(2), shm_overview(7), hexdump(1).
"""
LINE = 16
PART_BYTES = 1 << 18


@click.command(epilog=EPILOG)
@click.option("-o", "--offset", type=Size(), default="0", show_default=True, help="Where to begin.")
@click.option("-l", "--length", type=Size(), help="read, dump: how many bytes [default: to the end].")
@click.option("--json", "as_json", is_flag=True, help="Without ACTION: print an object.")
@click.argument("url", type=Url("sysv", "posix"))
@click.argument("action", required=False, type=click.Choice(["read", "write", "dump"]))
def shm(offset: int, length: int | None, as_json: bool, url: Address, action: str | None) -> None:
    """Do ACTION with the shared memory at URL: sysv:KEY, sysv:id=N, or posix:/NAME. Without one: tell its size.

    \b
    read     print its bytes as they are
    write    copy the standard input into it, at --offset; all of it, or nothing if it has too little room
    dump     print its bytes as hexdump -C does

    Nothing is locked: if another process writes meanwhile, you may see half of it. Numbers may be decimal, 0x... or
    octal, with K, M or G behind them.

    Exit status: 0; 1 refused; 2 not understood; 141 nobody reads our output.
    """  # noqa: D301 (the \b is for click)
    if action is None:
        _tell(url, as_json)
        return
    with _bytes_of(url, writing=action == "write") as memory:
        end = len(memory) if length is None else offset + length
        if not 0 <= offset <= end <= len(memory):
            what = f"it has {len(memory)} bytes, {offset} to {end} were asked for"
            raise ValueError(f"{url}: {what}")
        if action == "write":
            _write(memory, offset, end, url)
            return
        with memory[offset:end] as part:
            _read(part) if action == "read" else _dump(part, offset)


@contextmanager
def _bytes_of(url: Address, writing: bool) -> Iterator[memoryview]:
    from .. import posix

    if url.scheme == "posix":
        with posix.SharedMemory.open(url.name, readonly=not writing) as memory:
            with memory.map("rw" if writing else "r") as mapped, mapped.buffer as view:
                yield view
                mapped.check()
    else:
        with _segment(url) as segment, segment.attach(readonly=not writing) as attached, attached.buffer as view:
            yield view


def _segment(url: Address) -> SharedMemory:
    from ..sysv import SharedMemory

    return SharedMemory(url.id or 0) if url.key is None else SharedMemory.open(url.key)


def _tell(url: Address, as_json: bool) -> None:
    facts = _facts(url)
    if as_json:
        from .render import print_json

        print_json({"address": str(url), **facts})
    else:
        click.echo("".join(f"{name.replace('_', ' '):22}{value}\n" for name, value in facts.items()), nl=False)


def _facts(url: Address) -> dict[str, object]:
    from .. import posix

    if url.scheme == "posix":
        with posix.SharedMemory.open(url.name, readonly=True) as memory:
            seen = os.fstat(memory.fileno())
            return {"size_bytes": memory.size_bytes, "mode": f"{seen.st_mode & 0o777:o}", "uid": seen.st_uid}
    with _segment(url) as segment:
        there = segment.stat()
        return {
            "id": there.id,
            "key": f"0x{int(there.permissions.key):08x}",
            "size_bytes": there.size_bytes,
            "mode": f"{there.permissions.mode:o}",
            "uid": there.permissions.uid,
            "attached": there.attached,
            "creator_pid": there.creator_pid,
            "last_pid": there.last_pid,
            "marked_for_removal": there.marked_for_removal,
        }


def _read(part: memoryview) -> None:
    for at in range(0, len(part), PART_BYTES):
        sys.stdout.buffer.write(part[at : at + PART_BYTES])
    sys.stdout.buffer.flush()


def _write(memory: memoryview, offset: int, end: int, url: Address) -> None:
    room = end - offset
    data = sys.stdin.buffer.read(room + 1)
    if len(data) > room:
        what = f"more than the {room} bytes that there are from {offset} on; nothing was written"
        raise ValueError(f"{url}: {what}")
    memory[offset : offset + len(data)] = data


def _dump(part: memoryview, offset: int) -> None:
    """As hexdump -C: lines that repeat the one before are a star."""
    before, starred = None, False
    for at in range(0, len(part), LINE):
        line = bytes(part[at : at + LINE])
        if line == before:
            if not starred:
                print("*")
            starred = True
            continue
        before, starred = line, False
        print(_hexadecimal(offset + at, line))
    if part:
        print(f"{offset + len(part):08x}")


def _hexadecimal(at: int, line: bytes) -> str:
    halves = (line[:8].hex(" "), line[8:].hex(" "))
    shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
    return f"{at:08x}  {halves[0]:<23}  {halves[1]:<23}  |{shown}|"
