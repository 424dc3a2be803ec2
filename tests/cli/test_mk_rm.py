"""`ipc mk` and `ipc rm`: objects of every kind, made and removed, and nothing else."""

from __future__ import annotations

import json
import os
import stat

import pytest

from unixipc import Fifo, channel, posix, sockets, sysv
from unixipc.cli import things

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")

KINDS = {
    "sysv-queue": ("0x4b1d", "sysv:0x00004b1d?kind=queue"),
    "sysv-set": ("0x4b1d", "sysv:0x00004b1d?kind=set"),
    "sysv-segment": ("0x4b1d", "sysv:0x00004b1d?kind=segment"),
    "posix-queue": ("/NAME", "posix:/NAME?kind=queue"),
    "posix-semaphore": ("NAME", "posix:/NAME?kind=semaphore"),
    "posix-memory": ("posix:/NAME", "posix:/NAME?kind=memory"),
    "fifo": ("./NAME", "fifo:./NAME"),
    "channel": ("NAME", "channel:NAME"),
    "topic": ("NAME", "topic:NAME"),
}
SIZED = {"sysv-segment": ("--size", "4K"), "posix-memory": ("--size", "4K")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_has_the_address_that_is_printed(shell, name, kind):
    word, url = (text.replace("NAME", name) for text in KINDS[kind])
    made = shell.ipc("mk", kind, word, *SIZED.get(kind, ()))
    assert (made.returncode, made.stdout, made.stderr) == (0, url + "\n", "")
    again = shell.ipc("mk", kind, word, *SIZED.get(kind, ()))
    assert again.returncode == 1 and "File exists" in again.stderr and again.stderr.count("\n") == 1
    ensured = shell.ipc("mk", kind, word, "--ensure", "--json", *SIZED.get(kind, ()))
    assert json.loads(ensured.stdout)["address"] == url
    assert shell.ipc("rm", "-v", url).returncode == 0
    gone = shell.ipc("rm", url)
    assert gone.returncode == 1 and gone.stderr.startswith(f"ipc rm: {url}: No such file or directory")
    assert shell.ipc("rm", "--force", url).returncode == 0


def test_options_reach_the_kernel(shell, name):
    url = shell.ipc("mk", "sysv-set", "--values", "1,0,5", "--mode", "640").stdout.strip()
    with sysv.SemaphoreSet.open(int(url.split(":")[1].split("?")[0], 16)) as made:
        assert made.values == (1, 0, 5) and made.stat().permissions.mode == 0o640
    facts = json.loads(shell.ipc("mk", "sysv-queue", "private", "--size", "5000", "--json").stdout)
    with sysv.MessageQueue(facts["id"]) as queue:
        assert queue.stat().capacity_bytes == 5000 and facts["key"] == "0x00000000"
    assert shell.ipc("rm", url, facts["address"]).returncode == 0
    shell.ipc("mk", "channel", name, "--size", "64K", "--when-full", "drop_oldest", "--mode", "666")
    with channel.Queue.open(name) as made:
        assert (made.capacity_bytes, made.when_full) == (65536, "drop_oldest")
        assert stat.S_IMODE(os.fstat(made.fileno()).st_mode) == 0o666
        made.remove()
    shell.ipc("mk", "posix-queue", name, "--messages", "3", "--size", "100")
    with posix.MessageQueue.open(f"/{name}") as made:
        assert (made.stat().max_messages, made.stat().max_message_bytes) == (3, 100)
        made.remove()
    with sysv.MessageQueue.create(0x777):
        refused = shell.ipc("mk", "sysv-queue", "03567", "--size", "1K")
        assert refused.returncode == 1, "the same key in octal"
    assert shell.ipc("rm", "sysv:1911").returncode == 0, "and in decimal"


def test_a_key_that_several_kinds_have_is_refused_until_one_is_said(shell):
    with sysv.MessageQueue.create(0x99), sysv.SemaphoreSet.create(0x99, [1]):
        done = shell.ipc("rm", "sysv:0x99")
        assert done.returncode == 1 and "is a queue and a set; nothing was removed" in done.stderr
        assert shell.ipc("rm", "sysv:0x99?kind=set").returncode == 0
        assert shell.ipc("rm", "sysv:0x99").returncode == 0
        assert sysv.queues() == [] and sysv.semaphore_sets() == []


def test_what_has_another_kind_or_an_owner_stays(shell, name):
    folder = shell.folder
    (folder / "file").write_text("precious")
    with sockets.listen(str(folder / "live")), channel.Topic.temporary(name), Fifo.create(folder / "fifo"):
        for url, said in (
            (f"fifo:{folder}/file", "not a FIFO"),
            (f"unix:{folder}/file", "no socket"),
            (f"unix:{folder}/fifo", "no socket"),
            (f"unix:{folder}/live", "another process is bound"),
            ("unix:@abstract", "goes with its socket"),
            (f"channel:{name}", "kind of the channel"),
            (f"channel:{folder}/file", "expected"),
            ("topic:no-such", "No such file"),
        ):
            done = shell.ipc("rm", url)
            assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert (folder / "file").read_text() == "precious"
        assert (folder / "live").exists() and (folder / "fifo").exists()
    stale = shell.ipc("rm", f"unix:{folder}/live", f"fifo:{folder}/fifo")
    assert (stale.returncode, stale.stderr) == (0, "")
    assert not (folder / "live").exists()


def test_several_are_removed_whatever_happens_to_one(shell, name):
    with posix.Semaphore.create(f"/{name}", 1), Fifo.create(shell.folder / "f"):
        done = shell.ipc("rm", "--json", f"posix:/{name}", "sysv:0x12345", f"fifo:{shell.folder}/f")
        rows = json.loads(done.stdout)
    assert done.returncode == 1
    assert [row["removed"] for row in rows] == [True, False, True]
    assert "No such file" in rows[1]["error"]


def test_what_is_anothers_is_refused_with_a_clear_line(as_nobody):
    from unixipc.cli.addresses import parse

    def stranger():
        for url in ("sysv:0x99", "sysv:0x98"):
            with pytest.raises(PermissionError):
                things.remove(parse(url))

    with sysv.MessageQueue.create(0x99) as queue, sysv.SharedMemory.create(0x98, 1, 0o666) as memory:
        as_nobody(stranger)
        queue.remove()
        memory.remove()


@pytest.mark.parametrize(
    "words",
    [("rm",), ("rm", "x"), ("rm", "sysv:"), ("rm", "sysv:0"), ("rm", "sysv:0x1ffffffff"), ("rm", "sysv:09"),
     ("rm", "posix:name"), ("rm", "fifo:/x?kind=y"), ("mk",), ("mk", "sysv-queue", "x"), ("mk", "sysv-segment", "1"),
     ("mk", "fifo"), ("mk", "fifo", "x", "--mode", "9"), ("mk", "sysv-set", "--values", "1,x"),
     ("mk", "posix-memory", "/x", "--size", "many")],
)  # fmt: skip
def test_what_is_not_understood_is_status_2(shell, words):
    done = shell.ipc(*words)
    assert done.returncode == 2 and "Usage: ipc" in done.stderr + done.stdout
