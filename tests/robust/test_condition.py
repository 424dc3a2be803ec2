"""A condition: to sleep until somebody says that the shared state has changed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from unixipc import ClosedError, OwnerDied, fork, robust

WAIT = 20
PATIENCE = 0.05


@pytest.fixture
def condition(memory):
    with_it = robust.Condition.create(memory)
    yield with_it
    with_it.close()


def test_a_waiter_gives_the_mutex_up_and_has_it_again(condition, memory):
    def change():
        with condition:
            memory.buffer[100] = 1
            condition.notify()

    timer = threading.Timer(PATIENCE, change)
    with condition:
        timer.start()
        assert condition.wait_for(lambda: memory.buffer[100], timeout=WAIT) == 1
        assert condition.held
    timer.join()


def test_a_time_out_leaves_it_held(condition):
    with condition:
        with pytest.raises(TimeoutError):
            condition.wait(timeout=0.01)
        assert condition.held
        with pytest.raises(TimeoutError):
            condition.wait_for(lambda: False, timeout=0.01)
        assert condition.held
        assert condition.wait_for(lambda: "now", timeout=0) == "now"


def test_it_must_be_held(condition):
    for use in (condition.wait, condition.notify, condition.notify_all, lambda: condition.wait_for(lambda: False)):
        with pytest.raises(RuntimeError, match="not held"):
            use()
    with condition, pytest.raises(ValueError):
        condition.notify(0)


def test_processes_pass_a_ball(condition, memory, children):
    def play(me):
        for _ in range(200):
            with condition:
                condition.wait_for(lambda: memory.buffer[100] == me, timeout=WAIT)
                memory.buffer[100] = (me + 1) % 3
                condition.notify_all()

    for me in range(3):
        children.start(play, me)
    children.all_succeed()
    assert memory.buffer[100] == 0


def test_all_are_woken(condition, memory, children, until):
    def wait():
        with condition:
            memory.buffer[100] += 1
            condition.wait(timeout=WAIT)

    children.start(wait, times=4)
    until(lambda: memory.buffer[100] == 4)
    with condition:
        condition.notify_all()
    children.all_succeed()


def test_a_killed_waiter_s_notification_reaches_another(condition, memory, until, children):
    """It may have been the killed one's. The other looks, sees that there was one, and is up."""

    def wait():
        with condition:
            memory.buffer[100] += 1
            condition.wait(timeout=WAIT)

    for _round in range(3):
        with fork(wait) as victim:
            until(lambda: memory.buffer[100] == 1)
            children.start(wait)
            until(lambda: memory.buffer[100] == 2)
            with condition:
                condition.notify()
                victim.kill()
            victim.wait(timeout=WAIT)
        try:
            condition.acquire()
        except OwnerDied:  # it was up already, and had the mutex
            condition.recover()
        memory.buffer[100] = 0
        condition.release()
        children.all_succeed()


def test_a_holder_s_death_is_told_to_one_who_comes_back(condition, victim):
    with ThreadPoolExecutor(1) as pool:
        told, held = [], threading.Event()

        def wait():
            with condition.hold():
                held.set()
                try:
                    condition.wait(timeout=WAIT)
                except OwnerDied as death:
                    told.append(death.pid)
                    condition.recover()

        waiting = pool.submit(wait)
        assert held.wait(WAIT)  # the victim gets it when the wait has given it up
        dead = victim(condition.acquire, condition.notify).kill()
        waiting.result(timeout=WAIT)
        assert told == [dead]


def test_closing_wakes_who_waits(condition):
    with ThreadPoolExecutor(1) as pool:

        def wait():
            with condition:
                condition.wait()

        waiting = pool.submit(wait)
        time.sleep(PATIENCE)
        condition.close()
        with pytest.raises(ClosedError):
            waiting.result(timeout=WAIT)


def test_a_with_that_tells_of_a_death_leaves_nothing_held(condition):
    with fork(condition.acquire) as child:
        child.wait(timeout=WAIT)
    for block in (condition, condition.hold()):
        with pytest.raises(OwnerDied) as caught, block:
            raise AssertionError("never here")
        assert caught.value.pid == child.pid and condition.suspect and not condition.held
    with condition.hold(repair=lambda death: None):
        condition.notify_all()
