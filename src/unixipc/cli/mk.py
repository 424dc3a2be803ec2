"""``ipc mk KIND [NAME]``: make an object; its address is printed, for the other verbs."""

from __future__ import annotations

import sys

import click

from .addresses import checked_key, number
from .words import Mode, Number, Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from ..sysv import MessageQueue, SemaphoreSet, SharedMemory

    class Named(Protocol):
        """Has a name that can be removed."""

        def remove(self) -> None:
            """Remove it."""


class Key(click.ParamType[int]):
    """A key, also as it stands in an address; "private" for none."""

    name = "KEY"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        text = value.removeprefix("sysv:")
        try:
            return 0 if text == "private" else checked_key(number(text))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Values(click.ParamType[tuple[int, ...]]):
    """Numbers with commas between them."""

    name = "VALUE,..."

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Read them."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(number(each) for each in value.split(","))
        except ValueError as error:
            self.fail(str(error), param, ctx)


EPILOG = """\b
Examples:
  ipc mk sysv-queue 0x4b1d                  a message queue with this key
  id=$(ipc mk sysv-set --values 1,0,5)      three semaphores, with a key that nobody has
  ipc mk posix-memory /frames --size 64M
  ipc mk channel jobs --size 16M --when-full refuse
  ipc rm $(ipc mk sysv-segment private --size 4096)

\b
See ipc mk KIND --help; msgget(2), semget(2), shmget(2), mq_open(3), sem_open(3), shm_open(3), mkfifo(3).
"""


@click.group(epilog=EPILOG)
def mk() -> None:
    """Make an object of the kind that COMMAND names, and print its address.

    What exists is an error (exit status 1) without --ensure. An object whose address could not be printed is removed
    again, unless --ensure is given. Objects stay until somebody removes them (ipc rm), those
    of System V and in /dev/shm at the latest when the machine is switched off.
    """


MODE = click.option("--mode", type=Mode(), default="600", show_default=True, help="Permissions, in octal.")
ENSURE = click.option("--ensure", is_flag=True, help="It is no error if it exists.")
JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print address, kind and, for System V, key and id as JSON."
)
KEY = click.argument("key", type=Key(), required=False)


def making(kind: str, *more: Callable[[Any], Any]) -> Callable[[Callable[..., None]], click.Command]:
    """A command of `mk` with the options that all have, and its own."""

    def decorate(function: Callable[..., None]) -> click.Command:
        for option in (*more, MODE, ENSURE, JSON):
            function = option(function)
        return mk.command(kind)(function)

    return decorate


def tell(made: Named, ensure: bool, address: str, kind: str, as_json: bool, **facts: object) -> None:
    """Its address, for the next command. Where that cannot be printed, a new object goes again, as with mktemp(1)."""
    try:
        if as_json:
            from .render import print_json

            print_json({"address": address, "kind": kind, **facts})
        else:
            print(address)
        sys.stdout.flush()
    except OSError:
        if not ensure:
            made.remove()
        raise


def tell_of_sysv(made: MessageQueue | SemaphoreSet | SharedMemory, ensure: bool, kind: str, as_json: bool) -> None:
    """The same, by key if it has one."""
    key = int(made.key)
    where = f"0x{key:08x}" if key else f"id={made.id}"
    tell(made, ensure, f"sysv:{where}?kind={kind}", f"sysv {kind}", as_json, key=f"0x{key:08x}", id=made.id)


def chosen(key: int | None) -> int:
    """The key, or a random one."""
    from ..sysv import Key as SysvKey

    return SysvKey.random() if key is None else key


@making(
    "sysv-queue",
    KEY,
    click.option("--size", type=Size(), help="How many bytes it may hold [default: sysctl kernel.msgmnb]."),
)
def sysv_queue(key: int | None, size: int | None, mode: int, ensure: bool, as_json: bool) -> None:
    """A System V message queue. KEY: decimal, 0x, octal; "private" for none; left out: a random one. -- msgget(2)"""
    from ..sysv import MessageQueue

    make = MessageQueue.ensure if ensure else MessageQueue.create
    with make(chosen(key), mode, None, size) as made:
        tell_of_sysv(made, ensure, "queue", as_json)


@making("sysv-set", KEY, click.option("--values", type=Values(), default="0", show_default=True,
                                      help="The initial value of each semaphore."))  # fmt: skip
def sysv_set(key: int | None, values: tuple[int, ...], mode: int, ensure: bool, as_json: bool) -> None:
    """A System V semaphore set, with its values from the first moment on. KEY as for sysv-queue. -- semget(2)"""
    from ..sysv import SemaphoreSet

    make = SemaphoreSet.ensure if ensure else SemaphoreSet.create
    with make(chosen(key), values, mode) as made:
        tell_of_sysv(made, ensure, "set", as_json)


@making("sysv-segment", KEY, click.option("--size", type=Size(), required=True, help="How many bytes."))
def sysv_segment(key: int | None, size: int, mode: int, ensure: bool, as_json: bool) -> None:
    """A System V shared memory segment, all zero. KEY as for sysv-queue. -- shmget(2)"""
    from ..sysv import SharedMemory

    make = SharedMemory.ensure if ensure else SharedMemory.create
    with make(chosen(key), size, mode) as made:
        tell_of_sysv(made, ensure, "segment", as_json)


def slashed(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """A POSIX name, also as it stands in an address."""
    name = value.removeprefix("posix:")
    return name if name.startswith("/") else "/" + name


def bare(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """A name or path, also as it stands in an address."""
    for scheme in ("channel:", "topic:", "fifo:"):
        value = value.removeprefix(scheme)
    return value


POSIX_NAME = click.argument("name", callback=slashed)
NAME = click.argument("name", callback=bare)


@making("posix-queue", POSIX_NAME,
        click.option("--messages", type=Number(), default="10", show_default=True, help="How many it may hold."),
        click.option("--size", type=Size(), default="8192", show_default=True, help="Bytes of one."))  # fmt: skip
def posix_queue(name: str, messages: int, size: int, mode: int, ensure: bool, as_json: bool) -> None:
    """A POSIX message queue. Limits: sysctl fs.mqueue.msg_max and msgsize_max. -- mq_open(3)"""
    from ..posix import MessageQueue

    with (MessageQueue.ensure if ensure else MessageQueue.create)(name, messages, size, mode) as made:
        tell(made, ensure, f"posix:{name}?kind=queue", "posix queue", as_json)


@making("posix-semaphore", POSIX_NAME,
        click.option("--value", type=Number(), default="0", show_default=True, help="Its initial value."))  # fmt: skip
def posix_semaphore(name: str, value: int, mode: int, ensure: bool, as_json: bool) -> None:
    """A POSIX semaphore. -- sem_open(3)"""
    from ..posix import Semaphore

    with (Semaphore.ensure if ensure else Semaphore.create)(name, value, mode) as made:
        tell(made, ensure, f"posix:{name}?kind=semaphore", "posix semaphore", as_json)


@making("posix-memory", POSIX_NAME, click.option("--size", type=Size(), required=True, help="How many bytes."))
def posix_memory(name: str, size: int, mode: int, ensure: bool, as_json: bool) -> None:
    """POSIX shared memory, all zero, its memory set aside. -- shm_open(3)"""
    from ..posix import SharedMemory

    with (SharedMemory.ensure if ensure else SharedMemory.create)(name, size, mode) as made:
        tell(made, ensure, f"posix:{name}?kind=memory", "posix memory", as_json)


@making("fifo", NAME)
def fifo(name: str, mode: int, ensure: bool, as_json: bool) -> None:
    """A FIFO with this path. -- mkfifo(3)"""
    from ..fifo import Fifo

    with (Fifo.ensure if ensure else Fifo.create)(name, mode) as made:
        tell(made, ensure, f"fifo:{name}", "fifo", as_json)


RING_SIZE = click.option("--size", type=Size(), default="1M", show_default=True, help="How many bytes it holds.")
WHEN_FULL = click.option("--when-full", type=click.Choice(["wait", "refuse", "drop_oldest"]), default="wait",
                         show_default=True, help="What a full one means for senders.")  # fmt: skip


@making("channel", NAME, RING_SIZE, WHEN_FULL)
def channel(name: str, size: int, when_full: Any, mode: int, ensure: bool, as_json: bool) -> None:
    """A channel: a queue in shared memory, each message to one receiver. NAME is a word or a path."""
    from ..channel import Queue

    with (Queue.ensure if ensure else Queue.create)(name, size, when_full, None, mode) as made:
        tell(made, ensure, f"channel:{name}", "channel", as_json)


@making("topic", NAME, RING_SIZE)
def topic(name: str, size: int, mode: int, ensure: bool, as_json: bool) -> None:
    """A topic in shared memory, each message to every subscriber. NAME is a word or a path."""
    from ..channel import Topic

    with (Topic.ensure if ensure else Topic.create)(name, size, "wait", None, mode) as made:
        tell(made, ensure, f"topic:{name}", "topic", as_json)
