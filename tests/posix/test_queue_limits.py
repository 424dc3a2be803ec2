"""What limits a queue, and what the refusals say: R10. EINVAL and EMFILE mean other things everywhere else."""

from __future__ import annotations

import errno
import os
import resource

import pytest

from unixipc.posix import MessageQueue

WAIT = 20
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes sysctls")


def note_of(number, call, *args):
    with pytest.raises(OSError) as caught:
        call(*args)
    assert caught.value.errno == number
    return caught.value.__notes__[0]


@pytest.mark.parametrize("sizes", [(0, 10), (10, 0), (0, 0), (-1, 10), (10, -1), (2**31, 1), (1, 2**31), (2**63, 1)])
def test_R10_sizes_that_no_queue_has(sizes, limit):
    """0 is not a default."""
    note = note_of(errno.EINVAL, MessageQueue.temporary, *sizes)
    assert f"fs.mqueue.msg_max = {limit('msg_max')}" in note
    assert f"fs.mqueue.msgsize_max = {limit('msgsize_max')}" in note


@pytest.mark.parametrize("sizes", [(1.5, 10), ("1", 10), (10, None)])
def test_R10_sizes_are_whole_numbers(sizes):
    with pytest.raises(TypeError):
        MessageQueue.temporary(*sizes)


def test_R10_beyond_the_sysctls_is_einval_that_names_them(as_nobody, limit):
    most, longest = limit("msg_max"), limit("msgsize_max")

    def child():
        for sizes in ((most + 1, 1), (1, longest + 1)):
            note = note_of(errno.EINVAL, MessageQueue.temporary, *sizes)
            assert f"fs.mqueue.msg_max = {most}" in note
            assert f"fs.mqueue.msgsize_max = {longest}" in note
        with MessageQueue.temporary(most, 1) as queue:
            assert queue.stat().max_messages == most

    as_nobody(child)


@needs_root
def test_R10_a_raised_sysctl_is_used(as_nobody, limit):
    limit("msg_max", 12)
    limit("msgsize_max", 40_000)

    def child():
        with MessageQueue.temporary(12, 40_000) as queue:
            for n in range(12):
                assert queue.try_send(bytes([n]) * 40_000, n)
            assert queue.try_send(b"") is False
            assert [queue.receive(timeout=WAIT).body[:1] for _ in range(12)] == [bytes([n]) for n in range(11, -1, -1)]

    as_nobody(child)


@needs_root
def test_R10_too_many_queues_is_enospc_that_names_the_sysctl(as_nobody, limit):
    limit("queues_max", 0)
    as_nobody(lambda: "queues_max = 0" in note_of(errno.ENOSPC, MessageQueue.temporary) or 1 / 0)


def test_R10_the_size_of_a_users_queues_is_emfile_that_names_the_limit(children):
    """It is not about descriptors."""

    def child():
        resource.setrlimit(resource.RLIMIT_MSGQUEUE, (10_000, 10_000))
        note = note_of(errno.EMFILE, MessageQueue.temporary, 10, 1024)
        assert "RLIMIT_MSGQUEUE = 10000 bytes" in note
        assert "ulimit -q" in note

    children.start(child)
    children.all_succeed()


def test_R10_a_removed_queue_gives_its_share_back_when_it_is_closed(as_nobody):
    def child():
        resource.setrlimit(resource.RLIMIT_MSGQUEUE, (20_000, 20_000))
        for _ in range(50):
            with MessageQueue.temporary(10, 1000):
                pass
        with MessageQueue.temporary(10, 1000), pytest.raises(OSError, match="Too many open files"):
            MessageQueue.temporary(10, 1000)

    as_nobody(child)


def test_no_free_descriptor_says_so_too(children):
    def child():
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        assert "RLIMIT_NOFILE" in note_of(errno.EMFILE, MessageQueue.temporary)

    children.start(child)
    children.all_succeed()
