"""`ipc` itself: help, version, errors in one line, Ctrl-C, a closed stdout, missing packages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import unixipc
from unixipc.cli import group
from unixipc.cli.main import explain

IPC = (sys.executable, "-m", "unixipc.cli")
LIMIT_S = 60


def ipc(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*IPC, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False, **options)


def test_help_lists_every_verb():
    result = ipc("--help")
    assert result.returncode == 0
    assert all(verb in result.stdout for verb in group.VERBS)


@pytest.mark.parametrize("verb", sorted(group.VERBS))
def test_every_verb_has_help(verb: str):
    result = ipc(verb, "--help")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"Usage: ipc {verb}")


def test_version():
    assert ipc("--version").stdout == f"ipc, version {unixipc.__version__}\n"


def test_help_imports_neither_rich_nor_rooms_that_cost_time():
    code = (
        "import sys\nsys.argv = ['ipc', '--help']\nfrom unixipc.cli.main import run\n"
        "try: run()\nexcept SystemExit: pass\n"
        "print([m for m in ('rich', 'hashlib', 'unixipc.sockets', 'unixipc.aio') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert result.stdout.endswith("[]\n"), result.stdout


@pytest.mark.parametrize("words", [("nonsense",), ("tour", "--nonsense"), ("demo", "nonsense"), ("completion", "csh")])
def test_what_is_not_understood_exits_with_2(words: tuple[str, ...]):
    result = ipc(*words)
    assert result.returncode == 2
    assert "Usage" in result.stderr and not result.stdout


def test_an_error_is_one_line_with_its_notes():
    error = FileNotFoundError(2, "No such file or directory", "/a/path")
    error.add_note("open(2): what it means")
    assert explain(error) == "/a/path: No such file or directory - open(2): what it means"
    assert "\n" not in explain(ValueError("two\nlines"))
    assert explain(EOFError()) == "EOFError"


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_a_missing_package_says_how_to_install_it(missing: str):
    code = (
        "import importlib.util, sys\nfind = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name: None if name == {missing!r} else find(name)\n"
        "from unixipc.cli.main import run\nrun()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert result.returncode == 2
    assert result.stderr == f'ipc: it needs {missing}: pip install "unixipc[cli]"\n'


def test_main_imports_without_click():
    code = "import sys\nsys.modules['click'] = None\nimport unixipc.cli.main"
    subprocess.run([sys.executable, "-c", code], timeout=LIMIT_S, check=True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_line_that_works(shell: str):
    line = ipc("completion", shell).stdout
    assert line.count("\n") == 1 and f"_IPC_COMPLETE={shell}_source" in line


def test_completion_offers_verbs():
    environment = os.environ | {"_IPC_COMPLETE": "bash_complete", "COMP_WORDS": "ipc t", "COMP_CWORD": "1"}
    code = "import sys\nsys.argv = ['ipc']\nfrom unixipc.cli.main import run\nrun()"
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert "tour" in result.stdout


def test_a_closed_stdout_is_no_complaint():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [*IPC, "demo", "--list"], stdout=writer, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False
        )
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (141, b"")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_request_to_end_is_quiet_and_leaves_nothing(tmp_path, number: int, status: int):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    fifo = tmp_path / "name"
    words = [*IPC, "demo", "tick", str(fifo)] if number == signal.SIGINT else [*IPC, "demo", "echos", str(fifo)]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline()  # it waits now
            process.send_signal(number)
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    assert err == b""
    # the examples end by themselves on Ctrl-C, as they say
    assert process.returncode == (0 if number == signal.SIGINT else status), out
    assert list(tmp_path.iterdir()) == []
