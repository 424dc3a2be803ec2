"""What the guide and the README show of the command in a shell is what a shell shows."""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide"
PAGES = [GUIDE / "command.md", GUIDE / "inspector.md", GUIDE / "who_holds_it.md", ROOT / "README.md"]
CONSOLE = re.compile(r"^(?:<!-- planted: (\w+) -->\n)?```console\n(.*?)^```$", re.M | re.S)
""""planted": what `planted.py` has set up when the block runs; `$worker` and `$logger` are its processes."""
PLANT = Path(__file__).with_name("planted.py")
WAIT = 60

pytestmark = [
    pytest.mark.usefixtures("own_ipc_namespace"),
    pytest.mark.skipif(not PAGES[0].exists(), reason="the pages are in the source tree only"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="no bash"),
]


def blocks() -> list[object]:
    """Each block of the pages, with what is planted for it, and its place."""
    found = []
    for page in PAGES:
        text = page.read_text() if page.exists() else ""
        for match in CONSOLE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], match[2], id=f"{page.name}:{line}"))
    return found


def alike(text: str) -> str:
    """Without what differs each time: ids."""
    return re.sub(r"\(id \d+\)", "(id N)", text.rstrip())


def alike_but_for_numbers(text: str, folder: Path) -> str:
    """Without pids and ids either, the width of the columns that they give, who we are, and the folder."""
    text = text.replace(str(folder.resolve()), "/srv/app").replace(f" {getpass.getuser()} ", " root ")
    text = re.sub(r"\b[0-9a-f]{2,}:[0-9a-f]{2,}:\d+", "FILE", text)
    text = re.sub(r"(?m)^(l|f|d|mm)[0-9a-hjkmnp-tv-z]{4,}(?= )", "SHORT", text)
    text = re.sub(r"(?<![\w,-])([a-z]?)\d+(?![\w-])", r"\1N", text)
    return re.sub(r"[ \t]+", " ", text).replace("\n ", "\n").rstrip()


@contextmanager
def planted(shell, what):
    """The environment with the processes' pids; they end with the block. "nothing": only the numbers differ."""
    if what == "nothing":
        yield {}
        return
    words = [sys.executable, str(PLANT), what]
    with subprocess.Popen(words, cwd=shell.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            worker, logger = process.stdout.readline().split()
            yield {"worker": worker, "logger": logger}
        finally:
            process.stdin.close()
            assert process.wait(WAIT) == 0


@pytest.mark.parametrize(("plant", "block"), blocks())
def test_what_is_shown_is_what_happens(shell, plant, block):
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    script = "\n".join(f"echo {shell_quoted(f'$ {command}')}; {{ {command}\n}}" for command in commands)
    if plant is None:
        done = shell.run(f"exec 2>&1\n{script}", "bash")
        assert alike(done.stdout) == alike(block)
        return
    with planted(shell, plant) as pids:
        shell.environment |= pids
        done = shell.run(f"exec 2>&1\n{script}", "bash")
    assert alike_but_for_numbers(done.stdout, shell.folder) == alike_but_for_numbers(block, shell.folder)


def shell_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
