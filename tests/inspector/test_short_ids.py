"""Short ids: unique among what is there, the same at each look, and good for `who`."""

from __future__ import annotations

import os
from itertools import count

import pytest

from unixipc import channel, inspector, map_file, pipe, sysv
from unixipc.inspector import short_ids
from unixipc.inspector.short_ids import HASHED, NUMBERED, SHORTEST, before, meant, whole


class Row:
    """Anything with a kind and an id."""

    def __init__(self, kind, number):
        self.kind, self.id = kind, number


def test_no_two_kinds_can_have_the_same():
    starts = [before(kind) for kind in inspector.KINDS if kind != "signals"]
    assert len(set(starts)) == len(starts)
    for kind in HASHED.keys() & inspector.KINDS.keys():  # no hash of one kind begins like one of another
        assert not any(before(other) != before(kind) and whole((kind, "x")).startswith(f"{before(other)}{letter}")
                       for other in NUMBERED for letter in "0123456789")  # fmt: skip


def test_the_kernels_number_where_there_is_one():
    rows = [Row("sysv-queue", 3), Row("sysv-set", 3), Row("sysv-segment", 17), Row("pipe", 9021), Row("socket", 8)]
    assert set(short_ids(rows).values()) == {"q3", "s3", "m17", "p9021", "u8"}
    assert short_ids(rows)["pipe", 9021] == "p9021"


def test_the_same_at_each_look_and_whatever_else_is_there():
    alone = short_ids([Row("channel", "frames")])["channel", "frames"]
    among = short_ids([Row("channel", f"other-{number}") for number in range(100)] + [Row("channel", "frames")])
    assert among["channel", "frames"].startswith(alone) and len(alone) == 1 + SHORTEST
    assert short_ids([Row("channel", "frames"), Row("channel", "frames")]) == {("channel", "frames"): alone}


def test_ten_thousand_are_all_different():
    rows = [Row("posix-memory", f"/name-{number}") for number in range(10_000)]
    found = short_ids(rows)
    assert len(set(found.values())) == len(rows)
    assert max(map(len, found.values())) > 2 + SHORTEST  # some had to grow
    assert all(meant(short, rows) == {name} for name, short in [*found.items()][:50])


def alike():
    """Two names whose hashes begin with the same characters."""
    seen = {}
    names = (f"name-{number}" for number in count())
    starts = ((whole(("channel", name))[: 1 + SHORTEST], name) for name in names)
    start, second = next(pair for pair in starts if seen.setdefault(*pair) != pair[1])
    return start, seen[start], second


def test_who_begin_alike_grow_and_the_short_one_is_ambiguous():
    start, one, two = alike()
    rows = [Row("channel", one), Row("channel", two)]
    found = short_ids(rows)
    assert all(len(short) > len(start) and short.startswith(start) for short in found.values())
    assert meant(start, rows) == {("channel", one), ("channel", two)}
    assert meant(found["channel", one], rows) == {("channel", one)} == meant(whole(("channel", one)), rows)
    with channel.Queue.create(one) as first, channel.Queue.create(two) as second:
        try:
            with pytest.raises(ValueError, match=r"could be channel:name-[0-9]+ or channel:name-[0-9]+: write one of"):
                inspector.who(start)
            with first.sender():
                assert {edge.id for edge in inspector.who(found["channel", one])} == {one}
        finally:
            first.remove()
            second.remove()


def test_an_unknown_kind_has_its_name_in_front():
    assert short_ids([Row("turnip", "a")])["turnip", "a"].startswith("turnip-")


@pytest.mark.usefixtures("own_ipc_namespace")
def test_who_takes_them(tmp_path):
    path = tmp_path / "mapped"
    path.write_bytes(bytes(4096))
    reader, writer = pipe()
    with reader, writer, map_file(path), sysv.SharedMemory.temporary(100) as memory, memory.attach():
        mine = {"pipe": os.fstat(reader.fileno()).st_ino, "sysv-segment": memory.id}
        rows = [
            row
            for row in [*inspector.ls(), *inspector.ls("mapping")]
            if row.kind == "mapping" or row.id in mine.values()
        ]
        found = short_ids(rows)
        for kind, number in mine.items():
            edges = inspector.who(found[kind, number])
            assert {(edge.kind, edge.id) for edge in edges} == {(kind, number)} and os.getpid() in [
                e.pid for e in edges
            ]
            assert inspector.who(found[kind, number].upper()) == edges
        (mapping,) = [row for row in rows if row.kind == "mapping" and row.path == str(path)]
        assert os.getpid() in [edge.pid for edge in inspector.who(found["mapping", mapping.id])]


@pytest.mark.usefixtures("own_ipc_namespace")
def test_a_name_that_is_a_short_id_too_is_ambiguous():
    with sysv.SemaphoreSet.temporary([0]) as semaphores, channel.Queue.create(f"s{semaphores.id}") as queue:
        try:
            with pytest.raises(ValueError, match=rf"could be channel:s{semaphores.id} or sysv-set:{semaphores.id}"):
                inspector.who(f"s{semaphores.id}")
            assert {edge.kind for edge in inspector.who(f"channel:s{semaphores.id}")} == {"channel"}
        finally:
            queue.remove()


def test_nothing_is_called_so():
    with pytest.raises(FileNotFoundError):
        inspector.who("q999999999")
    assert inspector.short_ids([]) == {}
