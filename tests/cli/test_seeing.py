"""`ipc ls`, `who`, `why`: what is there, who has it, who waits for whom; as tables, as JSON, with honest statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from unixipc import channel, fork, inspector, pipe, sysv
from unixipc.cli.group import ipc
from unixipc.cli.ls import KINDS
from unixipc.locks import FileLock

IPC = (sys.executable, "-m", "unixipc.cli")
LIMIT_S = 60


def run(*words):
    return subprocess.run([*IPC, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False)


def until(condition):
    deadline = time.monotonic() + 20
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


@pytest.fixture
def queue(own_ipc_namespace):
    with sysv.MessageQueue.create(sysv.Key.random()) as made:
        yield made
        made.remove()


def test_kinds_are_the_inspectors():
    assert tuple(KINDS) == tuple(inspector.KINDS)


def test_ls_lists_an_object_in_a_table_and_as_json(queue):
    queue.send(b"x" * 10)
    table = run("ls", "sysv-queue")
    assert (table.returncode, table.stderr) == (0, "")
    line = next(line for line in table.stdout.splitlines() if f"{int(queue.key):#010x}" in line)
    assert line.split()[:2] == ["sysv-queue", str(queue.id)]
    assert "messages=1" in line and "used_bytes=10" in line
    rows = json.loads(run("ls", "sysv", "--json").stdout)
    row = next(row for row in rows if row["kind"] == "sysv-queue" and row["id"] == queue.id)
    assert (row["messages"], row["key"], row["owner_uid"]) == (1, f"{int(queue.key):#010x}", os.getuid())


def test_ls_mine_and_a_kind_that_does_not_exist(queue):
    rows = json.loads(run("ls", "sysv-queue", "--mine", "--json").stdout)
    assert queue.id in [row["id"] for row in rows]
    assert {row["owner_uid"] for row in rows} == {os.getuid()}
    done = run("ls", "turnip")
    assert done.returncode == 2 and "turnip" in done.stderr


def test_ls_orphans_says_why_and_removes_nothing(queue):
    with fork(lambda: queue.send(b"left")) as child:
        child.wait(timeout=LIMIT_S)
    rows = json.loads(run("ls", "--orphans", "sysv-queue", "--json").stdout)
    row = next(row for row in rows if row["id"] == queue.id)
    assert "has ended" in row["why"] and row["certainty"] in ("likely", "possible")
    assert "how sure" in run("ls", "--orphans").stdout
    assert queue.stat().messages == 1


def test_every_kind_is_json(queue):
    rows = json.loads(run("ls", "--json").stdout)
    assert {"kind", "id"} <= set.intersection(*(set(row) for row in rows))


def test_who_names_who_has_a_channel():
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    with channel.Queue.temporary(name) as made, made.sender():
        table = run("who", f"channel:{name}")
        assert table.returncode == 0, table.stderr
        assert str(os.getpid()) in table.stdout
        edges = json.loads(run("who", name, "--json").stdout)
        assert {edge["pid"] for edge in edges} == {os.getpid()}
        assert all(edge["kind"] == "channel" for edge in edges)


def test_who_of_nothing_is_status_1(tmp_path):
    done = run("who", "/nowhere/at/all")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("ipc: ") and done.stderr.count("\n") <= 3
    alone = tmp_path / "alone"
    alone.touch()
    done = run("who", str(alone))
    assert done.returncode == 1 and "nobody" in done.stderr


def test_why_tells_who_could_end_a_wait(tmp_path):
    path = str(tmp_path / "lock")
    with FileLock(path) as mine:
        with fork(lambda: FileLock(path).acquire()) as child:
            said = until(lambda: "lock" in (told := run("why", str(child.pid))).stdout and told)
            assert str(os.getpid()) in said.stdout
            waits = json.loads(run("why", str(child.pid), "--json").stdout)["waits"]
            assert any(ender["pid"] == os.getpid() for wait in waits for ender in wait["enders"])
            child.kill()
            child.wait(timeout=LIMIT_S)
        assert mine.held


def test_why_finds_a_circle_with_status_1():
    (a, to_a), (b, to_b) = pipe(), pipe()

    def first():
        to_a.close(), b.close()
        a.read(1)
        to_b.write_all(b"x")

    def second():
        to_b.close(), a.close()
        b.read(1)
        to_a.write_all(b"x")

    with fork(first) as one, fork(second) as two:
        for end in (a, to_a, b, to_b):
            end.close()
        told = until(lambda: (done := run("why")).returncode == 1 and "deadlock" in done.stdout and done)
        assert str(one.pid) in told.stdout and str(two.pid) in told.stdout
        cycles = until(lambda: json.loads(run("why", "--json").stdout)["cycles"])
        assert {one.pid, two.pid} in [set(cycle["pids"]) for cycle in cycles]
        for child in (one, two):
            child.kill()
            child.wait(timeout=LIMIT_S)


def test_why_of_nobody():
    done = run("why", "999999999")
    assert done.returncode == 1 and "999999999" in done.stderr


@pytest.mark.parametrize("verb", ["ls", "who", "why"])
def test_the_help_says_what_how_and_with_which_status(verb):
    told = CliRunner().invoke(ipc, [verb, "--help"])
    assert told.exit_code == 0
    assert "Examples:" in told.output and "Exit status:" in told.output and "--json" in told.output
