"""The same names and signatures: what waits is awaitable in the twin, what does not is as it was."""

from __future__ import annotations

import inspect

import pytest

from unixipc import EventFd, Fifo, PipeReader, PipeWriter, Process, aio, framing, pipeline, signals, sockets
from unixipc.pipeline import Pipeline
from unixipc.process import Child

TWINS = [
    (PipeReader, aio.PipeReader, {"read", "read_exactly"}),
    (PipeWriter, aio.PipeWriter, {"write", "write_all"}),
    (EventFd, aio.EventFd, {"add", "take"}),
    (Fifo, aio.Fifo, {"reader", "writer"}),
    (Process, aio.Process, {"wait_end"}),
    (Child, aio.Child, {"wait", "wait_end"}),
    (Pipeline, aio.Pipeline, {"run"}),
    (signals.SignalStream, aio.signals.SignalStream, {"receive"}),
    (signals.Counter, aio.signals.Counter, {"wait"}),
    (signals.Timer, aio.signals.Timer, {"wait"}),
    (framing.FrameReader, aio.framing.FrameReader, {"receive"}),
    (framing.FrameWriter, aio.framing.FrameWriter, {"send", "flush"}),
    (sockets.Connection, aio.sockets.Connection,
     {"read", "read_exactly", "write", "write_all", "send", "receive"}),
    (sockets.Listener, aio.sockets.Listener, {"accept"}),
    (sockets.Datagrams, aio.sockets.Datagrams, {"send_to", "receive_from"}),
]  # fmt: skip
METHODS = [(sync, twin, name) for sync, twin, names in TWINS for name in sorted(names)]


@pytest.mark.parametrize(("sync", "twin", "name"), METHODS, ids=lambda each: getattr(each, "__name__", each))
def test_a_waiting_method_is_awaitable_with_the_same_parameters(sync, twin, name):
    ours, theirs = getattr(twin, name), getattr(sync, name)
    assert inspect.iscoroutinefunction(ours)
    expected = list(inspect.signature(theirs).parameters)
    assert list(inspect.signature(ours).parameters) == expected
    assert "timeout" in expected


@pytest.mark.parametrize(("sync", "twin", "name"), METHODS, ids=lambda each: getattr(each, "__name__", each))
def test_every_waiting_method_has_a_try_that_never_waits(sync, twin, name):
    without_a_try = {"write_all", "run", "wait_end"}  # their try is another's: try_write; a program runs or does not
    if name in without_a_try:
        return
    for owner in (sync, twin):
        attempt = getattr(owner, f"try_{name}")
        assert not inspect.iscoroutinefunction(attempt)


def waiting_methods(cls):
    return {
        name
        for name, method in inspect.getmembers(cls, callable)
        if not name.startswith("_") and "timeout" in getattr(inspect_signature(method), "parameters", ())
    }


def inspect_signature(method):
    try:
        return inspect.signature(method)
    except (TypeError, ValueError):
        return None


@pytest.mark.parametrize(("sync", "twin", "names"), TWINS, ids=lambda each: getattr(each, "__name__", ""))
def test_no_waiting_method_is_missing_from_this_list(sync, twin, names):
    inherited = {"receive", "send"} if sync is sockets.Datagrams else set()
    inherited |= {"read", "write"} if sync is sockets.Datagrams else set()
    assert waiting_methods(sync) - inherited == names


def test_functions_too():
    for name in ("connect", "listen", "bind"):
        assert inspect.iscoroutinefunction(getattr(aio.sockets, name))
    for name in ("splice", "tee", "vmsplice", "wait_any"):
        assert inspect.iscoroutinefunction(getattr(aio, name))
    assert isinstance(aio.pipeline(["true"]), aio.Pipeline)
    assert isinstance(pipeline(["true"]), Pipeline)
