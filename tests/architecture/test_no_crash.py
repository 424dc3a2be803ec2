"""Native objects that were made but never begun, and odd arguments to everything they have: errors, no crash."""

from __future__ import annotations

import copy
import gc
import importlib
import os
import pickle
import signal
import warnings

import pytest

from unixipc import Exited, fork

WAIT = 60
MODULES = ("descriptor", "locks", "mapping", "posix", "signals")
ODD = [(), (None,), (None,) * 2, (None,) * 3, (None,) * 4, ([],), ([], False, 1), ([None], False, 1), ([1], False, 0),
       (0,), (-1,), (2**31,), (2**63,), (-(2**63),), (2**200,), (1.5,), (b"",), ("\0",), (b"a\0b",), (object(),),
       (2**62,) * 2, (2**63 - 1,) * 2, ("x",) * 2, ({},), (int,), (10,) * 4]  # fmt: skip
LEFT_ALONE = {"__class__", "__init_subclass__", "__subclasshook__", "__new__", "__del__"}


def native_classes():
    for name in MODULES:
        module = importlib.import_module(f"unixipc._native.{name}")
        for each in vars(module).values():
            if isinstance(each, type) and each.__module__ == module.__name__:
                yield pytest.param(each, id=f"{name}.{each.__name__}")


def attempt(call, *args):
    try:
        return call(*args)
    except Exception:  # any error will do: what counts is that there is a process to see it
        return None


def poke(made):
    """Everything that it has, with everything odd."""
    for name in sorted(set(dir(type(made))) - LEFT_ALONE):
        attribute = attempt(getattr, made, name)
        if callable(attribute):
            for args in ODD:
                attempt(attribute, *args)
    for look in (repr, hash, bool, len, iter, pickle.dumps, copy.copy, copy.deepcopy):
        attempt(look, made)
    attempt(getattr(made, "close", int))
    gc.collect()


@pytest.mark.parametrize("cls", list(native_classes()))
def test_what_was_never_begun_takes_anything(cls):
    def child():
        warnings.simplefilter("ignore")
        signal.alarm(WAIT // 2)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.setsid()
        poke(attempt(cls.__new__, cls))
        for args in ODD:
            attempt(cls, *args)
        os._exit(0)

    with fork(child) as process:
        assert process.wait(timeout=WAIT) == Exited(0)
