"""`ipc send` and `ipc recv`: real pipelines over every mechanism, how they end, and what they leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from unixipc import Fifo, channel, fork, posix, sysv

LIMIT_S = 60


def test_a_million_lines_go_through_a_channel_and_both_sides_end_by_themselves(shell, name):
    done = shell.run(
        f"seq 1000000 | ipc send channel:{name} & ipc recv channel:{name} | tail -1; wait $! && echo ended"
    )
    assert (done.stdout, done.stderr) == ("1000000\nended\n", "")
    assert not os.path.exists(f"/dev/shm/unixipc.channel.{name}")


@pytest.mark.parametrize("which_first", ["send", "recv"])
@pytest.mark.parametrize("words", ["", "one", "one two three"])
def test_whoever_comes_first_nothing_is_lost_and_nothing_stays(shell, name, which_first, words):
    text = "".join(f"{word}\n" for word in words.split())
    send, recv = f"printf '{text}' | ipc send channel:{name}", f"ipc recv channel:{name}"
    if which_first == "send":
        done = shell.run(f"{send} && {recv}")
    else:
        wait = f"until [ -e /dev/shm/unixipc.channel.{name} ]; do :; done"
        done = shell.run(f"{recv} & {wait}; {send} && wait $!")
    assert (done.returncode, done.stdout, done.stderr) == (0, text, "")
    assert not os.path.exists(f"/dev/shm/unixipc.channel.{name}")


def test_several_receivers_share_and_none_gets_what_another_has(shell, name):
    recv = f"ipc recv channel:{name}"
    assert shell.ipc("mk", "channel", name).returncode == 0  # for who comes late: he shall find that all is done
    done = shell.run(f"{recv} > a & {recv} > b & {recv} > c & seq 20000 | ipc send channel:{name}; wait; cat a b c")
    assert sorted(map(int, done.stdout.split())) == list(range(1, 20001))
    assert shell.ipc("rm", f"channel:{name}").returncode == 0


def test_a_receiver_that_takes_a_part_leaves_the_rest_to_the_next(shell, name):
    recv = f"ipc recv channel:{name}"
    done = shell.run(f"seq 10 | ipc send channel:{name}; {recv} --count 3; echo --; {recv} --count 7; {recv} -w 0.1")
    assert done.stdout == "1\n2\n3\n--\n4\n5\n6\n7\n8\n9\n10\n"
    assert done.returncode == 124, "it had been removed, so the last one made a new one and waited"
    assert not os.path.exists(f"/dev/shm/unixipc.channel.{name}")


def test_fewer_messages_than_were_asked_for_is_status_1(shell, name):
    done = shell.run(f"seq 2 | ipc send channel:{name}; ipc recv --count 3 channel:{name}")
    assert (done.returncode, done.stdout) == (1, "1\n2\n")
    assert done.stderr == f"ipc: channel:{name}: the end came after 2 of 3 messages\n"


def test_a_sender_ends_when_nobody_will_ever_read_as_in_a_broken_pipe(shell, name):
    script = f"seq 3000000 | ipc send channel:{name} & ipc recv channel:{name} | head -1; wait $!; echo $?"
    done = shell.run(script)
    assert done.stdout == "1\n1\n"
    assert done.stderr == f"ipc: {name}: every receiver has left, and it is full\n"
    assert not os.path.exists(f"/dev/shm/unixipc.channel.{name}")


def test_no_room_in_time_is_a_time_out_that_tells_the_whole_time(shell, name):
    with channel.Queue.create(name, 4096) as queue:
        done = shell.ipc("send", "-w", "0.7", f"channel:{name}", input="x" * 3000 + "\n" + "y" * 3000 + "\n")
        assert done.returncode == 124 and f"ipc: {name}: timed out after 0.7 s - there was no room" in done.stderr
        assert queue.stat().depth == 1
        queue.remove()


def test_a_name_that_is_a_topic_is_no_channel(shell, name):
    with channel.Topic.temporary(name):
        for verb in ("send", "recv"):
            done = shell.ipc(verb, f"channel:{name}")
            assert done.returncode == 1 and name in done.stderr and done.stderr.count("\n") == 1


def test_a_channel_that_was_made_stays_and_its_sender_waits(shell, name):
    with channel.Queue.create(name, 4096) as queue:
        try:
            with shell.started("send", f"channel:{name}", stdin=subprocess.PIPE) as sender:
                sender.stdin.write(b"x" * 1000 + b"\n" + b"y" * 3000 + b"\n" + b"z\n")
                sender.stdin.close()
                with queue.receiver() as receiver:
                    assert receiver.receive(LIMIT_S) == b"x" * 1000
                assert sender.poll() is None, "there is nobody, and yet it waits"
                done = shell.ipc("recv", f"channel:{name}")
                assert (done.returncode, done.stdout) == (0, "y" * 3000 + "\nz\n")
                assert sender.wait(LIMIT_S) == 0
            assert queue.stat().depth == 0
        finally:
            queue.remove()


def test_who_follows_waits_for_the_next_sender(shell, name, until):
    with shell.started("recv", "--follow", f"channel:{name}") as receiver:
        for word in ("one", "two"):
            assert shell.ipc("send", f"channel:{name}", input=f"{word}\n").returncode == 0
            assert receiver.stdout.readline() == f"{word}\n".encode()
        receiver.send_signal(signal.SIGINT)
        assert receiver.wait(LIMIT_S) == 130 and receiver.stderr.read() == b""
    assert not os.path.exists(f"/dev/shm/unixipc.channel.{name}")


def test_a_topic_goes_to_every_subscriber(shell, name):
    with channel.Topic.create(name) as topic:
        try:
            with shell.started("recv", f"topic:{name}") as one, shell.started("recv", f"topic:{name}") as other:
                for _ in range(LIMIT_S * 100):
                    if len(topic.stat().subscribers) == 2:
                        break
                    subprocess.run(["sleep", "0.01"], check=True)
                assert shell.ipc("send", f"topic:{name}", input="a\nb\n").returncode == 0
                assert one.communicate(timeout=LIMIT_S) == other.communicate(timeout=LIMIT_S) == (b"a\nb\n", b"")
        finally:
            topic.remove()


# ------------------------------------------------------------------------------------------- how messages are cut


def messages(name: str) -> list[bytes]:
    """What is in a channel; it is removed."""
    with channel.Queue.open(name) as queue, queue.receiver() as receiver:
        found = list(receiver)
        queue.remove()
    return found


@pytest.mark.parametrize(
    ("options", "given", "expected"),
    [
        ((), b"a\n\nb", [b"a", b"", b"b"]),
        ((), b"", []),
        ((), b"\xff\xfe\n", [b"\xff\xfe"]),
        (("-0",), b"a\nb\0c\0", [b"a\nb", b"c"]),
        (("--file",), b"a\nb\0", [b"a\nb\0"]),
        (("--file",), b"", [b""]),
        (("--bytes", "3"), b"abcdefgh", [b"abc", b"def", b"gh"]),
        (("--bytes", "1K"), b"x" * 2048, [b"x" * 1024] * 2),
        (("--count", "2"), b"a\nb\nc\n", [b"a", b"b"]),
        ((), b"x" * 300_000 + b"\ny\n", [b"x" * 300_000, b"y"]),
    ],
)
def test_the_input_is_cut_into_messages(shell, name, options, given, expected):
    done = shell.ipc("send", *options, f"channel:{name}", input=given, text=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert messages(name) == expected


def test_files_are_cut_one_by_one_and_a_minus_is_the_input(shell, name):
    Path(shell.folder, "one").write_bytes(b"1\n2")
    Path(shell.folder, "two").write_bytes(b"3\n")
    assert shell.ipc("send", f"channel:{name}", "one", "-", "two", input="in\n").returncode == 0
    assert messages(name) == [b"1", b"2", b"in", b"3"]
    assert shell.ipc("send", "--file", f"channel:{name}", "one", "two").returncode == 0
    assert messages(name) == [b"1\n2", b"3\n"]


def test_binary_files_come_back_as_they_were(shell, name):
    noise = os.urandom(700_000)
    Path(shell.folder, "noise").write_bytes(noise)
    recv = f"ipc recv --raw channel:{name}"
    done = shell.run(f"ipc send --bytes 4K channel:{name} noise & {recv} | cmp - noise && wait $! && echo same")
    assert (done.stdout, done.stderr) == ("same\n", "")


def test_a_message_that_never_fits_says_so(shell, name):
    done = shell.ipc("send", "--file", f"channel:{name}", input=b"x" * (2 << 20), text=False)
    assert done.returncode == 1 and b"Message too long" in done.stderr and done.stderr.count(b"\n") == 1
    assert not os.path.exists(f"/dev/shm/unixipc.channel.{name}")


def test_lines_come_as_soon_as_they_are_there(shell, name):
    with (
        shell.started("send", f"channel:{name}", stdin=subprocess.PIPE) as sender,
        shell.started("recv", f"channel:{name}") as receiver,
    ):
        for word in (b"one\n", b"two\n"):
            sender.stdin.write(word)
            sender.stdin.flush()
            assert receiver.stdout.readline() == word
        sender.stdin.close()
        assert (sender.wait(LIMIT_S), receiver.wait(LIMIT_S)) == (0, 0)


# ------------------------------------------------------------------------------------------------ other mechanisms


@pytest.mark.usefixtures("own_ipc_namespace")
def test_a_system_v_queue_with_types(shell):
    with sysv.MessageQueue.temporary() as queue:
        url = f"sysv:id={queue.id}"
        assert shell.ipc("send", "--type", "2", url, input="second\n").returncode == 0
        assert shell.ipc("send", url, input="first\n").returncode == 0
        assert shell.ipc("send", "--type", "3", url, input=b"\xff\n", text=False).returncode == 0
        done = shell.ipc("recv", "--drain", "--up-to", "2", "--json", url)
        assert [json.loads(line) for line in done.stdout.splitlines()] == [
            {"type": 1, "body": "first"},
            {"type": 2, "body": "second"},
        ]
        done = shell.ipc("recv", "--drain", "--json", "--type", "3", url)
        assert json.loads(done.stdout) == {"type": 3, "body_base64": "/w=="}
        done = shell.ipc("recv", "--drain", url)
        assert (done.returncode, done.stdout) == (0, "")
        done = shell.ipc("recv", "-w", "0.05", url)
        assert done.returncode == 124 and "timed out after 0.05 s" in done.stderr


@pytest.mark.usefixtures("own_ipc_namespace")
def test_a_receiver_ends_when_its_queue_is_removed(shell, until):
    with sysv.MessageQueue.create(sysv.Key.random()) as queue:
        with shell.started("recv", f"sysv:0x{int(queue.key):x}") as receiver:
            queue.send(b"hello")
            assert receiver.stdout.readline() == b"hello\n"
            queue.remove()
            assert receiver.wait(LIMIT_S) == 0 and receiver.stderr.read() == b""


@pytest.mark.usefixtures("own_ipc_namespace")
def test_make_makes_what_is_missing(shell):
    key = sysv.Key.random()
    url = f"sysv:0x{int(key):x}"
    done = shell.ipc("send", url, input="x\n")
    assert done.returncode == 1 and "No such file" in done.stderr
    assert shell.ipc("send", "--make", url, input="x\n").returncode == 0
    with sysv.MessageQueue.open(key) as queue:
        assert queue.try_receive().body == b"x"
        queue.remove()


def test_a_posix_queue_with_priorities(shell, name):
    with posix.MessageQueue.create(f"/{name}") as queue:
        try:
            assert shell.ipc("send", f"posix:/{name}", input="later\n").returncode == 0
            assert shell.ipc("send", "--priority", "9", f"posix:/{name}", input="urgent\n").returncode == 0
            assert shell.ipc("recv", "--count", "1", f"posix:/{name}").stdout == "urgent\n"
            done = shell.ipc("recv", "--drain", "--json", f"posix:/{name}")
            assert json.loads(done.stdout) == {"priority": 0, "body": "later"}
        finally:
            queue.remove()


def test_a_fifo(shell):
    done = shell.run("ipc mk fifo f; seq 100000 | ipc send fifo:f & ipc recv fifo:f | tail -1; wait $!; echo $?")
    assert done.stdout == "fifo:f\n100000\n0\n"
    done = shell.run(
        "printf 'a\\nb' | ipc send fifo:f & ipc recv --json fifo:f; printf 'c\\n' > f & ipc recv fifo:f; rm f"
    )
    assert done.stdout == '{"body": "a"}\n{"body": "b"}\nc\n'


def test_a_fifo_that_nobody_opens_is_a_time_out(shell):
    with Fifo.create(shell.folder / "f"):
        for verb in ("send", "recv"):
            done = shell.ipc(verb, "-w", "0.05", f"fifo:{shell.folder}/f")
            assert done.returncode == 124 and "timed out" in done.stderr


@pytest.mark.parametrize("kind", ["stream", "seqpacket", "dgram"])
@pytest.mark.parametrize("abstract", [False, True])
def test_sockets(shell, name, kind, abstract, until):
    url = f"unix:@{name}?kind={kind}" if abstract else f"unix:s?kind={kind}"
    with shell.started("recv", "--count", "3", url) as receiver:

        def is_bound():
            return (f"@{name}" if abstract else " s\n") in Path("/proc/net/unix").read_text()

        until(is_bound)
        done = shell.ipc("send", url, input="a\n\nb\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert receiver.communicate(timeout=LIMIT_S) == (b"a\n\nb\n", b"")
        assert receiver.returncode == 0
    assert not os.path.exists(shell.folder / "s")


def test_a_socket_that_nobody_listens_on_is_refused(shell):
    done = shell.ipc("send", "unix:nobody", input="x\n")
    assert done.returncode == 1 and done.stderr.startswith("ipc: nobody: ")


# ----------------------------------------------------------------------------------------------- as good tools do


def test_statistics_are_told_on_stderr_and_as_json(shell, name):
    done = shell.ipc("send", "--json", "-v", f"channel:{name}", input="one\ntwo\n")
    facts = json.loads(done.stdout)
    assert (facts["messages"], facts["bytes"]) == (2, 6) and facts["seconds"] >= 0
    assert done.stderr.startswith("ipc: sent 2 messages, 6 bytes in ")
    done = shell.ipc("recv", "-v", f"channel:{name}")
    assert done.stdout == "one\ntwo\n" and done.stderr.startswith("ipc: received 2 messages, 6 bytes in ")


def test_options_that_mean_nothing_there_are_refused(shell, name):
    for words in (
        ("send", "--type", "2", f"channel:{name}"),
        ("send", "--priority", "2", "sysv:1"),
        ("recv", "--drain", f"channel:{name}"),
        ("recv", "--follow", "posix:/x"),
        ("send", "-0", "--file", f"channel:{name}"),
        ("send", "--bytes", "0", f"channel:{name}"),
        ("recv", "--raw", "--json", f"channel:{name}"),
    ):
        done = shell.ipc(*words)
        assert done.returncode == 2 and "Error: " in done.stderr, words
    assert not os.path.exists(f"/dev/shm/unixipc.channel.{name}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["send", "recv"])
def test_a_request_to_end_is_quiet_and_leaves_nothing(shell, name, verb, number, until):
    with shell.started(verb, f"channel:{name}", stdin=subprocess.PIPE) as process:
        until(lambda: os.path.exists(f"/dev/shm/unixipc.channel.{name}"))
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out, err) == (128 + number, b"", b"")
    assert not os.path.exists(f"/dev/shm/unixipc.channel.{name}")


def test_a_reader_that_leaves_is_status_141_without_a_word(shell, name):
    done = shell.run(f"seq 30000 | ipc send channel:{name}; (ipc recv channel:{name}; echo $? >&2) | head -1")
    assert (done.stdout, done.stderr) == ("1\n", "141\n")
    with channel.Queue.open(name) as queue:  # what it had not received is for the next one
        assert queue.stat().depth > 0
        queue.remove()


def test_a_killed_receiver_leaves_what_it_had_not_received(shell, name):
    with channel.Queue.create(name) as queue, queue.sender() as sender:
        with shell.started("recv", f"channel:{name}") as receiver:
            sender.send(b"one")
            assert receiver.stdout.readline() == b"one\n"
            receiver.kill()
            receiver.wait(LIMIT_S)
        sender.send(b"two")
        sender.close()
        assert shell.ipc("recv", f"channel:{name}").stdout == "two\n"
        queue.remove()


def test_a_terminal_sees_a_bar_when_it_takes_long(shell, name):
    def slow_receiver() -> None:
        with channel.Queue.open(name) as queue, queue.receiver() as receiver:
            for count, _message in enumerate(receiver):
                if count == 3:
                    subprocess.run(["sleep", "1.2"], check=True)

    terminal, ours = os.openpty()
    Path(shell.folder, "large").write_bytes(b"x" * (1 << 20))
    try:
        with channel.Queue.create(name, 1 << 16) as queue:
            with fork(slow_receiver) as child:
                with shell.started("send", "--bytes", "32K", f"channel:{name}", "large", stderr=ours) as sender:
                    assert sender.wait(LIMIT_S) == 0
                assert child.wait(LIMIT_S).code == 0
            queue.remove()
        os.set_blocking(terminal, False)
        assert "sent" in os.read(terminal, 1 << 16).decode()
    finally:
        os.close(terminal)
        os.close(ours)
