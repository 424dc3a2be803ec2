"""A timeout is any number. It is looked at once, before anything else: to convert or to compare it may run Python code,
which may close what the call is about."""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from decimal import Decimal
from fractions import Fraction

import pytest

from unixipc import Exited, _wait, fork

WAIT = 60


@pytest.mark.parametrize("timeout", [Fraction(1, 100), Decimal("0.01"), True, 10**400, Fraction(10**400), 0, 0.01])
def test_a_deadline_keeps_a_plain_number(timeout):
    deadline = _wait.Deadline(timeout)
    assert type(deadline.timeout) in (int, float)
    seconds = min(timeout, 3_000_000_000) if timeout < 10**9 else 3_000_000_000
    assert deadline.at_ns - deadline.began_ns == int(float(seconds) * 1e9)


@pytest.mark.parametrize("timeout", [-1, Fraction(-1, 3), Decimal("-0.1"), float("nan"), Decimal("NaN"), -(10**400)])
def test_what_is_no_time_is_refused(timeout):
    with pytest.raises(ValueError, match="timeout must be None or at least 0 seconds"):
        _wait.Deadline(timeout)


@pytest.mark.parametrize("timeout", ["1", b"1", (), object(), 1j])
def test_what_is_no_number_is_refused(timeout):
    with pytest.raises(TypeError):
        _wait.Deadline(timeout)


def test_a_wait_takes_a_fraction(waits):
    with pytest.raises(TimeoutError):
        waits.wait(Fraction(1, 50))


class Meddler:
    """A number that, when it is converted, closes everything that a wait is about."""

    def __init__(self, waits):
        self.waits, self.asked = waits, 0

    def __float__(self):
        self.asked += 1
        with contextlib.suppress(Exception):
            self.waits.close()
        return 0.01

    def __le__(self, other):
        raise AssertionError("a timeout was compared")

    __lt__ = __gt__ = __ge__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __le__


def test_a_timeout_that_closes_what_is_waited_for_does_no_harm(waits, tmp_path):
    kind = type(waits)
    waits.close()
    (tmp_path / "again").mkdir()

    def child():
        warnings.simplefilter("ignore")
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(WAIT // 2)
        begun = kind(tmp_path / "again")
        meddler = Meddler(begun)
        with contextlib.suppress(ValueError, OSError, RuntimeError, EOFError):
            begun.wait(meddler)
        os._exit(0 if meddler.asked in (1, 2) else 3)

    with fork(child) as started:
        assert started.wait(timeout=WAIT) == Exited(0)
