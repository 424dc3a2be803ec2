"""`ipc ls`, `who`, `why`: what is there, who has it, who waits for whom; as tables, as JSON, with honest statuses."""

from __future__ import annotations

import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
import time

import pytest
from click.testing import CliRunner

from unixipc import Exited, channel, fork, inspector, pipe, posix, sysv
from unixipc.cli.choices import KINDS
from unixipc.cli.columns import MEANINGFUL, fields_of, known_columns
from unixipc.cli.group import ipc
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
    heading, *lines = table.stdout.splitlines()
    assert tuple(heading.split()) == MEANINGFUL["sysv-queue"]
    (line,) = [line for line in lines if f"{int(queue.key):#010x}" in line]
    found = dict(zip(heading.split(), line.split(), strict=True))
    assert (found["short"], found["messages"], found["used_bytes"]) == (f"q{queue.id}", "1", "10")
    assert (found["mode"], found["received_at"], found["last_sender_pid"]) == ("0600", "-", str(os.getpid()))
    line = next(line for line in run("ls").stdout.splitlines() if line.split()[0] == f"q{queue.id}")
    assert line.split()[:3] == [f"q{queue.id}", "sysv-queue", f"{int(queue.key):#010x}"]
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
    assert run("ls", "--orphans").stdout.split()[:6] == ["short", "kind", "name", "owner", "certainty", "why"]
    assert queue.stat().messages == 1


def test_every_kind_is_json(queue):
    rows = json.loads(run("ls", "--json").stdout)
    assert {"kind", "id"} <= set.intersection(*(set(row) for row in rows))


# columns and filters --------------------------------------------------------------------------------------------------


def listed(*words):
    """What `ls` lists, as JSON."""
    done = run("ls", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def segments(own_ipc_namespace):
    """Three, of 1, 8 and 64 KiB, the second attached."""
    made = [sysv.SharedMemory.create(sysv.Key.random(), size << 10) for size in (8, 1, 64)]
    with made[0].attach():
        yield [each.id for each in made]
    for each in made:
        each.remove()
        each.close()


def test_columns_are_the_fields_of_the_rows(segments):
    for kind in inspector.KINDS:
        assert set(MEANINGFUL.get(kind, ())) <= set(known_columns([kind])), kind
        assert all(tuple(row._asdict()) == fields_of(kind) for row in inspector.ls(kind)), kind
    done = run("ls", "sysv-segment", "--columns", "id,size_bytes,attached_by")
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["id", "size_bytes", "attached_by"]
    assert sorted(line.split() for line in lines) == sorted(
        [str(number), str(size), who]
        for number, size, who in zip(segments, (8192, 1024, 65536), (str(os.getpid()), "-", "-"), strict=True)
    )
    assert set(listed("sysv-segment", "--columns", "short,size_bytes")[0]) == {"short", "size_bytes"}
    added = run("ls", "sysv-segment", "--columns", "+id").stdout.split("\n")[0].split()
    assert added == [*MEANINGFUL["sysv-segment"], "id"]
    assert "size_bytes" in run("ls", "sysv-segment", "--columns", "help").stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--columns", "size"), "size_bytes"),
        (("sysv-set", "--columns", "size_bytes"), "semaphores"),
        (("--sort", "turnip"), "used_bytes"),
        (("lock", "--where", "owner_uid=0"), "holders"),
        (("--where", "mode"), "FIELD=VALUE"),
        (("--where", "used_bytes>many"), "64K"),
        (("--user", "no-such-user"), "no-such-user"),
        (("--pid", "0"), "--pid"),
    ],
)
def test_what_is_no_field_is_a_usage_error_that_names_the_fields(words, named):
    done = run("ls", *words)
    assert (done.returncode, done.stdout) == (2, "") and named in done.stderr, done.stderr


def test_where_and_sort(segments):
    def ids(*words):
        return [row["id"] for row in listed("sysv-segment", *words)]

    small, smaller, large = segments
    assert ids("--sort", "size_bytes") == [smaller, small, large]
    assert ids("--sort", "size_bytes", "--reverse") == [large, small, smaller]
    assert ids("--where", "size_bytes>8K") == [large] == ids("--where", "size_bytes=64K")
    assert ids("--where", "size_bytes>=8192", "--where", "size_bytes<64K") == [small]
    assert ids("--where", f"attached_by={os.getpid()}") == [small] == ids("--where", "attached_by>0")
    assert set(ids("--where", "attached_by=")) == {smaller, large} == set(ids("--where", "attached_by!=*"))
    assert set(ids("--where", "mode=0600")) == set(segments) == set(ids("--where", "marked_for_removal=no"))
    key = next(row["key"] for row in listed("sysv-segment") if row["id"] == large)
    assert ids("--where", f"key={key}") == [large] == ids("--where", f"key={int(key, 16)}") == ids("--name", key)
    assert set(ids("--where", "changed_at>2020-01-01")) == set(segments) == set(ids("--where", "detached_at="))


def test_pid_name_waiting(queue, tmp_path):
    path = str(tmp_path / "locked file")
    with FileLock(path), fork(lambda: FileLock(path).acquire()) as child:
        until(lambda: listed("lock", "--waiting", "--name", path))
        (row,) = listed("--name", "locked ?ile", "--where", f"users={os.getpid()}")
        assert (row["kind"], row["path"]) == ("lock", path)
        assert {each["short"] for each in listed("--pid", str(child.pid))} >= {row["short"]}
        assert all(each["id"] != queue.id for each in listed("sysv", "--waiting"))
        (line,) = run("ls", "lock", "--name", path, "--no-headings").stdout.splitlines()
        assert line.split(maxsplit=7)[-1] == path and line.split()[6] == "1"  # a blank in the last column stays
        (line,) = run("ls", "lock", "--name", path, "--columns", "path,waiters", "--no-headings").stdout.splitlines()
        assert line.split() == [path.replace(" ", "\\x20"), "1"]
        child.kill()
        child.wait(timeout=LIMIT_S)


def test_a_pipe_belongs_to_who_has_it():
    reader, writer = pipe()
    with reader, writer:
        inode = os.fstat(reader.fileno()).st_ino
        assert inode in [row["id"] for row in listed("pipe", "--mine")]
        assert inode not in [row["id"] for row in listed("pipe", "--user", "65533")]
        (row,) = [row for row in listed("pipe", "--columns", "id,users") if row["id"] == inode]
        assert [user["pid"] for user in row["users"]] == [os.getpid()]


def in_a_terminal(*words, columns):
    """What a terminal of that width shows."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    with subprocess.Popen([*IPC, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # EIO: the last one has closed it
            pass
        os.close(ours)
        assert process.wait(LIMIT_S) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r", "").splitlines()


def test_a_terminal_gets_human_units_and_lines_that_fit(tmp_path):
    name = "/test-" + "x" * 120 + f"-{os.getpid()}"
    with posix.SharedMemory.create(name, 3 << 20) as memory:
        try:
            heading, line = in_a_terminal("ls", "posix-memory", "--name", name, columns=100)
            assert len(line) <= 100 and "…" in line and "3M" in line.split()
            assert heading.split()[0] == "short" and line.split()[0].startswith("pm")
            (line,) = in_a_terminal("ls", "posix-memory", "--name", name, "--bytes", "--no-headings", columns=300)
            assert name in line and str(3 << 20) in line.split()
            assert str(3 << 20) in run("ls", "posix-memory", "--name", name).stdout.split()
            assert "3M" in run("ls", "posix-memory", "--name", name, "--human").stdout.split()
        finally:
            memory.remove()


# what was hidden ------------------------------------------------------------------------------------------------------


def as_nobody_says(*words):
    """(status, stdout, stderr) of the command in a child that has become nobody."""
    if os.geteuid():
        pytest.skip("only root can become another user")
    reader, writer = pipe()

    def run_there():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        told = CliRunner().invoke(ipc, list(words))
        writer.write_all(json.dumps([told.exit_code, told.stdout, told.stderr]).encode())

    with reader, writer, fork(run_there) as child:
        writer.close()
        text = b"".join(iter(lambda: reader.read(65536, LIMIT_S), b""))
        assert child.wait(timeout=LIMIT_S) == Exited(0)
    return json.loads(text)


def test_nobody_is_told_what_it_may_not_see_and_what_helps():
    status, _out, err = as_nobody_says("ls", "pipe")
    assert status == 0 and err.startswith("ipc: ") and "root" in err and err.endswith("to see all: sudo ipc ls\n")
    assert err.count("\n") == 1


def test_nobody_is_told_nothing_where_nothing_was_hidden(queue):
    for words in (
        ("ls", "sysv-queue"),
        ("ls", "--user", "64999"),
        ("ls", "signals"),
        ("ls", "sysv", "--pid", str(os.getpid())),
    ):
        status, _out, err = as_nobody_says(*words)
        assert (status, "may not be looked into" in err) == (0, words[-2:-1] == ("--pid",)), words


def test_who_tells_nobody_what_could_be_hidden(own_ipc_namespace):
    reader, writer = pipe()

    def keep_it(memory):
        with memory.attach():
            reader.read(1, LIMIT_S)

    with reader, writer, sysv.SharedMemory.create(sysv.Key.random(), 100, mode=0o644) as memory:
        try:
            status, out, err = as_nobody_says("who", f"m{memory.id}")  # nobody has it attached: that is all
            assert (status, out) == (1, "") and "may not be looked into" not in err
            with fork(keep_it, memory) as child:
                until(lambda: memory.stat().attached)
                status, out, err = as_nobody_says("who", f"m{memory.id}")
                assert (status, out) == (1, "")
                assert "may not be looked into: they could be among those who have it" in err
                assert f"to see all: sudo ipc who m{memory.id}" in err
                writer.write_all(b"!")
                assert child.wait(timeout=LIMIT_S) == Exited(0)
        finally:
            memory.remove()


def test_threads_of_the_kernel_are_not_counted_as_hidden():
    status, _out, err = as_nobody_says("why", str(os.getpid()))
    assert status == 0 and err.startswith("ipc: 1 process of root may not be looked into"), err


# who and why ----------------------------------------------------------------------------------------------------------


def test_who_names_who_has_a_channel():
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    with channel.Queue.temporary(name) as made, made.sender():
        table = run("who", f"channel:{name}")
        assert table.returncode == 0, table.stderr
        assert table.stdout.split()[:6] == ["pid", "command", "how", "what", "sure", "more"]
        assert {line.split()[0] for line in table.stdout.splitlines()[1:]} == {str(os.getpid())}
        (short,) = [row["short"] for row in listed("channel") if row["id"] == name]
        lines = [line.split() for line in run("who", short, "--no-headings").stdout.splitlines()]
        assert lines == [line.split() for line in table.stdout.splitlines()[1:]]
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
    for part in ("Examples:", "Exit status:", "--json", "See ipc ", "What could not be seen"):
        assert part in told.output, part
    assert max(map(len, told.output.splitlines())) <= 110
    command = ipc.get_command(None, verb)
    assert all(option in told.output for param in command.params for option in param.opts if option[0] == "-")


# completion -----------------------------------------------------------------------------------------------------------


def offered(line, kind="zsh"):
    """What the completion offers at the end of a line: word -> what it is."""
    words = line.split(" ")
    environment = os.environ | {
        "_IPC_COMPLETE": f"{kind}_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "COMP_TYPE": "63"
    }  # fmt: skip
    code = "import sys\nsys.argv = ['ipc']\nfrom unixipc.cli.main import run\nrun()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.stderr == ""
    lines = done.stdout.split("\n")
    items = zip(lines[::3], lines[1::3], lines[2::3], strict=False)
    return {word: what for of, word, what in items if of == "plain"} if kind == "zsh" else lines


def test_completion_of_things(queue, tmp_path):
    key, short = f"{int(queue.key):#010x}", f"q{queue.id}"
    assert offered("ipc who ")[short] == f"sysv-queue {key}"
    assert offered(f"ipc who {short}") == {short: f"sysv-queue {key}"}
    assert offered(f"ipc who {key[:4]}")[key] == f"sysv-queue {short}"
    assert f"sysv-queue\\:{queue.id}" in offered("ipc who sysv-queue:") or f"sysv-queue:{queue.id}" in offered(
        "ipc who sysv-queue:"
    )
    name = f"test-{os.getpid()}"
    with channel.Queue.temporary(name), posix.Semaphore.create(f"/{name}", 0) as semaphore:
        semaphore_id = inspector.short_ids(inspector.ls("posix-semaphore"))["posix-semaphore", f"/{name}"]
        words = offered(f"ipc who /{name}")
        semaphore.remove()
        assert words == {f"/{name}": f"posix-semaphore {semaphore_id}"}
        assert offered("ipc who test-")[name] == "channel"
    assert not [word for word in offered("ipc who ") if word.startswith("p") and word[1:].isdigit()]  # pipes: too many
    reader, writer = pipe()
    with reader, writer:
        inode = os.fstat(reader.fileno()).st_ino
        assert offered(f"ipc who p{inode}") == {f"p{inode}": f"pipe {inode}"}
        words = offered(f"ipc who {os.getpid()}:")
        assert f"pipe:[{inode}]" in words.values()


def test_completion_of_kinds_columns_and_processes():
    assert offered("ipc ls po") == {"posix": "all of POSIX"} | {k: v for k, v in KINDS.items() if k.startswith("po")}
    assert {"short", "users", "path", "help"} <= set(offered("ipc ls lock --columns "))
    assert "messages" not in offered("ipc ls lock --columns ")
    assert set(offered("ipc ls lock --columns path,hol")) == {"path,holders"}
    assert set(offered("ipc ls lock --sort wait")) == {"waiters"}
    assert str(os.getpid()) in offered(f"ipc why {os.getpid()}") and str(os.getpid()) in offered("ipc ls --pid ")


def test_bash_is_told_what_each_is_when_it_only_shows_them():
    assert "plain,posix  (all of POSIX)" in offered("ipc ls po", "bash")


# short ids, to remove -------------------------------------------------------------------------------------------------


def test_rm_takes_a_short_id(own_ipc_namespace, tmp_path):
    name = f"test-{os.getpid()}"
    made = [
        sysv.MessageQueue.create(sysv.Key.PRIVATE), posix.Semaphore.create(f"/{name}", 0), channel.Queue.create(name)
    ]  # fmt: skip
    kinds = ("sysv-queue", "posix-semaphore", "channel")
    ids = (made[0].id, f"/{name}", name)
    short = [inspector.short_ids(inspector.ls(kind))[kind, number] for kind, number in zip(kinds, ids, strict=True)]
    done = run("rm", "--verbose", *short)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.count("removed ") == 3
    for each in made:
        each.close()
    assert run("rm", short[0]).returncode == 2


def test_rm_of_what_has_no_name_says_who_could_end_it():
    reader, writer = pipe()
    with reader, writer:
        inode = os.fstat(reader.fileno()).st_ino
        done = run("rm", f"p{inode}")
        assert done.returncode == 2 and f"ipc who p{inode}" in done.stderr
