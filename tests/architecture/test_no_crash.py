"""Native objects that were made but never begun, methods of another class's objects, and odd arguments to everything:
errors, no crash."""

from __future__ import annotations

import copy
import gc
import importlib
import itertools
import os
import pathlib
import pickle
import re
import signal
import types
import warnings

import pytest

import unixipc._native
from unixipc import EventFd, Exited, fork
from unixipc._native.socket import Endpoint
from unixipc._native.wait import Interrupt

WAIT = 60
NATIVE = pathlib.Path(unixipc._native.__file__).parent
NAMES = sorted(path.stem for path in NATIVE.glob("*.pyi"))
MODULES = [f"unixipc._native.{name}" for name in NAMES] + ["unixipc._wait", "unixipc.compat.sysv_ipc._window"]
ODD = [(), (None,), (None,) * 2, (None,) * 3, (None,) * 4, ([],), ([], False, 1), ([None], False, 1), ([1], False, 0),
       (0,), (-1,), (2**31,), (2**63,), (-(2**63),), (2**200,), (1.5,), (b"",), ("\0",), (b"a\0b",), (object(),),
       (2**62,) * 2, (2**63 - 1,) * 2, ("x",) * 2, ({},), (int,), (10,) * 4]  # fmt: skip
OF_PYTHON = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement
SOURCE = pathlib.Path(__file__).parents[2] / "src" / "unixipc"
LEFT_ALONE = {"__class__", "__init_subclass__", "__subclasshook__", "__new__", "__del__"}


def native_classes():
    for name in MODULES:
        module = importlib.import_module(name)
        for each in vars(module).values():
            if isinstance(each, type) and each.__module__ == module.__name__ and not each.__flags__ & OF_PYTHON:
                yield pytest.param(each, id=f"{name.rpartition('.')[2]}.{each.__name__}")


def in_own_process(run):
    def child():
        warnings.simplefilter("ignore")
        signal.alarm(WAIT // 2)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.setsid()
        run()
        os._exit(0)

    with fork(child) as process:
        assert process.wait(timeout=WAIT) == Exited(0)


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


SOME = (None, -1, 1, 2**62, b"x", "x", (), Endpoint)
HARMLESS = ("file", "glance", "look", "pipe", "seqlock", "socket", "wait", "mapping", "lease")
"""Modules whose functions do nothing to other processes, nor to files when no descriptor is open."""


@pytest.mark.parametrize("name", HARMLESS)
def test_a_function_takes_anything(name):
    def run():
        os.closerange(3, 1 << 16)
        module = importlib.import_module(f"unixipc._native.{name}")
        for each in vars(module).values():
            if isinstance(each, types.BuiltinFunctionType) and not each.__name__.startswith("sleep"):
                for args in (*ODD, *(args for n in range(5) for args in itertools.product(SOME, repeat=n))):
                    attempt(each, *args)

    in_own_process(run)


@pytest.mark.parametrize("cls", list(native_classes()))
def test_what_was_never_begun_takes_anything(cls):
    def run():
        poke(attempt(cls.__new__, cls))
        for args in ODD:
            attempt(cls, *args)

    in_own_process(run)


class Stranger:
    """An object of no native class, with an attribute that many of those have."""

    name = "stranger"


def strangers(cls):
    for each in (None, 1, "x", (), object(), Stranger(), Stranger, pickle, BaseException(), EventFd(), Interrupt()):
        if not isinstance(each, cls):
            yield each


def takes(function, *args):
    """Whether it does anything but refuse the types of what it is given."""
    try:
        function(*args)
    except (TypeError, AttributeError):
        return False
    except Exception:
        pass
    return True


def takes_strangers(cls):
    """What the class has that uses an object of another class as its own."""
    taken = set()
    for name, each in vars(cls).items():
        if name in LEFT_ALONE or isinstance(each, staticmethod | classmethod | type):
            continue
        for wrong in strangers(cls):
            if callable(each) and any(takes(each, wrong, *args) for args in ODD):
                taken.add(name)
            if wrong is not None and hasattr(each, "__set__") and takes(each.__get__, wrong):
                taken.add(name)
    return taken


@pytest.mark.parametrize("cls", list(native_classes()))
def test_an_unbound_method_refuses_an_object_of_another_class(cls):
    def run():
        assert not takes_strangers(cls)

    in_own_process(run)


@pytest.mark.skipif(not SOURCE.is_dir(), reason="this test looks at the checkout, which is not here")
@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.pyx")), ids=lambda path: path.name)
def test_every_native_source_has_its_methods_checked(path):
    """With `binding=True`, Cython's default, an unbound method trusts whatever it is given as its object."""
    directives = re.match(r"(# cython:.*\n)+", path.read_text())
    assert directives, path
    assert re.search(r"\bbinding=False\b", directives[0]), path
    assert re.search(r"\bauto_pickle=False\b", directives[0]), path


@pytest.mark.parametrize("cls", list(native_classes()))
def test_a_native_class_has_no_pickling_that_nobody_wrote(cls):
    """Cython's own `__setstate_cython__` believes what it is given, also about memory and numbers."""
    assert not hasattr(cls, "__setstate_cython__")
