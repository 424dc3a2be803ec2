"""Timers, read and sent as signals: G19."""

from __future__ import annotations

import errno
import math
import os
import signal
import threading
import time
from signal import SIGKILL, SIGRTMAX, SIGRTMIN, SIGUSR1

import pytest

from unixipc import ClosedError, Exited, Killed, Process, fork, pipe, sockets
from unixipc.signals import Counter, SignalInfo, SignalStream, SignalTimer, Timer, blocked, try_wait_for

from .alone import alone

WAIT = 20
ME = os.getpid
SI_TIMER = -2
CLOCKS = ["monotonic", "realtime", "boottime"]


def now(clock):
    return time.clock_gettime(getattr(time, f"CLOCK_{clock.upper()}"))


# read -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", CLOCKS)
def test_G19_it_expires_not_before_its_time_and_once(clock):
    with Timer(1000, clock=clock) as timer:
        assert timer.try_wait() is None and 900 < timer.left().seconds <= 1000
        began = now(clock)
        timer.set(0.02)
        assert timer.wait(WAIT) == 1
        assert now(clock) - began >= 0.02
        assert timer.left() is None and timer.try_wait() is None
        with pytest.raises(TimeoutError):
            timer.wait(0.03)


@pytest.mark.parametrize("clock", CLOCKS)
def test_G19_a_moment_of_the_clock(clock):
    moment = now(clock) + 0.02
    with Timer(at_seconds=moment, clock=clock) as timer:
        assert timer.wait(WAIT) == 1 and now(clock) >= moment
        timer.set(at_seconds=1)
        assert timer.wait(WAIT) == 1, "a moment that has passed is at once"


def test_G19_each_time_is_counted_however_late_one_looks():
    began = time.monotonic()
    with Timer(every_seconds=0.001) as timer:
        assert timer.left().every_seconds == 0.001
        time.sleep(0.02)
        late = timer.wait(WAIT)
        count = late + sum(timer.wait(WAIT) for _ in range(5))
        assert late >= 19
        assert count <= (time.monotonic() - began) * 1000 + 1


def test_0_is_at_once_and_the_rest_as_set():
    with Timer(0, 1000) as timer:
        assert timer.wait(WAIT) == 1
        left = timer.left()
        assert 900 < left.seconds <= 1000 and left.every_seconds == 1000


def test_stop_and_set_forget_what_was_not_read():
    with Timer(0) as timer:
        time.sleep(0.01)
        timer.stop()
        assert timer.try_wait() is None and timer.left() is None
        timer.set(0)
        time.sleep(0.01)
        timer.set(100)
        assert timer.try_wait() is None
    with Timer() as off:
        assert off.left() is None and off.try_wait() is None


def test_a_timer_that_is_off_may_be_set_under_a_wait():
    with Timer() as timer:
        setting = threading.Timer(0.05, timer.set, (0.001,))
        setting.start()
        assert timer.wait(WAIT) == 1
        setting.join()


@pytest.mark.parametrize(
    "bad",
    [
        {"seconds": -1},
        {"seconds": math.nan},
        {"seconds": math.inf},
        {"seconds": 1e10},
        {"every_seconds": 0},
        {"every_seconds": -1},
        {"every_seconds": 1e-10},
        {"at_seconds": -1},
        {"seconds": 1, "at_seconds": 1},
        {"clock": "sundial"},
        {"clock": "process_cpu"},
        {"seconds": 1, "clock": "realtime", "cancelled_by_clock_set": True},
        {"at_seconds": 1, "clock": "monotonic", "cancelled_by_clock_set": True},
    ],
    ids=str,
)
def test_bad_times_are_refused_and_leave_nothing_open(bad):
    with pytest.raises(ValueError):
        Timer(**bad)
    if "clock" not in bad:
        with pytest.raises(ValueError):
            SignalTimer(SIGRTMIN, **bad)
    with Timer(100) as timer:
        with pytest.raises(ValueError, match="stop"):
            timer.set()
        assert timer.left() is not None


def test_a_time_that_is_no_number_is_a_type_error():
    for bad in ("1", [1], b""):
        with pytest.raises(TypeError):
            Timer(bad)
        with pytest.raises(TypeError):
            SignalTimer(SIGRTMIN, bad)


def test_waking_the_machine_needs_a_privilege():
    def child():
        if os.geteuid() == 0:
            os.setresuid(54321, 54321, 54321)
        with pytest.raises(PermissionError) as caught:
            Timer(clock="realtime_alarm")
        assert "CAP_WAKE_ALARM" in caught.value.__notes__[0]
        with pytest.raises(OSError) as caught:
            SignalTimer(SIGRTMIN, clock="boottime_alarm")
        why = {errno.EPERM: "CAP_WAKE_ALARM", errno.EOPNOTSUPP: "no clock that could wake it"}
        assert why[caught.value.errno] in caught.value.__notes__[0]

    with fork(child) as process:
        assert process.wait(WAIT) == Exited(0)


@pytest.mark.deep
def test_a_moment_is_cancelled_when_the_clock_is_set():
    """The clock is set to the time it shows: a microsecond late at most. Deep, as it is the whole machine's."""
    with Timer(at_seconds=time.time() + 1000, cancelled_by_clock_set=True, clock="realtime") as timer:
        assert timer.try_wait() is None
        try:
            time.clock_settime_ns(time.CLOCK_REALTIME, time.time_ns())
        except PermissionError as refused:
            pytest.skip(f"the clock may not be set here: {refused}")
        with pytest.raises(OSError) as caught:
            timer.wait(WAIT)
        assert caught.value.errno == errno.ECANCELED and "clock was set" in caught.value.__notes__[0]
        assert timer.try_wait() is None and 900 < timer.left().seconds <= 1000, "it runs on"


def test_closing_ends_a_wait_in_another_thread():
    timer, errors = Timer(), []

    def waits():
        try:
            timer.wait(WAIT)
        except ClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=waits)
    thread.start()
    time.sleep(0.05)
    timer.close()
    thread.join()
    timer.close()
    assert len(errors) == 1
    for use in (timer.try_wait, timer.left, timer.stop, lambda: timer.set(1)):
        with pytest.raises(ClosedError):
            use()


def test_fates_fork_shares_it_and_an_expiration_is_read_once():
    with Timer(0.01) as timer:
        with fork(lambda: timer.wait(WAIT) - 1) as child:
            assert child.wait(WAIT) == Exited(0)
        assert timer.try_wait() is None


def test_fates_a_handle_in_another_process_keeps_it_after_kill_9():
    here, there = sockets.pair()
    with here, there:

        def child():
            with Timer(0.1) as timer:
                there.send(b"x", descriptors=[timer])
                os.kill(ME(), SIGKILL)

        with fork(child) as process:
            got = here.receive(1, max_descriptors=1, timeout=WAIT)
            assert process.wait(WAIT) == Killed(SIGKILL)
        with got.descriptors[0] as timer:
            os.set_blocking(timer.fileno(), True)
            assert int.from_bytes(os.read(timer.fileno(), 8), "little") == 1


# sent -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stream", "try_wait_for"])
def test_G19_a_signal_with_its_value_its_timer_and_what_it_missed(how):
    def child():
        with blocked(SIGRTMIN), SignalTimer(SIGRTMIN, every_seconds=0.001, value=-7) as timer:
            time.sleep(0.05)
            if how == "stream":
                with SignalStream(SIGRTMIN) as stream:
                    info = stream.receive(WAIT)
            else:
                info = try_wait_for([SIGRTMIN])
            assert timer.overrun >= info.overrun >= 40, "all of them but the one that was sent"
            expected = SignalInfo(SIGRTMIN, 0, 0, SI_TIMER, -7, 0, timer=timer.id, overrun=info.overrun)
            assert info == expected

    with fork(child) as process:
        assert process.wait(WAIT) == Exited(0)


def test_G19_two_timers_are_told_apart():
    with SignalStream(SIGRTMIN) as stream, SignalTimer(SIGRTMIN, 0) as one, SignalTimer(SIGRTMIN, 0) as other:
        assert one.id != other.id
        assert {stream.receive(WAIT).timer, stream.receive(WAIT).timer} == {one.id, other.id}


def test_a_thread_that_does_not_block_it_gives_it_back_whole(other_thread):
    with (
        SignalStream(SIGRTMIN) as stream,
        SignalTimer(SIGRTMIN, 0, value=5, thread=other_thread.native_id) as timer,
    ):
        assert stream.receive(WAIT) == SignalInfo(SIGRTMIN, 0, 0, SI_TIMER, 5, 0, timer=timer.id)


def test_a_counter_gets_its_value():
    with Counter(SIGRTMIN) as counter, SignalTimer(SIGRTMIN, 0.001, value=41):
        assert counter.wait(WAIT) == 1 and counter.last_value == 41


def test_it_may_go_to_one_thread():
    thread_id, go, taken = [], threading.Event(), []

    def takes():
        with blocked(SIGRTMIN):
            thread_id.append(threading.get_native_id())
            go.wait(WAIT)
            while not taken:
                taken.extend(filter(None, [try_wait_for([SIGRTMIN])]))
                time.sleep(0.001)

    with blocked(SIGRTMIN):
        thread = threading.Thread(target=takes)
        thread.start()
        while not thread_id:
            time.sleep(0.001)
        with SignalTimer(SIGRTMIN, 0, value=3, thread=thread_id[0]):
            time.sleep(0.01)
            assert try_wait_for([SIGRTMIN]) is None, "it is not the process's"
            go.set()
            thread.join(WAIT)
    assert taken[0].value == 3


@alone
def test_time_on_a_processor_is_counted_not_time():
    with blocked(SIGUSR1), SignalTimer(SIGUSR1, 0.02, clock="process_cpu") as timer:
        time.sleep(0.05)
        assert try_wait_for([SIGUSR1]) is None and timer.left().seconds > 0
        while (info := try_wait_for([SIGUSR1])) is None:
            sum(range(10_000))
        assert info.timer == timer.id and time.process_time() >= 0.02


def test_set_stop_left():
    with SignalStream(SIGRTMIN) as stream, SignalTimer(SIGRTMIN) as timer:
        assert timer.left() is None
        timer.set(100, 5)
        left = timer.left()
        assert 90 < left.seconds <= 100 and left.every_seconds == 5
        timer.stop()
        assert timer.left() is None
        timer.set(at_seconds=time.monotonic() + 0.01)
        assert stream.receive(WAIT).timer == timer.id
        assert repr(timer) == f"<SignalTimer of signal {SIGRTMIN} id {timer.id}>"
    assert timer.closed and "closed" in repr(timer)
    for use in (
        timer.left,
        timer.stop,
        timer.check_open,
        lambda: timer.set(1),
        lambda: timer.id,
        lambda: timer.overrun,
    ):
        with pytest.raises(ClosedError):
            use()
    timer.close()


@pytest.mark.parametrize("bad", [65, -1, 1000])
def test_what_is_no_signal_or_no_thread_of_ours_is_refused(bad):
    with pytest.raises(OSError) as caught:
        SignalTimer(bad)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(OSError) as caught:
        SignalTimer(SIGRTMIN, thread=1)
    assert caught.value.errno == errno.EINVAL and "thread" in caught.value.__notes__[0]
    for value in (2**31, -(2**31) - 1):
        with pytest.raises(ValueError, match="32"):
            SignalTimer(SIGRTMIN, value=value)
    with pytest.raises(ValueError, match="thread"):
        SignalTimer(SIGRTMIN, thread=0)


def test_the_library_s_own_signal_is_refused():
    with pytest.raises(OSError) as caught:
        SignalTimer(SIGRTMAX)
    assert caught.value.errno == errno.EBUSY


def timers_of(pid):
    with open(f"/proc/{pid}/timers") as lines:
        return sum(line.startswith("ID:") for line in lines)


@pytest.mark.skipif(not os.path.exists("/proc/self/timers"), reason="this kernel does not list timers in /proc")
def test_fates_the_kernel_has_it_until_close_or_the_last_reference_and_a_forked_child_has_none():
    before = timers_of(ME())
    timer, dropped = SignalTimer(SIGRTMIN, 100), SignalTimer(SIGRTMIN, 100)
    assert timers_of(ME()) == before + 2
    del dropped
    assert timers_of(ME()) == before + 1

    def child():
        assert timers_of(ME()) == 0 and timer.closed
        with pytest.raises(ClosedError, match="forked"):
            timer.left()
        timer.close()
        own = SignalTimer(SIGRTMIN, 100)
        assert timers_of(ME()) == 1
        own.close()

    with fork(child) as process:
        assert process.wait(WAIT) == Exited(0)
    assert timer.left() is not None
    timer.close()
    assert timers_of(ME()) == before


@pytest.mark.skipif(not os.path.exists("/proc/self/timers"), reason="this kernel does not list timers in /proc")
def test_fates_exec_deletes_it():
    def child():
        timer = SignalTimer(SIGUSR1, 100)
        assert timer.left() is not None
        os.execvp("cat", ["cat", "/proc/self/timers"])

    reader, writer = pipe()

    def into_pipe():
        writer.dup2(1)
        child()

    with reader:
        with writer, fork(into_pipe) as process:
            assert process.wait(WAIT) == Exited(0)
        assert reader.read(1000, timeout=WAIT) == b""


def test_fates_an_unhandled_one_ends_the_process_and_kill_9_leaves_nothing():
    def child():
        with SignalTimer(SIGUSR1, 0.001):
            time.sleep(WAIT)

    with fork(child) as process:
        assert process.wait(WAIT) == Killed(signal.SIGUSR1)
    with fork(lambda: (SignalTimer(SIGUSR1, 100), os.kill(ME(), SIGKILL))) as process, Process(process.pid) as handle:
        handle.wait_end(WAIT)
        assert process.wait(WAIT) == Killed(SIGKILL)
