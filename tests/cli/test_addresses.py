"""Addresses: each spelling, its error, and what tab completion offers."""

from __future__ import annotations

import shlex
import shutil

import pytest

from unixipc import Fifo, channel, posix, sockets, sysv
from unixipc.cli.addresses import KINDS, Address, known, number, parse
from unixipc.sysv import Key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sysv:0x4b1d", Address("sysv", "0x00004b1d", key=0x4B1D)),
        ("sysv:19229", Address("sysv", "0x00004b1d", key=0x4B1D)),
        ("sysv:045435", Address("sysv", "0x00004b1d", key=0x4B1D)),
        ("sysv:-1", Address("sysv", "0xffffffff", key=0xFFFFFFFF)),
        ("sysv:id=12", Address("sysv", "id=12", id=12)),
        ("sysv:0x1?kind=set", Address("sysv", "0x00000001", key=1, kind="set")),
        ("posix:/x", Address("posix", "/x")),
        ("posix:/x?kind=memory", Address("posix", "/x", kind="memory")),
        ("fifo:a:b?c", Address("fifo", "a:b?c")),
        ("unix:/s", Address("unix", "/s", kind="stream")),
        ("unix:@s?kind=seqpacket", Address("unix", "@s", kind="seqpacket")),
        ("channel:frames", Address("channel", "frames")),
        ("topic:/shared/t", Address("topic", "/shared/t")),
    ],
)
def test_what_each_means(text, expected):
    assert parse(text) == expected
    assert parse(str(expected)) == expected


def test_ftok_is_the_key_of_the_file(tmp_path):
    assert parse(f"sysv:ftok={tmp_path},B").key == Key.ftok(tmp_path, "B")
    assert parse(f"sysv:ftok={tmp_path},66").key == Key.ftok(tmp_path, "B")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frames", "channel:NAME"),
        ("sysv", "sysv:0x4b1d"),
        ("pipe:x", "no address"),
        ("sysv:0", "IPC_PRIVATE"),
        ("sysv:0x", "no number"),
        ("sysv:08", "octal"),
        ("sysv:0x100000000", "32 bits"),
        ("sysv:id=x", "sysv:id=123"),
        ("sysv:1?kind=memory", "queue, set, segment"),
        ("posix:x", "posix:/name"),
        ("posix:/a/b", "one word"),
        ("channel:", "the name is missing"),
        ("fifo:x\0y", "the name is missing"),
    ],
)
def test_what_is_wrong_is_said_with_the_right_spelling(text, said):
    with pytest.raises(ValueError, match="write") as raised:
        parse(text)
    assert said in str(raised.value)


def test_a_scheme_that_is_nothing_for_the_command_is_refused():
    with pytest.raises(ValueError, match="nothing for this command: write sysv:"):
        parse("fifo:x", ("sysv", "posix"))


def test_numbers_are_those_of_c():
    assert [number(text) for text in ("0", "10", "010", "0x10", "-0x1")] == [0, 10, 8, 16, -1]
    for bad in ("", "0b1", "1_0", " 1", "0o7", "1.0", "--1"):
        with pytest.raises(ValueError, match="no number"):
            number(bad)


@pytest.mark.usefixtures("own_ipc_namespace")
def test_completion_knows_schemes_and_what_exists(tmp_path, name):
    schemes = tuple(KINDS)
    assert [url for url, _ in known("", schemes)] == [f"{each}:" for each in schemes]
    assert [url for url, _ in known("s", schemes)] == ["sysv:"]
    assert known("fifo:x", ("sysv",)) == known("sysv:zzz", schemes) == known("fifo:/no/such/folder/x", schemes) == []
    with (
        sysv.MessageQueue.create(0xABC) as queue, sysv.SemaphoreSet.temporary([1]) as one,
        posix.Semaphore.create(f"/{name}", 1) as semaphore, channel.Queue.create(name) as ring,
        Fifo.create(tmp_path / "f"), sockets.listen(f"@{name}"),
    ):  # fmt: skip
        assert known("sysv:", schemes) == [("sysv:0x00000abc", "queue"), (f"sysv:id={one.id}", "set")]
        assert known(f"posix:/{name}", schemes) == [(f"posix:/{name}", "semaphore")]
        assert known(f"channel:{name[:-1]}", schemes) == [(f"channel:{name}", "queue")]
        assert known(f"topic:{name}", schemes) == []
        assert known(f"fifo:{tmp_path}/", schemes) == [(f"fifo:{tmp_path}/f", "fifo")]
        assert known(f"unix:@{name}", schemes) == [(f"unix:@{name}", "socket")]
        for each in (queue, semaphore, ring):
            each.remove()


def bash(shell, line: str) -> list[str]:
    """What a real bash offers for this line, with what ``ipc completion bash`` says."""
    script = (
        f'eval "$(ipc completion bash)"; COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}; COMP_CWORD=2\n'
        "_ipc_completion ipc; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = shell.run(script, "bash")
    assert "rror" not in done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_addresses_although_a_colon_breaks_its_words(shell, tmp_path):
    assert bash(shell, "ipc rm chan") == ["channel:"]
    assert bash(shell, "ipc sen") == ["send"]
    assert bash(shell, "ipc sem ") == ["sysv:", "posix:"], "what it can do something with"
    with Fifo.create(tmp_path / "first"):
        assert bash(shell, f"ipc rm fifo:{tmp_path}/fi") == [f"{tmp_path}/first"]
