"""The words are true: every example runs, every link leads somewhere, every room is on the map."""

import doctest
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import unixipc

ROOT = Path(__file__).resolve().parents[2]
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))
RUN = [ROOT / "README.md", ROOT / "docs" / "index.md", *GUIDE]
ALL = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
FENCE = re.compile(r"^```(python|c)\b([^\n]*)\n(.*?)^```$", re.M | re.S)
MODULES = [each.name for each in pkgutil.walk_packages(unixipc.__path__, "unixipc.") if "__main__" not in each.name]
FURNITURE = {"errors", "features", "aio", "cli", "testing"}
SHOWN_IN_THE_GUIDE_ONLY = {"codec", "compat", "event", "inspector"}  # the guide's programs have no use for them
ROOMS = [
    each.name for each in pkgutil.iter_modules(unixipc.__path__) if each.name[0] != "_" and each.name not in FURNITURE
]

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the words are in the source tree only")

SLOW = re.compile(r"Executing <.*> took [0-9.]+ seconds")


def run_page(page: Path) -> int:
    """The page's Python, block after block in one namespace; how many examples failed."""
    text, space, failed = page.read_text(), {"__name__": "__main__"}, 0
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for language, options, code in FENCE.findall(text):
        line = text.count("\n", 0, text.index(code))
        if language == "c":
            continue
        if ">>>" in code:
            test = doctest.DocTestParser().get_doctest(code, space, page.name, str(page), line)
            failed += runner.run(test, clear_globs=False).failed
            space.update(test.globs)
        else:
            compiled = compile("\n" * line + code, str(page), "exec")
            if "no-run" not in options:
                exec(compiled, space)
    return failed


def run_apart(cwd: Path, *arguments: str) -> None:
    """Run this file on a page, or on modules, in a process of its own; warnings and leftovers are failures."""
    command = [sys.executable, "-X", "dev", __file__, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=110)
    # asyncio's debug mode tells of callbacks that took long: on a busy machine any may
    complaints = [line for line in done.stderr.splitlines() if not SLOW.fullmatch(line)]
    assert (done.returncode, complaints) == (0, []), done.stdout + done.stderr
    assert not list(cwd.iterdir())


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_every_example_of_the_page_runs(page, tmp_path):
    run_apart(tmp_path, str(page))


def test_every_doctest_runs(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("doctests")))  # an example need not tidy up
    run_apart(tmp_path, "unixipc", *MODULES)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_every_c_example_compiles(page, tmp_path):
    for number, (language, _, code) in enumerate(FENCE.findall(page.read_text())):
        if language == "c":
            source = tmp_path / f"{number}.c"
            source.write_text(code)
            flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{Path(unixipc.__file__).parent / '_native'}"]
            subprocess.run(["cc", *flags, "-c", source, "-o", os.devnull], check=True)


def anchors(page: Path) -> set[str]:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    return {
        re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", prose, re.M)
    }


@pytest.mark.skipif(not (ROOT / "src").is_dir(), reason="only the whole tree has every target")
@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{page.name}: {target} does not exist"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target} has no heading {anchor}"


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_on_the_map(room):
    """One row of the README's chapter map names the room, its guide page, its reference page and an example."""
    row = next((line for line in (ROOT / "README.md").read_text().splitlines() if f"| `unixipc.{room}` |" in line), "")
    assert "docs/guide/" in row and f"docs/reference/{room}.md" in row, row
    assert "](examples/" in row or room in SHOWN_IN_THE_GUIDE_ONLY, row
    assert f"::: unixipc.{room}" in (ROOT / "docs" / "reference" / f"{room}.md").read_text()


if __name__ == "__main__":
    if sys.argv[1].endswith(".md"):
        sys.exit(run_page(Path(sys.argv[1])) != 0)
    sys.exit(sum(doctest.testmod(import_module(name)).failed for name in sys.argv[1:]) != 0)
