"""How queues are made and found: Q02 and truth S18."""

import errno
import os

import pytest

from unixipc import Exited, fork, sysv
from unixipc.sysv import Key, MessageQueue

WAIT = 20


@pytest.fixture
def key():
    """A key that is free; what is made with it is removed."""
    key = Key.random()
    yield key
    try:
        MessageQueue.open(key).remove()
    except FileNotFoundError:
        pass


def test_Q02_create_makes_an_empty_queue_and_refuses_a_key_in_use(key):
    queue = MessageQueue.create(key)
    assert (queue.key, len(queue), queue.stat().permissions.mode) == (key, 0, 0o600)
    with pytest.raises(FileExistsError) as refused:
        MessageQueue.create(key)
    assert refused.value.errno == errno.EEXIST
    assert f"{key:08x}" in refused.value.filename
    assert refused.value.__notes__[0].startswith("msgget(2)")


@pytest.mark.parametrize("mode", [0o000, 0o600, 0o644, 0o777])
def test_Q02_the_mode_is_exactly_what_was_asked_whatever_the_umask(mode):
    before = os.umask(0o777)
    try:
        with MessageQueue.temporary(mode) as queue:
            assert queue.stat().permissions.mode == mode
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [-1, 0o1000])
def test_Q02_what_is_no_mode_is_refused(key, mode):
    with pytest.raises(ValueError, match="permissions"):
        MessageQueue.create(key, mode)
    with pytest.raises(FileNotFoundError):
        MessageQueue.open(key)


def test_Q02_open_wants_a_queue_that_exists(key):
    with pytest.raises(FileNotFoundError) as refused:
        MessageQueue.open(key)
    assert refused.value.errno == errno.ENOENT
    assert "IPC namespace" in refused.value.__notes__[0]


def test_Q02_ensure_makes_it_once_and_then_opens_it(key):
    assert MessageQueue.ensure(key).id == MessageQueue.ensure(key).id == MessageQueue.open(key).id


def test_Q02_many_processes_ensure_one_queue(key):
    """Each sends its pid and the id that it got: one id, and no message went elsewhere."""

    def child():
        queue = MessageQueue.ensure(key)
        queue.send(b"%d" % queue.id, os.getpid(), timeout=WAIT)

    children = [fork(child) for _ in range(8)]
    for each in children:
        with each:
            assert each.wait(timeout=WAIT) == Exited(0)
    queue = MessageQueue.open(key)
    told = [queue.receive(timeout=0) for _ in children]
    assert len(queue) == 0
    assert {message.type for message in told} == {each.pid for each in children}
    assert {message.body for message in told} == {b"%d" % queue.id}


@pytest.mark.parametrize("make", [MessageQueue.create, MessageQueue.ensure])
def test_S18_the_private_key_always_makes_a_new_queue(make):
    one, other = make(Key.PRIVATE), make(0)
    try:
        assert one.id != other.id
        assert one.key == other.key == Key.PRIVATE
    finally:
        one.remove()
        other.remove()


def test_S18_the_private_key_opens_nothing():
    with pytest.raises(ValueError, match="names no object"):
        MessageQueue.open(Key.PRIVATE)


def test_S18_a_key_is_unique_for_one_kind_of_object_only(key):
    queue = MessageQueue.create(key)
    values = sysv.SemaphoreSet.create(key, [1])
    memory = sysv.SharedMemory.create(key, 4096)
    assert queue.key == values.key == memory.key == key
    values.remove()
    memory.remove()


def test_Q02_an_id_makes_a_handle_that_knows_the_key(key):
    queue = MessageQueue.create(key)
    assert (MessageQueue(queue.id).key, MessageQueue(queue.id).id) == (key, queue.id)
