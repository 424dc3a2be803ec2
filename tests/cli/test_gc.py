"""`ipc gc`: what it would remove, what it removes, what it leaves and why; it asks at a terminal; honest statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from click.testing import CliRunner

from unixipc import Killed, channel, fork, sockets, sysv
from unixipc.cli import gc as verb
from unixipc.cli.group import ipc

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")

WAIT = 20
LIMIT_S = 60


def killed(make):
    with fork(lambda: (make(), os.kill(os.getpid(), signal.SIGKILL))) as child:
        assert child.wait(WAIT) == Killed(signal.SIGKILL, False)
        return child.pid


def segment(key=sysv.Key.PRIVATE):
    sysv.SharedMemory.create(key, 4096).attach()


@pytest.fixture
def left(shell):
    """A segment that is surely, and one that is likely ownerless; the key of this one."""
    key = sysv.Key.random()
    killed(segment)
    killed(lambda: segment(key))
    yield key
    for each in sysv.segments():
        with sysv.SharedMemory(each.id) as memory:
            memory.remove()


def private_and_keyed():
    keys = [int(each.permissions.key) for each in sysv.segments()]
    return keys.count(0), len(keys) - keys.count(0)


def test_the_dry_run_says_what_the_run_then_does(left, shell):
    would = shell.ipc("gc", "sysv-segment", "--older-than", "0", "--dry-run")
    assert would.returncode == 0 and private_and_keyed() == (1, 1)
    lines = would.stdout.splitlines()
    assert lines[0].split() == ["what", "key", "owner", "how", "sure", "why"]
    assert lines[1].startswith("would remove  sysv-segment:") and "creator" in lines[1] and "has ended" in lines[1]
    assert lines[2].startswith("left") and lines[2].endswith("- only likely") and f"{int(left):#010x}" in lines[2]
    assert would.stderr == "ipc gc: would remove 1 (4096 bytes); left 1; --likely removes what is likely ownerless\n"
    did = shell.ipc("gc", "sysv-segment", "--older-than", "0")
    assert did.returncode == 0 and private_and_keyed() == (0, 1)
    assert did.stdout.splitlines()[1].startswith("removed  sysv-segment:")
    assert did.stderr.startswith("ipc gc: removed 1 (4096 bytes); left 1")


def test_json_has_every_field_of_an_orphan_and_what_was_done(left, shell):
    rows = json.loads(shell.ipc("gc", "sysv", "--older-than", "0", "--json").stdout)
    assert [(row["done"], row["because"], row["certainty"]) for row in rows] == [
        ("removed", "", "sure"),
        ("left", "only likely", "likely"),
    ]
    assert rows[1]["key"] == f"{int(left):#010x}"
    assert set(rows[0]) == {
        "kind", "id", "key", "owner_uid", "why", "certainty", "used_at", "size_bytes", "done", "because"
    }  # fmt: skip


def test_what_was_used_just_now_stays_unless_it_is_asked_for(left, shell):
    done = shell.ipc("gc", "sysv")
    assert done.returncode == 0 and " - used " in done.stdout and private_and_keyed() == (1, 1)
    done = shell.ipc("gc", "sysv", "--older-than", "1h", "--json")
    assert json.loads(done.stdout)[0]["because"].endswith("s ago")


def test_a_script_says_likely_and_means_it(left, shell):
    done = shell.ipc("gc", "sysv", "--older-than", "0", "--likely")
    assert done.returncode == 0 and private_and_keyed() == (0, 0) and "[y/N]" not in done.stderr
    again = shell.ipc("gc", "sysv", "--older-than", "0", "--likely")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "ipc gc: nothing is left over\n")


@pytest.mark.parametrize(("answer", "status", "after"), [("n", 1, (1, 1)), ("", 1, (1, 1)), ("y", 0, (0, 0))])
def test_at_a_terminal_likely_asks_once(left, shell, answer, status, after):
    master, terminal = os.openpty()
    words = ["ipc", "gc", "sysv", "--older-than", "0", "--likely"]
    with open(master, "rb+", buffering=0) as ours:
        with subprocess.Popen(
            words, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=shell.environment
        ) as asked:
            os.close(terminal)
            ours.write(f"{answer}\n".encode())
            out, err = asked.communicate(timeout=LIMIT_S)
        assert asked.returncode == status and "likely, not surely, ownerless. Remove them? [y/N]" in err
        assert "would remove  sysv-segment:" in out and private_and_keyed() == after
        assert answer == "y" or "removed" not in out


def test_only_what_was_shown_is_agreed_to(left, shell):
    master, terminal = os.openpty()
    words = ["ipc", "gc", "sysv", "--older-than", "0", "--likely"]
    with open(master, "rb+", buffering=0) as ours:
        with subprocess.Popen(
            words, stdin=terminal, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=shell.environment
        ) as asked:
            os.close(terminal)
            said = b""
            while b"[y/N]" not in said:
                said += (more := os.read(asked.stderr.fileno(), 1000))
                assert more, said
            killed(lambda: segment(sysv.Key.random()))
            ours.write(b"y\n")
            asked.communicate(timeout=LIMIT_S)
    assert asked.returncode == 0 and private_and_keyed() == (0, 1)


def test_yes_at_a_terminal_is_not_asked(left, shell):
    master, terminal = os.openpty()
    try:
        done = shell.ipc("gc", "sysv", "--older-than", "0", "--likely", "--yes", stdin=terminal)
    finally:
        os.close(terminal), os.close(master)
    assert done.returncode == 0 and private_and_keyed() == (0, 0) and "[y/N]" not in done.stderr


def test_channels_by_name_and_sockets_by_folder(shell, name):
    killed(lambda: channel.Queue.temporary(name).sender())
    killed(lambda: sockets.listen(str(shell.folder / "dead")))
    killed(lambda: sockets.listen(str(shell.folder / "bad\nname\x1b[31m")))
    with channel.Queue.temporary(f"{name}-live"), sockets.listen(str(shell.folder / "live"), temporary=True):
        done = shell.ipc("gc", "channel", "--matching", f"{name}*")
        assert done.stdout.count("removed") == 1 and f"channel:{name} " in done.stdout
        done = shell.ipc("gc", "socket", "--in", shell.folder, "--older-than", "0s")
        assert done.stdout.count("\n") == 3 and done.stdout.count("removed") == 2
        assert (shell.folder / "live").exists() and not (shell.folder / "dead").exists()
        assert os.path.exists(f"/dev/shm/unixipc.channel.{name}-live")
    assert not os.path.exists(f"/dev/shm/unixipc.channel.{name}")


def test_what_the_kernel_refuses_is_said_and_is_status_1(as_nobody, tmp_path):
    """A file of ours in a folder that is not ours to change."""
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    path = str(tmp_path / "dead")
    with sockets.listen(path):
        os.chown(path, 65534, 65534)

    def try_it():
        done = CliRunner().invoke(ipc, ["gc", "socket", "--in", str(tmp_path), "--older-than", "0", "--json"])
        (row,) = json.loads(done.stdout)
        assert done.exit_code == 1 and (row["done"], row["because"]) == ("refused", "Permission denied")

    as_nobody(try_it)
    assert os.path.exists(path)
    os.unlink(path)


@pytest.mark.parametrize(
    "words",
    [("turnip",), ("--older-than", "soon"), ("--older-than", "-1"), ("--in", "/no/such/folder"), ("--nonsense",)],
)
def test_what_is_not_understood_is_status_2(shell, words):
    done = shell.ipc("gc", *words)
    assert done.returncode == 2 and "Usage: ipc gc" in done.stderr


def test_the_help_says_what_goes_and_with_which_status():
    told = CliRunner().invoke(ipc, ["gc", "--help"]).output
    assert "Examples:" in told and "Exit status:" in told and "--dry-run" in told and verb.gc.name == "gc"
    assert all(word in told for word in ("segments", "queues, sets", "channels", "sockets"))
