"""A queue and other users: Q03, Q11, Q13. Permissions are looked at when a queue is used."""

import errno

import pytest

from unixipc.sysv import Key, Message, MessageQueue

WAIT = 20
USES = {
    "send": lambda queue: queue.send(b"", timeout=WAIT),
    "try_send": lambda queue: queue.try_send(b""),
    "receive": lambda queue: queue.receive(timeout=WAIT),
    "try_receive": lambda queue: queue.try_receive(),
    "wait_until_there": lambda queue: queue.wait_until_there(timeout=WAIT),
    "peek": lambda queue: queue.peek(),
    "stat": lambda queue: queue.stat(),
    "len": len,
}
CHANGES = {
    "resize": lambda queue: queue.resize(100),
    "set_permissions": lambda queue: queue.set_permissions(mode=0o600),
    "remove": lambda queue: queue.remove(),
}


def test_Q03_open_succeeds_without_any_permission_and_the_calls_are_refused(as_nobody):
    key = Key.random()
    with MessageQueue.create(key, 0o600) as queue:

        def child():
            theirs = MessageQueue.open(key)
            for use in USES.values():
                with pytest.raises(PermissionError) as refused:
                    use(theirs)
                assert (refused.value.errno, refused.value.filename) == (errno.EACCES, queue.name)
                assert "permission" in refused.value.__notes__[0]

        as_nobody(child)
        queue.remove()


def test_Q03_only_who_owns_it_removes_or_changes_it(as_nobody):
    with MessageQueue.temporary(0o666) as queue:

        def child():
            theirs = MessageQueue(queue.id)
            for change in CHANGES.values():
                with pytest.raises(PermissionError) as refused:
                    change(theirs)
                assert refused.value.errno == errno.EPERM
            theirs.send(b"allowed")

        as_nobody(child)
        assert len(queue) == 1


@pytest.mark.parametrize(("mode", "may"), [(0o602, "send"), (0o604, "try_receive")])
def test_Q03_reading_and_writing_are_permitted_apart(as_nobody, mode, may):
    with MessageQueue.temporary(mode) as queue:

        def child():
            theirs = MessageQueue(queue.id)
            for name in {"send", "try_receive"} - {may}:
                with pytest.raises(PermissionError):
                    USES[name](theirs)
            USES[may](theirs)

        as_nobody(child)


def test_Q03_an_id_that_may_not_be_looked_at_has_no_key_for_us(as_nobody):
    with MessageQueue.create(Key.random(), 0o602) as queue:
        as_nobody(lambda: MessageQueue(queue.id).key == Key.PRIVATE or 1 / 0)
        queue.remove()


def test_Q13_an_owner_who_took_his_own_permissions_gives_them_back(as_nobody):
    def child():
        with MessageQueue.temporary() as queue:
            queue.set_permissions(mode=0)
            queue.set_permissions(mode=0o600)
            queue.send(b"mine again")

    as_nobody(child)


def test_Q18_an_empty_message_that_cannot_be_given_back_is_kept_for_the_next_receive(as_nobody):
    """Who may only receive cannot send it back."""
    with MessageQueue.temporary(0o604) as queue:

        def child():
            theirs = MessageQueue(queue.id)
            theirs.give_back(Message(3, b""))
            assert theirs.receive(timeout=WAIT) == Message(3, b"")

        as_nobody(child)
