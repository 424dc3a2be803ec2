"""`ipc ipcs` and `ipc ipcrm`: what util-linux's programs say of the same objects, character for character."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from stat import filemode

import pytest

from unixipc import sysv

LIMIT_S = 60
pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


def why_not_comparable(program: str) -> str | None:
    """Why the real program's output cannot be taken as the measure; None if it can."""
    if shutil.which(program) is None:
        return f"{program} of util-linux is not installed"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return None if "util-linux" in version else f"{program} is not the one of util-linux: {version.strip()!r}"


def real(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The real program's word on it."""
    reason = why_not_comparable(program)
    if reason:
        pytest.skip(reason)
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.fixture
def objects():
    """Of every kind, used and unused, with odd sizes."""
    queue = sysv.MessageQueue.create(0x123, 0o640)
    for length in (1500, 300):
        queue.send(b"x" * length)
    queue.receive()
    made = [queue, sysv.MessageQueue.create(sysv.Key.PRIVATE), sysv.SemaphoreSet.create(0x55, [3, 0, 5])]
    made[2].op((0, -1))
    made += [sysv.SharedMemory.create(sysv.Key.PRIVATE, size, 0o666) for size in (1, 1023, 1984, 100_000, 3_150_728)]
    memory = sysv.SharedMemory.create(0x777, 5000)
    try:
        with memory.attach():
            yield [*made, memory]
    finally:
        for each in (*made, memory):
            each.remove()


VIEWS = [
    "", "-q", "-m", "-s", "-a", "-t", "-p", "-c", "-l", "-u", "-q -t", "-m -c", "-m -p", "-s -t", "-s -p", "-qs",
    "--human", "-b", "-l --human", "-l -b", "-u --human", "-u -b", "-q -l", "-t -u", "--queues --time",
    "--shmems --creator",
]  # fmt: skip


@pytest.mark.parametrize("options", VIEWS)
def test_N01_N02_lists_are_those_of_ipcs(shell, objects, options):
    expected = real("ipcs", *options.split())
    done = shell.ipc("ipcs", *options.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == expected.stdout


@pytest.mark.parametrize("unit", ["", "--human"])
def test_N02_details_are_those_of_ipcs(shell, objects, unit):
    for option, which in (("-q", 0), ("-q", 1), ("-s", 2), ("-m", 3), ("-m", 8)):
        words = [option, "-i", str(objects[which].id), *unit.split()]
        assert shell.ipc("ipcs", *words).stdout == real("ipcs", *words).stdout
    done = shell.ipc("ipcs", "-m", "-i", "12345")
    assert (done.returncode, done.stderr) == (1, "ipc ipcs: id 12345 not found\n")
    assert real("ipcs", "-m", "-i", "12345").stderr == "ipcs: id 12345 not found\n"
    assert shell.ipc("ipcs", "-a", "-i", "0").returncode == 2


def test_N01_json_says_what_lsipc_says_field_for_field(shell, objects):
    ours = json.loads(shell.ipc("ipcs", "--json").stdout)
    pairs = {
        "-q": ("messages", "queues", {"usedbytes": "used_bytes", "msgs": "messages", "lspid": "last_sender_pid",
                                      "lrpid": "last_receiver_pid"}),
        "-m": ("sharedmemory", "segments", {"size": "size_bytes", "nattch": "attached", "cpid": "creator_pid",
                                            "lpid": "last_pid"}),
        "-s": ("semaphores", "sets", {"nsems": "semaphores"}),
    }  # fmt: skip
    for option, (theirs, mine, fields) in pairs.items():
        done = real("lsipc", "-J", "--bytes", option)
        if done.returncode:
            pytest.skip(f"this lsipc does not know the options: {done.stderr}")
        expected = json.loads(done.stdout)[theirs]
        assert len(expected) == len(ours[mine]) > 0
        for row, seen in zip(expected, ours[mine], strict=True):
            assert (row["key"], int(row["id"]), row["owner"]) == (seen["key"], seen["id"], seen["owner"])
            assert row["perms"] == filemode(0o100000 | int(seen["mode"], 8))[1:]
            for name, our_name in fields.items():
                assert int(re.sub("B$", "", str(row[name]))) == seen[our_name], name


def test_json_of_limits_usage_and_one_set(shell, objects):
    limits = json.loads(shell.ipc("ipcs", "-l", "--json").stdout)
    assert limits["queues"] == sysv.limits().queues
    assert json.loads(shell.ipc("ipcs", "-u", "--json").stdout)["segments"] == 6
    one = json.loads(shell.ipc("ipcs", "-s", "-i", str(objects[2].id), "--json").stdout)
    assert [each["value"] for each in one["values"]] == [2, 0, 5]


# ----------------------------------------------------------------------------------------------------------- ipcrm


def make_six() -> list[tuple[str, int]]:
    """(kind, id): two of each kind, with keys 1 and 2."""
    made = []
    for key in (1, 2):
        made.append(("queue", sysv.MessageQueue.create(key).id))
        made.append(("segment", sysv.SharedMemory.create(key, 1).id))
        made.append(("set", sysv.SemaphoreSet.create(key, [1]).id))
    return made


def left() -> list[tuple[str, int]]:
    """(kind, key) of what is there."""
    tables = (("queue", sysv.queues), ("segment", sysv.segments), ("set", sysv.semaphore_sets))
    return [(kind, int(each.permissions.key)) for kind, table in tables for each in table()]


@pytest.fixture
def clean():
    """Whatever fails, the namespace is empty again."""
    yield
    for table, cls in ((sysv.queues, sysv.MessageQueue), (sysv.segments, sysv.SharedMemory),
                       (sysv.semaphore_sets, sysv.SemaphoreSet)):  # fmt: skip
        for each in table():
            cls(each.id).remove()


COMMANDS = [
    "-Q 1", "-M 0x2", "-S 01 -S 002", "-Q 1 -M 1 -S 2", "-Q 9", "-q 99999 -Q 1", "-m xyz -M 1", "-Q 0x0", "-M zz",
    "--all=msg", "--all=shm", "-asem", "-a", "msg 99999", "-v -Q 1",
]  # fmt: skip


@pytest.mark.parametrize("options", COMMANDS)
def test_N03_ipcrm_removes_and_says_what_ipcrm_does(shell, clean, options):
    make_six()
    expected = real("ipcrm", *options.split())
    remaining = left()
    shell.ipc("ipcrm", "-a")
    make_six()
    done = shell.ipc("ipcrm", *options.split())
    assert left() == remaining
    assert bool(done.returncode) == bool(expected.returncode)
    said = [line.removeprefix("ipc ") for line in done.stderr.splitlines()]
    if "Usage" not in done.stderr:  # what is no option at all is click's to say
        assert sorted(said) == sorted(expected.stderr.splitlines())


@pytest.mark.parametrize(("word", "kind"), [("msg", "queue"), ("shm", "segment"), ("sem", "set")])
def test_N03_the_old_spelling(shell, clean, word, kind):
    ids = [str(number) for each, number in make_six() if each == kind]
    done = shell.ipc("ipcrm", word, *ids)
    assert (done.returncode, done.stdout) == (0, "resource(s) deleted\n")
    assert kind not in dict(left()) and len(left()) == 4
    assert shell.ipc("ipcrm", word).returncode == shell.ipc("ipcrm", "thing", "1").returncode == 2
    assert shell.ipc("ipcrm", word, *ids).returncode == 1


def test_ipcrm_json_tells_of_each(shell, clean):
    make_six()
    done = shell.ipc("ipcrm", "--json", "-Q", "1", "-M", "7")
    assert done.returncode == 1
    assert json.loads(done.stdout) == [
        {"kind": "queue", "key": "1", "removed": True, "error": None},
        {"kind": "segment", "key": "7", "removed": False, "error": "invalid key (7)"},
    ]
