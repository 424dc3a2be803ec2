"""What two looks tell together: rates, what is new, what is gone, how long a wait is seen. No machine is needed."""

from __future__ import annotations

import pytest

from unixipc.cli.screen.changes import Change, History, Numbers, key_of, numbers_of, wait_key
from unixipc.cli.screen.looking import period_s
from unixipc.cli.screen.tables import compact, duration
from unixipc.inspector.channels import ChannelRow, TopicRow
from unixipc.inspector.locks import LockRow
from unixipc.inspector.system_v import QueueRow, SemaphoreRow, SetRow
from unixipc.inspector.waits import Wait


def a_channel(**numbers):
    known = {"depth": 0, "used_bytes": 0, "sent": 0, "received": 0, "dropped": 0, "refused": 0} | numbers
    return ChannelRow(
        "channel", "frames", "/dev/shm/x", 0o600, 0, 1 << 20, "wait", False, None,
        *(known[name] for name in ("depth", "used_bytes", "sent", "received", "dropped", "refused")),
        (), (), (), None, (),
    )  # fmt: skip


class Subscriber:
    def __init__(self, lag, missed):
        self.lag, self.missed = lag, missed


def a_topic(published, *subscribers):
    told = tuple(Subscriber(*each) for each in subscribers)
    return TopicRow("topic", "prices", "/x", 0o600, 0, 64, "wait", False, None, 1, published, 0, (), told, (), ())


def a_queue(number, messages, used=0):
    return QueueRow("sysv-queue", number, 1, 0o600, 0, 0, 0, 0, messages, used, 16384, 0, 0, None, None, None)


def a_wait(pid, kind="pipe", of=7):
    return Wait(pid, pid, "sh", "read", kind, of, "reads", "it is empty", (), False, False)


def only(changes):
    (change,) = changes.of.values()
    return change


def test_the_first_look_has_no_rates_and_nothing_is_new():
    changes = History().next(10.0, [a_channel(sent=500)], [])
    assert only(changes) == Change(False, frozenset(), None, None, None, None)
    assert (changes.new, changes.gone, changes.elapsed_s) == (0, (), None)


def test_rates_are_per_second_of_the_time_between():
    history = History()
    history.next(10.0, [a_channel(sent=100, received=90, depth=10, dropped=1)], [])
    change = only(history.next(12.5, [a_channel(sent=350, received=100, depth=250, dropped=11)], []))
    assert (change.entered_s, change.left_s, change.growth_s, change.lost_s) == (100.0, 4.0, 96.0, 4.0)
    assert change.changed == {"sent", "received", "depth", "dropped"}
    change = only(history.next(13.5, [a_channel(sent=350, received=100, depth=250, dropped=11)], []))
    assert (change.entered_s, change.left_s, change.growth_s, change.lost_s) == (0.0, 0.0, 0.0, 0.0)
    assert change.changed == frozenset()


def test_what_appears_is_new_once_and_what_vanishes_is_gone_once():
    history = History()
    history.next(1.0, [a_queue(1, 5)], [])
    changes = history.next(2.0, [a_queue(2, 7)], [])
    assert changes.of["sysv-queue", 2].is_new and changes.new == 1 and changes.of["sysv-queue", 2].growth_s is None
    assert [row.id for row in changes.gone] == [1]
    changes = history.next(3.0, [a_queue(2, 9)], [])
    assert (changes.new, changes.gone) == (0, ()) and changes.of["sysv-queue", 2].growth_s == 2.0
    changes = history.next(4.0, [a_queue(1, 5), a_queue(2, 9)], [])
    assert changes.of["sysv-queue", 1].is_new, "it was gone: this is another"


def test_counters_that_begin_anew_give_no_rate_but_at_the_next_look():
    history = History()
    history.next(1.0, [a_channel(sent=1000, received=1000, depth=3)], [])
    change = only(history.next(2.0, [a_channel(sent=20, received=10, depth=10)], []))
    assert (change.entered_s, change.left_s, change.growth_s, change.lost_s) == (None, None, None, None)
    assert not change.is_new and "sent" in change.changed
    change = only(history.next(3.0, [a_channel(sent=25, received=10, depth=15)], []))
    assert (change.entered_s, change.left_s, change.growth_s) == (5.0, 0.0, 5.0)


def test_what_a_subscriber_missed_goes_with_him_and_is_no_gain():
    history = History()
    history.next(1.0, [a_topic(10, (2, 100), (0, 0))], [])
    change = only(history.next(2.0, [a_topic(30, (0, 4))], []))
    assert change.entered_s == 20.0 and change.lost_s is None
    change = only(history.next(3.0, [a_topic(50, (0, 10))], []))
    assert change.lost_s == 6.0


def test_two_looks_at_one_moment_divide_by_nothing():
    history = History()
    history.next(1.0, [a_channel(sent=1)], [])
    assert only(history.next(1.0, [a_channel(sent=2)], [])).entered_s is None


def test_what_may_not_be_read_has_no_rate():
    history = History()
    nothing = dict.fromkeys(("depth", "used_bytes", "sent", "received", "dropped", "refused"))
    history.next(1.0, [a_channel(**nothing)], [])
    change = only(history.next(2.0, [a_channel(**nothing)], []))
    assert (change.entered_s, change.left_s, change.growth_s, change.lost_s) == (None,) * 4
    change = only(history.next(3.0, [a_channel(sent=5, depth=5)], []))  # and now it may
    assert change.entered_s is None and "sent" in change.changed


def test_a_wait_is_seen_for_as_long_as_each_look_saw_it_but_one():
    history = History()
    assert history.next(1.0, [], [a_wait(5)]).waiting_s == {wait_key(a_wait(5)): 0.0}
    assert history.next(2.0, [], [a_wait(5), a_wait(6)]).waiting_s == {
        wait_key(a_wait(5)): 1.0,
        wait_key(a_wait(6)): 0.0,
    }
    assert history.next(3.0, [], [a_wait(6)]).waiting_s == {wait_key(a_wait(6)): 1.0}
    assert history.next(4.0, [], [a_wait(5)]).waiting_s == {wait_key(a_wait(5)): 3.0}, "it turned over in its sleep"
    history.next(5.0, [], [])
    history.next(6.0, [], [])
    assert history.next(7.0, [], [a_wait(5)]).waiting_s == {wait_key(a_wait(5)): 0.0}


def test_a_wait_for_another_thing_is_another_wait():
    history = History()
    history.next(1.0, [], [a_wait(5, of=7)])
    assert history.next(9.0, [], [a_wait(5, of=8)]).waiting_s == {wait_key(a_wait(5, of=8)): 0.0}


def test_locks_of_one_file_are_told_apart():
    whole = LockRow("lock", "fe:00:1", "flock", "/x", False, 0, 0, 5, (5,), ())
    part = LockRow("lock", "fe:00:1", "posix", "/x", False, 0, 10, 6, (6,), ())
    assert key_of(whole) != key_of(part)
    assert len(History().next(1.0, [whole, part], []).of) == 2


def test_each_kind_has_its_numbers():
    one = SemaphoreRow(0, 4, 1, 2, 0)
    several = SetRow("sysv-set", 1, 1, 0o600, 0, 0, 0, 0, 2, (one, one), None, 0)
    unread = SetRow("sysv-set", 1, 1, 0o600, 0, 0, 0, 0, 1, None, None, 0)
    single = SetRow("sysv-set", 1, 1, 0o600, 0, 0, 0, 0, 1, (one,), None, 0)
    assert [numbers_of(each).depth for each in (several, unread, single)] == [None, None, 4]
    assert numbers_of(a_topic(9, (3, 1), (7, 2))) == Numbers(None, 1, 9, None, 3, 7)
    assert numbers_of(a_queue(1, 3, 12)) == Numbers(3, 12)


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, ""), (0, "0"), (0.04, "0.0"), (0.5, "0.5"), (3.0, "3"), (99.6, "100"), (9999, "9999"), (12345, "12.3k"),
     (999_999, "1000k"), (1_500_000, "1.5M"), (1 << 40, "1.1T"), (-12, "-12"), (-12345, "-12.3k")],
)  # fmt: skip
def test_numbers_fit_into_six_places(number, text):
    assert compact(number) == text and len(text) <= 6


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (60, "1:00"), (187, "3:07"), (7387, "2:03:07")]
)
def test_times_are_as_ps_has_them(seconds, text):
    assert duration(seconds) == text


def test_a_look_that_costs_much_comes_less_often():
    assert period_s(1.0, 0.01) == 1.0
    assert period_s(1.0, 1.2) == pytest.approx(3.6)
    assert period_s(10.0, 1.2) == 10.0
