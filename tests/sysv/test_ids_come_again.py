"""The kernel gives the id of a removed object to a new one. A handle that was kept must not take that for its own."""

from __future__ import annotations

import os
import pathlib

import pytest

from unixipc import Exited, fork, sysv
from unixipc._native import sysv as native
from unixipc.compat import sysv_ipc
from unixipc.errors import ObjectRemoved
from unixipc.testing.namespaces import enter_own_ipc_namespace

WAIT = 60
KERNEL = pathlib.Path("/proc/sys/kernel")
MAY_CHOOSE = os.access(KERNEL / "sem_next_id", os.W_OK)

pytestmark = [
    pytest.mark.usefixtures("own_ipc_namespace"),
    pytest.mark.skipif(not MAY_CHOOSE, reason="kernel.sem_next_id cannot be written: it takes CAP_SYS_ADMIN"),
]


def again(kind, old, make):
    """Remove the object behind its handle's back; `make` gets its id."""
    id = old.id
    type(old)(id).remove()
    (KERNEL / f"{kind}_next_id").write_text(str(id))
    new = make()
    assert new.id == id
    return new


def in_child(run):
    """What writes over memory that is not its own may end its process."""

    def child():
        enter_own_ipc_namespace()
        run()

    with fork(child) as started:
        assert started.wait(timeout=WAIT) == Exited(0)


USES = {
    "get_all": lambda kept: kept.get_all(),
    "set_all": lambda kept: kept.set_all([1, 2, 3]),
    "length": len,
    "stat": lambda kept: kept.stat(),
    "op": lambda kept: kept.try_op((2, 1)),
    "remove": lambda kept: kept.remove(),
    "change": lambda kept: kept.set_permissions(mode=0o640),
}


@pytest.mark.parametrize(
    ("use", "count"), [(use, count) for use in USES for count in (1, 30_000) if use != "op" or count < 3]
)
def test_a_set_of_another_size_is_another_set(use, count):
    def run():
        kept = sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [0] * 3)
        assert kept.get_all() == (0, 0, 0)
        new = again("sem", kept, lambda: sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [7] * count))
        with pytest.raises(ObjectRemoved):
            USES[use](kept)
        assert new.get_all() == (7,) * count

    in_child(run)


def test_a_temporary_set_that_another_has_removed_takes_no_strangers_set_along():
    def run():
        kept = sysv.SemaphoreSet.temporary([0] * 3)
        new = again("sem", kept, lambda: sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [7] * 4))
        kept.close()
        assert new.get_all() == (7,) * 4

    in_child(run)


@pytest.mark.parametrize("size", [4096, 1 << 21])
@pytest.mark.parametrize("use", ["attach", "replace", "stat", "remove"])
def test_a_segment_of_another_size_is_another_segment(use, size):
    def run():
        kept = sysv.SharedMemory.create(sysv.Key.PRIVATE, 1 << 20)
        old = sysv.SharedMemory.create(sysv.Key.PRIVATE, 1 << 20).attach()
        new = again("shm", kept, lambda: sysv.SharedMemory.create(sysv.Key.PRIVATE, size))
        uses = {"attach": kept.attach, "replace": lambda: kept.attach(replace=old)}
        uses |= {"stat": kept.stat, "remove": kept.remove}
        with pytest.raises(ObjectRemoved):
            uses[use]()
        assert new.stat().attached == 0
        assert bytes(old.buffer[-8:]) == bytes(8)

    in_child(run)


def test_an_opened_segment_is_as_long_as_what_was_attached():
    def run():
        sysv.SharedMemory.create(77, 1 << 20)
        kept = sysv.SharedMemory.open(77)
        again("shm", kept, lambda: sysv.SharedMemory.create(sysv.Key.PRIVATE, 4096))
        assert kept.attach().size_bytes == 4096

    in_child(run)


def test_the_other_librarys_names_are_told_too():
    def run():
        kept = sysv_ipc.SharedMemory(None, sysv_ipc.IPC_CREX, size=1 << 20)
        kept.detach()
        sysv_ipc.remove_shared_memory(kept.id)
        (KERNEL / "shm_next_id").write_text(str(kept.id))
        sysv.SharedMemory.create(sysv.Key.PRIVATE, 4096)
        with pytest.raises(sysv_ipc.ExistentialError):
            kept.attach()

    in_child(run)


@pytest.mark.parametrize("length", [0, 1, 40, 1 << 61, (1 << 62) + 1])
def test_operations_are_counted_and_not_asked_for_their_number(length):
    class Odd:
        """Says what it likes of its length."""

        def __len__(self):
            return length

        def __getitem__(self, index):
            if index < 40:
                return (0, 1)
            raise IndexError

    with sysv.SemaphoreSet.temporary([5]) as semaphores:
        try:
            assert semaphores.wait_until_possible(Odd(), timeout=WAIT)
        except MemoryError:
            assert length > 40
        assert semaphores.values == (5,)
    with pytest.raises(TypeError):
        native.Operations([(0, 1)], False, -5, 1)
