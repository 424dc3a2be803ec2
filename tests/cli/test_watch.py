"""`ipc watch` in a real terminal: what is planted appears, changes, is filtered and followed; however it ends, the
terminal is as before. And a line of JSON a look, for scripts."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from unixipc import channel, fork, pipe, sysv
from unixipc.locks import FileLock

from .terminal import Terminal

IPC = (sys.executable, "-m", "unixipc.cli")
LIMIT_S = 60
WIDE = {"columns": 130, "lines": 36}


@pytest.fixture
def watch():
    """Starts the command in a terminal; whatever happens, it ends with the test."""
    started = []

    def start(*words, first="every", **options):
        terminal = Terminal([*IPC, "watch", *map(str, words)], **options)
        started.append(terminal)
        if first:
            terminal.shows(first)
        return terminal

    yield start
    for each in started:
        each.__exit__()


@pytest.fixture
def queue(own_ipc_namespace):
    with sysv.MessageQueue.create(sysv.Key.random()) as made:
        yield made
        made.remove()


@pytest.fixture
def busy(name, children):
    """A channel with a sender and a receiver that are at work: their children."""
    with channel.Queue.create(name) as made:

        def send():
            with made.sender() as sender:
                while True:
                    sender.send(b"frame")
                    time.sleep(0.005)

        def receive():
            with made.receiver() as receiver:
                for _ in receiver:
                    pass

        yield children.start(send), children.start(receive)
        for child in children:
            child.kill()
            child.wait(LIMIT_S)
        made.remove()


def key_of(made):
    return f"{int(made.key):#010x}"


def cells(terminal, name):
    """The numbers behind a name."""
    line = terminal.line(name)
    return line.partition(name)[2].split() if name in line else []


def is_bold(terminal, name, value):
    """Whether the cell in the line of that name is bold."""
    for y, line in enumerate(terminal.screen.display):
        if name in line and (found := re.search(rf"(?<=\s){value}(?=\s)", line)):
            return terminal.screen.buffer[y][found.start()].bold
    return False


# what is there --------------------------------------------------------------------------------------------------------


def test_a_channel_with_a_sender_shows_its_rate(watch, name, busy):
    terminal = watch("channel", "--interval", "0.3", **WIDE)
    # owner, depth, ±/s, in/s, out/s, lost, bytes ...
    terminal.until(lambda: len(found := cells(terminal, name)) > 5 and float(found[3]) > 0 and float(found[4]) > 0)
    terminal.shows(f"writes    {busy[0].pid}", f"reads     {busy[1].pid}")


def test_a_queue_appears_grows_and_goes(watch, own_ipc_namespace):
    terminal = watch("sysv-queue", "--interval", "0.3", **WIDE)
    with sysv.MessageQueue.create(sysv.Key.random()) as made:
        try:
            made.send(b"x")
            terminal.until(lambda: "1" in cells(terminal, key_of(made)))
            for _ in range(41):
                made.send(b"x")
            terminal.until(lambda: is_bold(terminal, key_of(made), "42"), "the new depth was not marked")
            terminal.until(lambda: "0" in cells(terminal, key_of(made)), "the rate did not come down")
            terminal.until(lambda: not is_bold(terminal, key_of(made), "42"), "an old depth is marked")
        finally:
            made.remove()
    terminal.until(lambda: key_of(made) not in terminal.text)


def test_who_waits_for_a_lock_and_who_could_end_that(watch, children, tmp_path):
    path = str(tmp_path / "lock")
    with FileLock(path):
        child = children.start(lambda: FileLock(path).acquire())
        terminal = watch("lock", "--interval", "0.3", "--pid", child.pid, **WIDE)
        terminal.press("2")
        terminal.until(lambda: f"{os.getpid()} " in terminal.line(f" {child.pid} ") and "lock" in terminal.text)
        terminal.until(lambda: re.search(r"[1-9]\d* s\s", terminal.line(f" {child.pid} ")), "it is seen for no time")
    child.wait(LIMIT_S)
    terminal.until(lambda: not terminal.line(f" {child.pid} "))


def test_a_deadlock_is_on_top_and_named(watch, children):
    (a, to_a), (b, to_b) = pipe(), pipe()

    def talk(reads, *closes):
        for end in closes:
            end.close()
        reads.read(1)

    pair = children.start(talk, a, to_a, b), children.start(talk, b, to_b, a)
    for end in (a, to_a, b, to_b):
        end.close()
    terminal = watch("--interval", "0.5", "pipe", **WIDE)
    terminal.until(lambda: "DEADLOCK" in terminal.text)
    terminal.press("2")
    rows = terminal.until(lambda: [line for line in terminal.screen.display[2:] if line.startswith("deadlock")])
    assert rows == terminal.screen.display[2 : 2 + len(rows)]  # above all other waits
    told = "\n".join(rows)
    assert all(f" {child.pid} " in told for child in pair), told
    y = 3 if len(rows) > 1 else 2  # the one that is not under the cursor
    assert terminal.screen.buffer[y][0].bold and terminal.screen.buffer[y][0].fg not in ("default", "ffffff")


def test_an_orphan_segment_says_how_sure_and_why(watch, own_ipc_namespace):
    key = sysv.Key.random()
    with fork(lambda: sysv.SharedMemory.create(key, 4096)) as child:
        child.wait(LIMIT_S)
    try:
        terminal = watch("sysv", "--interval", "0.5", **WIDE)
        terminal.press("3")
        terminal.shows("certain")
        name = f"{int(key):#010x}"
        line = terminal.until(lambda: terminal.line(name))
        assert line.startswith("likely") and "nobody has it attached" in line
        terminal.shows(f"creator {child.pid} has")
    finally:
        sysv.SharedMemory.open(key).remove()


# keys -----------------------------------------------------------------------------------------------------------------


def test_a_filter_leaves_out_the_rest_and_escape_drops_it(watch, queue, own_ipc_namespace):
    with sysv.MessageQueue.create(sysv.Key.random()) as other:
        try:
            terminal = watch("sysv-queue", "--interval", "0.5")
            terminal.shows(key_of(queue), key_of(other))
            terminal.press(f"/{key_of(queue)[2:]}")
            terminal.until(lambda: key_of(queue) in terminal.text and key_of(other) not in terminal.text)
            terminal.press("enter")
            terminal.shows("only with")
            terminal.shows("q quit")  # the keys are the sheet's again
            terminal.press("escape")
            terminal.shows(key_of(queue), key_of(other))
            terminal.until(lambda: "only with" not in terminal.text)
        finally:
            other.remove()


def test_kinds_are_chosen_from_those_that_are_there(watch, queue, name):
    with channel.Queue.temporary(name):
        terminal = watch("channel", "sysv-queue", "--interval", "0.5")
        terminal.shows(name[:10], key_of(queue))
        terminal.press("k")
        terminal.shows("[ ] channel", "[ ] sysv-queue")
        terminal.press("down", " ")
        terminal.shows("[x] sysv-queue")
        terminal.press("enter")
        terminal.until(lambda: "only sysv-queue" in terminal.text and name[:10] not in terminal.text)
        assert key_of(queue) in terminal.text


def test_enter_follows_to_a_process_and_escape_comes_back(watch, tmp_path):
    path = str(tmp_path / "held")
    with FileLock(path):
        terminal = watch("lock", "--interval", "0.5", "--pid", os.getpid(), **WIDE)
        terminal.press("/", "held", "enter")
        terminal.until(lambda: "held" in terminal.screen.display[2] and "q quit" in terminal.text)
        terminal.shows(f"holds     {os.getpid()}")
        terminal.press("enter")
        terminal.shows("Enter follows")
        terminal.press("enter")
        terminal.until(lambda: "command line" in terminal.screen.display[1])  # the sheet of processes
        terminal.until(lambda: f"pid          {os.getpid()}" in terminal.text, "the process is not the chosen one")
        terminal.until(lambda: "holds" in terminal.line("lock /"))
        terminal.press("escape")
        terminal.until(lambda: "depth" in terminal.screen.display[1])
        terminal.until(lambda: "/held " in terminal.text)


def test_paused_is_paused_until_r_or_p(watch, queue):
    terminal = watch("sysv-queue", "--interval", "0.2", **WIDE)
    terminal.shows(key_of(queue))
    terminal.press("p")
    terminal.shows("PAUSED")
    queue.send(b"unseen")
    terminal.pump(1.0)  # five looks, were there any
    assert cells(terminal, key_of(queue))[1] == "0"
    terminal.press("r")
    terminal.until(lambda: cells(terminal, key_of(queue))[1] == "1")
    queue.send(b"unseen")
    terminal.press("p")
    terminal.until(lambda: cells(terminal, key_of(queue))[1] == "2")
    assert "PAUSED" not in terminal.text


def test_the_pace_the_order_and_the_help(watch, queue, own_ipc_namespace):
    with sysv.MessageQueue.create(sysv.Key.random()) as other:
        try:
            queue.send(b"1")
            terminal = watch("sysv-queue", "--interval", "30")
            terminal.shows("every 30 s", key_of(queue), key_of(other))
            terminal.press("-")
            terminal.shows("every 60 s")
            terminal.press("+", "+")
            terminal.shows("every 10 s")
            terminal.press("s", "s", "s")
            terminal.shows("▼depth")
            assert terminal.text.index(key_of(queue)) < terminal.text.index(key_of(other))
            terminal.press("S")
            terminal.shows("▲depth")
            assert terminal.text.index(key_of(queue)) > terminal.text.index(key_of(other))
            terminal.press("?")
            terminal.shows("Columns of the objects")
            terminal.press("escape")
            terminal.until(lambda: "Columns of the objects" not in terminal.text and "▲depth" in terminal.text)
        finally:
            other.remove()


def test_tab_goes_round(watch):
    terminal = watch("sysv", "--interval", "5", **WIDE)
    for heading in ("until one of these", "certain", "command line", "depth"):
        terminal.press("tab")
        terminal.until(lambda heading=heading: heading in terminal.screen.display[1])
    terminal.press("shift+tab")
    terminal.until(lambda: "command line" in terminal.screen.display[1])


# the terminal ---------------------------------------------------------------------------------------------------------


def is_as_before(terminal, before):
    """stty says the same; the usual screen, a cursor, no mouse, lines that wrap."""
    assert terminal.attributes() == before
    raw = terminal.raw
    for on, off in ((b"?1049h", b"?1049l"), (b"?25l", b"?25h"), (b"?1003h", b"?1003l"), (b"?2004h", b"?2004l"),
                    (b"?7l", b"?7h"), (b"?1004h", b"?1004l"), (b"\x1b[>", b"\x1b[<u")):  # fmt: skip
        assert raw.rfind(on) < raw.rfind(off) or on not in raw, (on, raw[-300:])


@pytest.mark.parametrize(
    ("how", "status"),
    [("q", 0), ("ctrl+c", 130), (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_however_it_ends_the_terminal_is_as_before(watch, how, status):
    terminal = watch("sysv", first="")
    before = terminal.attributes()
    terminal.shows("every")
    assert terminal.attributes() != before and b"?1049h" in terminal.raw
    if isinstance(how, str):
        terminal.press(how)
    else:
        os.kill(terminal.pid, how)
    assert terminal.ended() == status
    is_as_before(terminal, before)


def test_q_ends_it_while_something_is_asked(watch):
    terminal = watch("sysv", first="")
    before = terminal.attributes()
    terminal.shows("every")
    terminal.press("/")
    terminal.shows("only lines with")
    terminal.press("ctrl+c")
    assert terminal.ended() == 130
    is_as_before(terminal, before)


@pytest.mark.parametrize("at", [each * 0.08 for each in range(12)])
def test_asked_to_end_while_it_begins_it_leaves_nothing_behind(watch, at):
    terminal = watch("sysv", first="")
    before = terminal.attributes()
    terminal.pump(at)
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.ended() in (143, -signal.SIGTERM)  # the latter before there is anything that could handle it
    is_as_before(terminal, before)


def test_it_ends_with_its_terminal(watch):
    terminal = watch("sysv")
    os.close(terminal.master)  # the window is closed: the kernel sends SIGHUP, and every write fails
    terminal.master = -1
    deadline = time.monotonic() + LIMIT_S
    while (found := os.waitpid(terminal.pid, os.WNOHANG))[0] == 0:
        assert time.monotonic() < deadline, "it goes on without a terminal"
        time.sleep(0.01)
    terminal.status = os.waitstatus_to_exitcode(found[1])
    assert terminal.status == 129


def test_stopped_and_continued_it_draws_again(watch, queue):
    terminal = watch("sysv-queue", "--interval", "0.3", first="")
    before = terminal.attributes()
    terminal.shows(key_of(queue))
    terminal.press("ctrl+z")
    terminal.until(lambda: os.waitid(os.P_PID, terminal.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
    assert terminal.attributes() == before
    terminal.screen.reset()
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.shows(key_of(queue), "quit")
    terminal.press("q")
    assert terminal.ended() == 0
    is_as_before(terminal, before)


def test_it_follows_the_size_of_the_window(watch, queue):
    terminal = watch("sysv-queue", "--interval", "0.5")
    assert "owner" not in terminal.screen.display[1] and "help" in terminal.screen.display[-1]
    for columns, lines, heading in ((140, 40, "owner"), (60, 12, "depth"), (20, 5, "kind"), (100, 30, "bytes")):
        terminal.resized(columns, lines)
        terminal.until(lambda heading=heading: heading in terminal.screen.display[1])
        assert len(terminal.screen.display) == lines
    terminal.shows(key_of(queue), "help")


def test_without_colours_everything_is_said(watch, queue):
    terminal = watch("sysv-queue", "--interval", "0.3", env=os.environ | {"NO_COLOR": "1"}, **WIDE)
    terminal.shows(key_of(queue))
    queue.send(b"x")
    terminal.until(lambda: is_bold(terminal, key_of(queue), "1"))
    colours = re.findall(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m", terminal.raw)
    assert not colours
    row = next(y for y, line in enumerate(terminal.screen.display) if key_of(queue) in line)
    assert terminal.screen.buffer[row][0].reverse  # where the cursor is


def test_names_are_no_commands_to_the_terminal(watch, tmp_path):
    evil = "[bold red]evil[!] \x1b]0;owned\x07\x1b[2J\u202e"
    with FileLock(str(tmp_path / evil)):
        terminal = watch("lock", "--pid", os.getpid(), columns=200, lines=30)
        terminal.press("/", "evil", "enter")
        terminal.shows("[bold red]evil[!] \ufffd]0;owned\ufffd", "q quit")
        terminal.press("enter")
        terminal.shows("Enter follows")
        terminal.press("enter")
        terminal.until(lambda: "command line" in terminal.screen.display[1])
        assert b"]0;owned\x07" not in terminal.raw and "\u202e".encode() not in terminal.raw


def test_without_a_terminal_it_says_what_to_do_instead():
    done = subprocess.run([*IPC, "watch"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ipc: ") and "ipc ls" in done.stderr and done.stderr.count("\n") == 1


def test_a_terminal_that_cannot_is_told_so(watch):
    terminal = watch(first="", env=os.environ | {"TERM": "dumb"})
    assert terminal.ended() == 1
    assert b"TERM" in terminal.raw and b"\x1b" not in terminal.raw


def test_without_textual_the_error_has_the_line_for_pip():
    code = (
        "import sys; sys.modules['textual'] = None\n"
        "sys.argv = ['ipc', 'watch']\nfrom unixipc.cli.main import run\nrun()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 2 and 'pip install "unixipc[cli]"' in done.stderr


# JSON -----------------------------------------------------------------------------------------------------------------


def looks(*words):
    done = subprocess.run([*IPC, "watch", "--json", *map(str, words)], capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_json_is_a_line_a_look_with_rates_from_the_second_on(name, busy):
    found = looks("channel", "--count", 3, "--interval", "0.3")
    assert len(found) == 3
    rows = [next(row for row in look["objects"] if row["id"] == name) for look in found]
    assert rows[0]["since"]["entered_s"] is None
    assert rows[-1]["since"]["entered_s"] > 0 and rows[-1]["since"]["left_s"] > 0
    assert "sent" in rows[-1]["since"]["changed"] and not rows[-1]["since"]["is_new"]
    assert found[0]["at"] < found[1]["at"] < found[2]["at"] and found[0]["took_s"] > 0
    assert found[0]["processes"][str(busy[0].pid)]
    assert {(edge["pid"], edge["how"]) for edge in found[0]["edges"]} >= {(busy[0].pid, "writes")}


def test_json_of_a_process_has_its_neighbourhood_alone(queue, tmp_path, children):
    path = str(tmp_path / "lock")
    with FileLock(path):
        child = children.start(lambda: FileLock(path).acquire())

        def waits():
            (look,) = looks("--count", 1, "--pid", child.pid, "sysv", "lock")
            return look if look["waits"] else None

        deadline = time.monotonic() + LIMIT_S
        while not (look := waits()):
            assert time.monotonic() < deadline
        assert {row["path"] for row in look["objects"]} == {path}
        assert {wait["pid"] for wait in look["waits"]} == {child.pid} and look["waits"][0]["for_s"] == 0
        assert {os.getpid(), child.pid} <= set(map(int, look["processes"]))
    child.wait(LIMIT_S)


def test_mine_is_what_i_own_or_have(queue, as_nobody, tmp_path):
    everything = looks("--count", 1, "--mine", "sysv-queue", "pipe")[0]["objects"]
    assert queue.id in [row["id"] for row in everything if row["kind"] == "sysv-queue"]
    read, write = os.pipe()
    try:
        here = os.fstat(read).st_ino

        def look():
            from unixipc.cli.screen.looking import Looks, Wanted

            rows = Looks(Wanted(("sysv-queue", "pipe"), True)).take().objects
            assert queue.id not in [row.id for row in rows if row.kind == "sysv-queue"]
            assert here in [row.id for row in rows if row.kind == "pipe"]

        as_nobody(look)
    finally:
        os.close(read)
        os.close(write)


def test_json_ends_with_its_reader_and_with_ctrl_c(shell):
    assert shell.run("ipc watch --json sysv --interval 0.1 | head -n 2 | wc -l").stdout.strip() == "2"
    with shell.started("watch", "--json", "sysv", "--interval", "0.1") as running:
        assert running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert running.wait(LIMIT_S) == 130
        running.stdout.close()
        running.stderr.close()


@pytest.mark.parametrize("words", [("--count", "2"), ("turnip",), ("--interval", "0"), ("--pid", "0")])
def test_what_is_not_understood_is_status_2(words):
    done = subprocess.run([*IPC, "watch", *words], capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 2 and "Usage" in done.stderr


def test_a_look_at_who_may_not_be_looked_at_says_so(as_nobody, queue):
    def look():
        from unixipc.cli.screen.looking import Looks, Wanted

        assert os.getppid() in Looks(Wanted()).take().hidden

    as_nobody(look)


def test_nothing_is_locked_or_held_by_looking(queue, name, tmp_path):
    """The watcher is a guest: no member of a channel, no holder of a lock."""
    with channel.Queue.temporary(name) as made, made.sender():
        found = looks("--count", 2, "--interval", "0.1", "channel")[-1]
        row = next(row for row in found["objects"] if row["id"] == name)
        assert row["senders"] == [os.getpid()] and row["receivers"] == []
    path = tmp_path / "free"
    path.touch()
    looks("--count", 1, "lock")
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
