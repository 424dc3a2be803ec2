"""The house rules that a tool can check: layers, the list of installed files, sizes, what only one file may do."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCE = ROOT / "src" / "unixipc"
PYTHON = sorted(SOURCE.rglob("*.py"))
CYTHON = sorted(SOURCE.rglob("*.pyx"))

pytestmark = pytest.mark.skipif(not SOURCE.is_dir(), reason="these tests look at the checkout, which is not here")


def test_layers_and_forbidden_imports():
    """import-linter's contracts in pyproject.toml."""
    command = [
        str(pathlib.Path(sys.executable).with_name("lint-imports")),
        "--config",
        str(ROOT / "pyproject.toml"),
        "--no-cache",
    ]
    done = subprocess.run(command, cwd=SOURCE.parent, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout


def test_every_file_is_installed():
    """A file that meson.build does not name would be missing from the wheel."""
    listed = (SOURCE / "meson.build").read_text()
    for path in SOURCE.rglob("*"):
        if path.suffix in {".py", ".pyi", ".pyx", ".c", ".css", ".html", ".js"} and "__pycache__" not in path.parts:
            name = path.stem if path.suffix == ".pyx" else path.name
            assert f"'{name}'" in listed or f"/{name}'" in listed, f"{path} is not in meson.build"


def test_every_native_module_has_types():
    for path in CYTHON:
        assert path.with_suffix(".pyi").exists(), f"{path} has no .pyi"


def test_no_drawer_for_everything():
    for path in SOURCE.rglob("*"):
        assert not re.search(r"util|helper|common|manager", path.name), path


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_command_prints(path):
    """A library that prints is a guest that shouts."""
    if "cli" in path.parts:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            assert getattr(node.func, "id", None) != "print", f"{path}:{node.lineno} prints"


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_sleeps_to_find_out(path):
    """`time.sleep` in a library is a poll in disguise. Tests' furniture may have patience."""
    if {"testing", "cli"} & set(path.parts):
        return
    assert not re.search(r"\btime\.sleep\b|\bimport select\b|\bimport time\b", path.read_text()), path


def test_one_file_has_atomics_one_has_futex_and_no_c_file_knows_python():
    for path in [*SOURCE.rglob("*.c"), *SOURCE.rglob("*.h")]:
        text = path.read_text()
        assert "Python.h" not in text, path
        assert path.name == "atomics.h" or "stdatomic" not in re.sub(r"/\*.*?\*/", "", text, flags=re.S), path
        assert path.name == "futex.h" or "SYS_futex" not in text, path


def test_every_sync_label_has_both_ends():
    ends: dict[str, list[str]] = {}
    for path in [*SOURCE.rglob("*.h"), *SOURCE.rglob("*.c"), *CYTHON]:
        for label in re.findall(r"SYNC ([a-z][a-z0-9-]+)", path.read_text()):
            ends.setdefault(label, []).append(path.name)
    assert ends
    for label, places in ends.items():
        assert len(places) >= 2, f"SYNC {label} has only one end, in {places}"


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_stay_small(path):
    """Half of all functions in code that people call elegant have 3-7 lines, nine in ten fit in 25."""
    text = path.read_text()
    assert text.count("\n") <= 450, f"{path} has {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{path}:{node.lineno} {node.name} has {lines} lines"


def test_public_things_have_docstrings_that_name_the_man_page():
    import unixipc

    for name in unixipc.__all__:
        thing = getattr(unixipc, name)
        assert thing.__doc__, name


def test_importing_us_imports_little():
    """What every program pays: no typing, dataclasses, socket, threading, asyncio behind its back."""
    code = "import sys; before = set(sys.modules); import unixipc; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path += {sys.path!r}; {code}"],
                          capture_output=True, text=True, timeout=60, check=True)  # fmt: skip
    heavy = {"typing", "dataclasses", "inspect", "socket", "threading", "asyncio", "enum", "re", "collections", "anyio"}
    assert not heavy & set(done.stdout.split())


def test_the_version_is_one():
    import unixipc

    assert f'version = "{unixipc.__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"version: '{unixipc.__version__}'" in (ROOT / "meson.build").read_text()
