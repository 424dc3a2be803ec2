"""`ipc doctor`: what needs attention comes first, with its fix; the status says whether anything is bad."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from unixipc.cli import doctor as module
from unixipc.cli.group import ipc
from unixipc.inspector import Finding
from unixipc.inspector.machine import TOPICS

IPC = (sys.executable, "-m", "unixipc.cli")
LIMIT_S = 60
KEYS = ["topic", "name", "value", "unit", "used", "status", "why", "fix"]
ORDER = ["bad", "warn", "unknown", "ok"]


def doctor(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [*IPC, "doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, **options)


def with_shm_of(size: str, *words: str) -> subprocess.CompletedProcess[str]:
    """In a mount namespace where /dev/shm is that small."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare(1) here")
    user = ["--user", "--map-root-user"] if os.geteuid() else []
    script = f'mount -t tmpfs -o size={size},mode=1777 tmpfs /dev/shm && exec "$0" "$@"'
    command = ["unshare", "--mount", *user, "sh", "-c", script, *IPC, "doctor", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mount namespace of our own: {done.stderr}")
    return done


def test_json_has_every_finding_in_one_shape_the_urgent_first():
    done = doctor("--json")
    rows = json.loads(done.stdout)
    assert done.stderr == "" and all(list(row) == KEYS for row in rows)
    assert {row["topic"] for row in rows} == set(TOPICS)
    assert [row["status"] for row in rows] == sorted((row["status"] for row in rows), key=ORDER.index)
    for row in rows:
        assert all(isinstance(row[key], str) for key in ("topic", "name", "unit", "status", "why", "fix")), row
        assert isinstance(row["value"], int | str | None) and isinstance(row["used"], int | None), row
    assert done.returncode == any(row["status"] == "bad" for row in rows)


def test_something_bad_is_status_1_with_its_fix():
    done = with_shm_of("1M")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "bad      shared-memory: size of /dev/shm: 1 MiB, used: 0 bytes (0 %)"
    assert lines[1].startswith("         only 1048576 bytes are free: ")
    assert lines[2].startswith("         fix: mount -o remount,size=1G /dev/shm")
    assert lines[-1].startswith("1 bad, ") and lines[-1].endswith("; --all shows every one")
    assert not any(line.startswith("ok") for line in lines)


def test_nothing_bad_is_status_0():
    done = with_shm_of("1G", "shared-memory")
    assert done.returncode == 0
    assert done.stdout.startswith("ok       shared-memory: /dev/shm: tmpfs\n")
    assert "fix: " not in done.stdout, "what is well needs no fix"
    assert done.stdout.splitlines()[-1] == "0 bad, 0 to look at, 5 well, 0 unknown"
    assert with_shm_of("64M", "shared-memory").returncode == 0, "a warning is no failure"


def test_all_and_topics():
    rows = json.loads(doctor("--json").stdout)
    shown = doctor("--all").stdout.splitlines()
    assert sum(line.startswith(tuple(ORDER)) for line in shown) == len(rows)
    some = doctor("python", "pipes").stdout.splitlines()
    named = {line.split()[1] for line in some if line.startswith(tuple(ORDER))}
    assert named == {"python:", "pipes:"}
    assert {row["topic"] for row in json.loads(doctor("--json", "libc").stdout)} == {"libc"}


def test_nobody_gets_an_answer_too(as_nobody):
    CliRunner().invoke(ipc, ["doctor", "--json"])  # what it needs is imported now

    def look():
        result = CliRunner().invoke(ipc, ["doctor", "--json"])
        rows = {row["name"]: row for row in json.loads(result.stdout)}
        assert rows["CAP_SYS_PTRACE"]["value"] == "no"
        assert result.exit_code == any(row["status"] == "bad" for row in rows.values())

    as_nobody(look)


def test_a_word_that_is_no_topic():
    done = doctor("shared")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'shared' is not one of" in done.stderr


def test_help_tells_topics_statuses_and_exit_status():
    text = doctor("--help").stdout
    assert all(f"  {topic} " in text for topic in TOPICS)
    assert all(word in text for word in (*ORDER, "Exit status:", "--json: objects with", *KEYS))


def test_completion_offers_topics():
    environment = os.environ | {"_IPC_COMPLETE": "bash_complete", "COMP_WORDS": "ipc doctor s", "COMP_CWORD": "2"}
    code = "import sys\nsys.argv = ['ipc']\nfrom unixipc.cli.main import run\nrun()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True,
                          timeout=LIMIT_S, check=False)  # fmt: skip
    offered = {line.partition(",")[2] for line in done.stdout.splitlines()}
    assert offered == {topic for topic in TOPICS if topic.startswith("s")}


@pytest.mark.parametrize("columns", ["80", "200"])
def test_a_terminal_gets_a_table(columns):
    master, terminal = os.openpty()
    try:
        environment = os.environ | {"COLUMNS": columns, "TERM": "xterm"}
        with subprocess.Popen([*IPC, "doctor", "pipes"], stdout=terminal, env=environment) as process:
            os.close(terminal)
            seen = b""
            try:
                while piece := os.read(master, 65536):
                    seen += piece
            except OSError:  # EIO: the other end is closed
                pass
            process.wait(LIMIT_S)
    finally:
        os.close(master)
    text = seen.decode()
    assert process.returncode in (0, 1) and "what" in text and "━━┳━━" in text and "\x1b[" in text
    assert "fs.pipe-max-size" in text
    assert text.rstrip().endswith("unknown")


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (5, "queues", "5 queues"),
        (32000, "", "32,000"),
        (8192, "bytes", "8,192 bytes"),
        (65536, "bytes", "64 KiB"),
        (1 << 20, "bytes", "1 MiB"),
        (25276502016, "bytes", "23.5 GiB"),
        (1 << 50, "bytes", "1 PiB"),
        ((1 << 64) - 1, "pages", "as good as no limit"),
    ],
)
def test_quantities(number, unit, text):
    assert module._quantity(number, unit) == text


def test_no_limit_is_not_the_same_as_unknown():
    assert module._found(Finding("", "", None, "bytes", None, "ok", "", "")) == "no limit"
    assert module._found(Finding("", "", None, "", None, "unknown", "", "")) == "not known"
