"""Each class that is closed or left tells its five fates: in its own words, or it names the class whose they are."""

from __future__ import annotations

import importlib
import re

import pytest

ROOMS = ("signals", "locks", "mapping", "posix")
FATES = ("close", "remove", "fork", "exec", "kill -9")
AS_OF = re.compile(r"five\s+fates\s+too,\s+as\s+of\s+`(\w+)`")


def handles():
    for room in ROOMS:
        module = importlib.import_module(f"unixipc.{room}")
        for name in module.__all__:
            each = getattr(module, name)
            if isinstance(each, type) and (hasattr(each, "close") or hasattr(each, "__exit__")):
                yield pytest.param(module, each, id=f"{room}.{name}")


def fates_told(module, cls):
    text = cls.__dict__.get("__doc__") or ""
    if named := AS_OF.search(text):
        return fates_told(module, getattr(module, named[1]))
    assert "The five fates:" in text
    return [fate for fate in FATES if f"**{fate}**" in re.sub(r"\s+", " ", text)]


@pytest.mark.parametrize(("module", "cls"), list(handles()))
def test_it_tells_its_five_fates(module, cls):
    assert fates_told(module, cls) == list(FATES)


def test_they_are_all_here():
    assert len(list(handles())) >= 11
