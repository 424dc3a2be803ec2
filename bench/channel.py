"""How fast are messages through shared memory? And what do they cost when nobody sends any?"""

from __future__ import annotations

import gc
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, cycle, islice, repeat

from unixipc import channel

from . import harness
from .channel_ways import (
    ALL,
    Call,
    Cloudtoid,
    CloudtoidSpinning,
    FasterFifo,
    Iceoryx2,
    Membridge,
    Ours,
    Pipe,
    SimpleQueue,
    TopicWay,
    Way,
)
from .harness import CONSUMER, PRODUCER, Case, Effort, Report, Row, Target

MEBIBYTE = 1 << 20
OURS = Ours.name
MANY, IN_PLACE = "unixipc send_many, receive_many", "unixipc reserve, peek"
HYBRID, FUTEX = "C ring-hybrid", "C ring-futex"
MANNERS = ("spin", "futex", "hybrid")
SENDERS, BATCH, LONGEST_S = 4, 500, 10
LOST = float("nan")
given_up: set[str] = set()  # peers that have lost messages once
Loop = Callable[[Call, Iterable[bytes]], object]
Take = Callable[[Call, int], "bytes | None"]


def numbered(size: int, count: int) -> Iterator[bytes]:
    """So many messages that tell their number, again and again the same few (they stay in the cache), and `last_of`."""
    few = [i.to_bytes(8, "little") + bytes(size - 8) for i in range(max(1, min(251, (1 << 18) // size)))]
    return chain(islice(cycle(few), count - 1), (last_of(size, count),))


def last_of(size: int, count: int) -> bytes:
    return (count + 1000).to_bytes(8, "little") + bytes(size - 8)


def send_all(send: Call, messages: Iterable[bytes]) -> None:
    for message in messages:
        send(message)


def repeat_send(try_send: Call, messages: Iterable[bytes]) -> None:
    for message in messages:
        while not try_send(message):
            pass


def receive_all(receive: Call, count: int) -> bytes:
    """The last one; each goes before the next one comes, as in the C program, so that its memory is used again."""
    for _ in repeat(None, count - 1):
        receive()
    return receive()


def repeat_receive(try_receive: Call, count: int) -> bytes:
    for _ in repeat(None, count - 1):
        while try_receive() is None:
            pass
    while (last := try_receive()) is None:
        pass
    return last


def in_lists(receive_many: Call, count: int) -> bytes | None:
    batch: list[bytes] = []
    while count > 0:
        batch = receive_many(min(count, BATCH))
        count -= len(batch)
    return batch[-1] if count == 0 else None


def check(last: bytes | None, expected: bytes) -> None:
    """That the last message is the one it has to be: then none was lost before it."""
    if last != expected:
        raise RuntimeError(f"messages were lost: the last one is {last and last[:8]!r}, not {expected[:8]!r}")


def one_way(cls: type[Way], size: int, count: int, capacity: int, many: bool = False) -> float:
    """Messages a second from one process to another."""
    warm = 2 * capacity // (size + 16) // BATCH * BATCH if many else min(count, 2 * capacity // (size + 16))
    way = cls(size, warm + count, capacity)
    taken_ns = 0.0

    def sender(start: Callable[[], None]) -> None:
        send = way.sender()
        start()
        stream = numbered(size, warm + count)
        if many:
            while batch := list(islice(stream, BATCH)):
                way.end.send_many(batch)
        else:
            (repeat_send if way.send_must_be_repeated else send_all)(send, stream)
        way.finish()

    def receiver(start: Callable[[], None]) -> None:
        nonlocal taken_ns
        receive = way.receiver()
        loop: Take = repeat_receive if way.receive_must_be_repeated else receive_all
        if many:
            loop, receive = in_lists, way.end.receive_many
        start()
        loop(receive, warm)
        begin = time.perf_counter_ns()
        last = loop(receive, count)
        taken_ns = time.perf_counter_ns() - begin
        check(last, last_of(size, warm + count))

    return count * 1e9 / guarded(way, lambda: harness.two_processes(sender, receiver), lambda: taken_ns)


def several_senders(cls: type[Way], size: int, count: int, capacity: int) -> float:
    """The same from several senders on one CPU; every one of `count` messages of each must come."""
    way, data = cls(size, SENDERS * count, capacity), b"x" * size

    def sender(start: Callable[[], None]) -> None:
        send = way.sender()
        start()
        (repeat_send if way.send_must_be_repeated else send_all)(send, repeat(data, count))
        way.finish()

    def receiver(start: Callable[[], None]) -> None:
        receive = way.receiver()
        start()
        (repeat_receive if way.receive_must_be_repeated else receive_all)(receive, SENDERS * count)

    taken_ns = guarded(way, lambda: harness.several_processes([(sender, PRODUCER)] * SENDERS, receiver, CONSUMER))
    return SENDERS * count * 1e9 / taken_ns


def to_two(cls: type[Way], size: int, count: int, capacity: int) -> float:
    """Messages a second to two subscribers on one CPU, both of which get all of them."""
    way, last = cls(size, count, capacity), last_of(size, count)

    def publisher(start: Callable[[], None]) -> None:
        send = way.sender()
        start()
        send_all(send, numbered(size, count))
        way.finish()

    def subscriber(start: Callable[[], None]) -> None:
        receive = way.receiver()
        start()
        check((repeat_receive if way.receive_must_be_repeated else receive_all)(receive, count), last)
        way.finish()

    sides = [(publisher, PRODUCER), (subscriber, CONSUMER)]
    return count * 1e9 / guarded(way, lambda: harness.several_processes(sides, subscriber, CONSUMER))


def round_trip(cls: type[Way], count: int, cpus: tuple[int, int]) -> float:
    """Microseconds for 64 bytes there and back."""
    data, warm, ways = b"x" * 64, count // 10, [cls(64, 2 * count, 65536) for _ in range(2)]
    there, back = ways
    taken_ns = 0.0

    def echo(start: Callable[[], None]) -> None:
        send, receive = patient(back.sender(), there.receiver(), back)
        start()
        for _ in repeat(None, warm + count):
            receive()
            send(data)

    def ask(start: Callable[[], None]) -> None:
        nonlocal taken_ns
        send, receive = patient(there.sender(), back.receiver(), back)
        start()
        for rounds in (warm, count):
            last, begin = None, time.perf_counter_ns()
            for _ in repeat(None, rounds):
                send(data)
                last = receive()
            taken_ns = time.perf_counter_ns() - begin
            check(last, data)

    try:
        return guarded(back, lambda: harness.two_processes(echo, ask, cpus), lambda: taken_ns) / count / 1e3
    finally:
        there.close()


def patient(send: Call, receive: Call, way: Way) -> tuple[Call, Call]:
    """Calls that wait: round what has to be repeated there is a loop."""

    def repeated() -> bytes:
        while (message := receive()) is None:
            pass
        return message

    return (
        (lambda data: repeat_send(send, (data,))) if way.send_must_be_repeated else send,
        repeated if way.receive_must_be_repeated else receive,
    )


def guarded(way: Way, run: Callable[[], float], taken: Callable[[], float] | None = None) -> float:
    """Its result, or `LOST` when messages were; whoever waits for a lost one is interrupted."""

    def late(_number: int, _frame: object) -> None:
        raise RuntimeError(f"nothing came any more within {LONGEST_S} s")

    if way.name in given_up:
        way.close()
        return LOST
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST_S)
    try:
        result = run()
        return result if taken is None else taken()
    except Exception as error:
        if way.kind == "ours":
            raise
        print(f"{way.name}: {error}", file=sys.stderr)
        given_up.add(way.name)
        return LOST
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        way.close()


def c_ring(manner: str, what: str, size: int, count: int, capacity: int, cpus: tuple[int, int]) -> Case | None:
    convert = (lambda ns: ns / 1e3) if what == "round-trip" else (lambda ns: 1e9 / ns)
    return harness.c_case(f"C ring-{manner}", "ring", manner, what, size, count, capacity, *cpus, convert=convert)


def case(cls: type[Way], measure: Callable[..., float], count: int, **words: object) -> Case | None:
    if not cls.here():
        return None
    return Case(cls.name, cls.kind, lambda: measure(cls, count=max(1, count // cls.slow), **words))


def complete(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """Without those that lost messages; and who they are."""
    given_up.clear()
    lost = [row for row in rows if any(value != value for value in row.values)]
    return [row for row in rows if row not in lost], [f"{row.name}: lost messages, or stopped" for row in lost]


def best(report: Report, ways: Sequence[type[Way]]) -> str:
    rows = [row for row in map(report.row, (way.name for way in ways)) if row is not None]
    return max(rows, key=lambda row: row.median).name if rows else "best peer"


LOSSLESS = [way for way in ALL if way.kind != "ours" and not way.loses]
BLOCKING = [way for way in LOSSLESS if way.blocks]
SPINNING = [way for way in LOSSLESS if not way.blocks]


def stream(size: int, count: int, capacity: int, effort: Effort, ways: Sequence[type[Way]], rounds: int) -> Report:
    """One sender, one receiver, a message a call; the C ring in the same run."""
    n = effort.n(count)
    cases = [case(cls, one_way, n, size=size, capacity=capacity) for cls in ways if size <= cls.at_most_bytes]
    if size == 64:
        cases.insert(1, Case(MANY, "ours", lambda: one_way(Ours, size, n // BATCH * BATCH, capacity, True)))
    cases += [c_ring(manner, "one-way", size, n, capacity, (PRODUCER, CONSUMER)) for manner in MANNERS]
    rows, notes = complete(harness.interleave(cases, effort, rounds))
    shown = f"{size} B" if size < 1024 else f"{size >> 10} KiB" if size < MEBIBYTE else f"{size >> 20} MiB"
    title = f"messages of {shown}, one sender, one receiver, two CPUs"
    return Report("channel", title, "1/s", rows, HYBRID, notes=notes)


def small(effort: Effort) -> list[Report]:
    tiny = stream(64, 200_000, MEBIBYTE, effort, ALL, 3)
    tiny.at_least(2.5, OURS, best(tiny, BLOCKING))
    tiny.at_least(1.0, OURS, best(tiny, SPINNING))
    tiny.at_least(0.5, MANY, HYBRID)
    page = stream(1024, 100_000, MEBIBYTE, effort, ALL, 3)
    page.at_least(1.5, OURS, best(page, LOSSLESS))
    return [tiny, page]


def large(effort: Effort) -> list[Report]:
    ways = (Ours, Pipe, FasterFifo, Cloudtoid, CloudtoidSpinning, Membridge)
    middle = stream(65536, 4000, 4 * MEBIBYTE, effort, ways, 3)
    middle.at_least(0.85, OURS, HYBRID)
    big = stream(MEBIBYTE, 600, 16 * MEBIBYTE, effort, ways, 3)
    big.at_least(0.85, OURS, HYBRID)
    return [middle, big]


def reserve_and_peek(size: int, count: int) -> float:
    """Nanoseconds for a message in place, in one process; nobody touches its bytes."""
    with channel.Queue.anonymous(4 * MEBIBYTE) as queue, queue.sender() as sender, queue.receiver() as receiver:

        def loop(n: int) -> None:
            for _ in repeat(None, n):
                with sender.reserve(size):
                    pass
                with receiver.peek():
                    pass

        return harness.per_operation(loop, count)


def in_place(effort: Effort) -> Report:
    n, names = effort.n(20_000), {size: f"{IN_PLACE} of {shown}" for size, shown in ((64, "64 B"), (MEBIBYTE, "1 MiB"))}
    harness.pin(PRODUCER)
    cases = [Case(name, "ours", partial(reserve_and_peek, size, n)) for size, name in names.items()]
    report = Report(
        "channel", "a message written and read in place", "ns", harness.interleave(cases, effort, 5), names[64]
    )
    report.at_most(1.15, names[MEBIBYTE], names[64])
    return report


def round_trips(effort: Effort) -> list[Report]:
    reports = []
    for cpus in ((PRODUCER, CONSUMER), (PRODUCER, PRODUCER)):
        two = len(set(cpus)) == 2
        n = effort.n(20_000)
        ways = (Ours, Pipe, SimpleQueue, Cloudtoid, CloudtoidSpinning, Membridge)
        cases = [case(cls, round_trip, n, cpus=cpus) for cls in ways if two or cls.blocks]
        cases += [c_ring(m, "round-trip", 64, n, 65536, cpus) for m in MANNERS if two or m != "spin"]
        rows, notes = complete(harness.interleave(cases, effort, 3))
        title = f"64 B to another process and back, {'two CPUs' if two else 'one CPU: nobody can wait awake'}"
        report = Report("channel", title, "us", rows, HYBRID if two else FUTEX, notes=notes)
        report.at_most(*((2.0, OURS, HYBRID) if two else (1.15, OURS, FUTEX)))
        reports.append(report)
    return reports


def many_senders(effort: Effort) -> Report:
    n = effort.n(40_000)
    ways = [way for way in ALL if way is not Membridge and not way.loses]  # membridge: one sender
    cases = [case(cls, several_senders, n, size=64, capacity=MEBIBYTE) for cls in ways]
    rows, notes = complete(harness.interleave(cases, effort, 3))
    report = Report(
        "channel", f"64 B, {SENDERS} senders on one CPU, a receiver on another", "1/s", rows, OURS, notes=notes
    )
    report.at_least(1.3, OURS, best(report, [way for way in LOSSLESS if way is not Membridge]))
    return report


def topics(effort: Effort) -> Report:
    n = effort.n(40_000)
    cases = [case(cls, to_two, n, size=64, capacity=MEBIBYTE) for cls in (TopicWay, Iceoryx2)]
    rows, notes = complete(harness.interleave(cases, effort, 3))
    title = "64 B to two subscribers on one CPU, the publisher on another"
    return Report("channel", title, "1/s", rows, TopicWay.name, notes=notes)


def processor_time(wait: Callable[[float], object], seconds: float) -> float:
    """Percent of a processor that somebody takes who waits and gets nothing."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    gc.collect()
    before = used()
    wait(seconds)
    return (used() - before) / seconds * 100


def idle(effort: Effort) -> Report:
    def wait(seconds: float) -> None:
        with channel.Queue.anonymous() as queue, queue.sender(), queue.receiver() as receiver:
            try:
                receiver.receive(seconds)
            except TimeoutError:
                return
            raise RuntimeError("a message came from nobody")

    def theirs(seconds: float) -> None:
        way = Cloudtoid(64, 1, MEBIBYTE)
        way.receiver()
        check(way.end.receive(seconds), None)  # type: ignore[arg-type]
        way.close()

    seconds = 5 * effort.scale
    cases = [
        Case(OURS, "ours", lambda: processor_time(wait, seconds)),
        Case(Cloudtoid.name, "peer", lambda: processor_time(theirs, seconds)) if Cloudtoid.here() else None,
    ]
    rows = harness.interleave(cases, replace(effort, repetitions=2), 1)
    report = Report("channel", f"processor time of a receiver that waits {seconds:g} s for nothing", "%", rows)
    ours = report.row(OURS)
    report.targets.append(Target("channel: an idle receiver", 0.1, True, ours and max(ours.values), "%"))
    return report


def run(effort: Effort) -> list[Report]:
    return [
        *small(effort),
        *large(effort),
        in_place(effort),
        *round_trips(effort),
        many_senders(effort),
        topics(effort),
        idle(effort),
    ]


if __name__ == "__main__":
    harness.answer(run)
