"""What the guide and the README show of the command in a shell is what a shell shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / "guide" / "command.md", ROOT / "README.md"]
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)

pytestmark = [
    pytest.mark.usefixtures("own_ipc_namespace"),
    pytest.mark.skipif(not PAGES[0].exists(), reason="the pages are in the source tree only"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="no bash"),
]


def blocks() -> list[object]:
    """Each block of the pages, with its place."""
    found = []
    for page in PAGES:
        text = page.read_text() if page.exists() else ""
        lines = {match[1]: text.count("\n", 0, match.start()) + 1 for match in CONSOLE.finditer(text)}
        found += [pytest.param(block, id=f"{page.name}:{line}") for block, line in lines.items()]
    return found


def alike(text: str) -> str:
    """Without what differs each time: ids."""
    return re.sub(r"\(id \d+\)", "(id N)", text.rstrip())


@pytest.mark.parametrize("block", blocks())
def test_what_is_shown_is_what_happens(shell, block):
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    script = "\n".join(f"echo {shell_quoted(f'$ {command}')}; {{ {command}\n}}" for command in commands)
    done = shell.run(f"exec 2>&1\n{script}", "bash")
    assert alike(done.stdout) == alike(block)


def shell_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
