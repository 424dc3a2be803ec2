"""What a type checker is told: mypy reads `programs/`; where an error is expected there, a missing one is an error."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pathlib
import subprocess
import sys

import pytest

from unixipc import channel

HERE = pathlib.Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
SOURCE = HERE.parents[1] / "src"
WAYS = sorted((SOURCE / "unixipc").rglob("*ways.pyi"))

pytestmark = pytest.mark.skipif(not SOURCE.is_dir(), reason="these tests look at the checkout, which is not here")


def test_types_are_as_the_programs_say_and_the_examples_have_no_error(tmp_path):
    programs = sorted(map(str, [*(HERE / "programs").glob("*.py"), *EXAMPLES.rglob("*.py")]))
    options = ["--strict", "--follow-imports=silent", f"--cache-dir={tmp_path}", "--config-file="]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *programs],
        env=os.environ | {"MYPYPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WAYS, ids=lambda path: str(path.relative_to(SOURCE)))
def test_ways_take_what_the_code_takes(path):
    """Their stubs repeat the names and the order of the parameters."""
    stub = ast.parse(path.read_text())
    for cls in (each for each in stub.body if isinstance(each, ast.ClassDef)):
        for way in (each for each in cls.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)):
            made = way.returns.value.id if isinstance(way.returns, ast.Subscript) else way.returns.id
            told = [each.arg for each in (*way.args.args, *way.args.kwonlyargs)][1:]
            assert told == parameters(path, stub, made, way.name), f"{path.name}: {made}.{way.name}"


def parameters(path, stub, cls, method):
    origin = next(
        each for each in stub.body if isinstance(each, ast.ImportFrom) and cls in {a.name for a in each.names}
    )
    package = ".".join(path.parent.relative_to(SOURCE).parts)
    owner = getattr(importlib.import_module(f".{origin.module}", package), cls)
    return list(inspect.signature(owner if method == "__new__" else getattr(owner, method)).parameters)


def test_what_they_carry_can_be_named_at_run_time():
    with channel.Queue[bytes].anonymous() as queue:
        assert type(queue) is channel.Queue
    for each in (channel.Sender, channel.Receiver, channel.Topic, channel.Publisher, channel.Subscriber):
        assert each[int].__origin__ is each
