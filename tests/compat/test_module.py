"""The module's names, constants, exceptions and functions."""

from __future__ import annotations

import inspect
import os
import pathlib
import pickle
import warnings

import pytest

import unixipc.compat.sysv_ipc as ours

from ..beside import needs_root
from .conftest import WITHOUT_IT, original

HERE = str(pathlib.Path(__file__).parent)
CLASSES = ("Semaphore", "SharedMemory", "MessageQueue")


@WITHOUT_IT
def test_it_has_every_name_and_no_other():
    def public(module):
        return {name for name in dir(module) if name[0] != "_"}

    assert public(ours) == public(original) == set(ours.__all__)
    for cls in CLASSES:
        assert public(getattr(ours, cls)) == public(getattr(original, cls))


@WITHOUT_IT
@pytest.mark.parametrize("name", [name for name in ours.__all__ if name.isupper()])
def test_constants_are_the_same(name):
    if name == "SEMAPHORE_TIMEOUT_SUPPORTED":
        assert ours.SEMAPHORE_TIMEOUT_SUPPORTED is True  # sysv_ipc: as its build found out
    else:
        assert getattr(ours, name) == getattr(original, name)


def test_constants_that_tell_who_it_is(ipc):
    assert ipc.VERSION == ipc.__version__ == "1.2.0"
    assert all(isinstance(each, str) for each in (ipc.__author__, ipc.__copyright__, ipc.__license__))


def test_exceptions_have_the_same_family(ipc):
    assert ipc.Error.__bases__ == (Exception,)
    for name in ("InternalError", "PermissionsError", "ExistentialError", "BusyError", "NotAttachedError"):
        assert getattr(ipc, name).__bases__ == (ipc.Error,)
        assert pickle.loads(pickle.dumps(getattr(ipc, name)("why"))).args == ("why",)


PARAMETERS = {
    ours.Semaphore.__init__: "self key flags mode initial_value",
    ours.Semaphore.acquire: "self timeout delta",
    ours.Semaphore.P: "self timeout delta",
    ours.Semaphore.release: "self delta",
    ours.Semaphore.V: "self delta",
    ours.Semaphore.Z: "self timeout",
    ours.Semaphore.remove: "self",
    ours.SharedMemory.__init__: "self key flags mode size init_character",
    ours.SharedMemory.attach: "self address flags",
    ours.SharedMemory.detach: "self",
    ours.SharedMemory.read: "self byte_count offset",
    ours.SharedMemory.write: "self s offset",
    ours.SharedMemory.remove: "self",
    ours.MessageQueue.__init__: "self key flags mode max_message_size",
    ours.MessageQueue.send: "self message block type",
    ours.MessageQueue.receive: "self block type",
    ours.MessageQueue.remove: "self",
    ours.attach: "id address flags",
    ours.ftok: "path id silence_warning",
}


@pytest.mark.parametrize("function", PARAMETERS, ids=lambda function: function.__qualname__)
def test_parameters_have_these_names_in_this_order(function):
    assert list(inspect.signature(function).parameters) == PARAMETERS[function].split()


def test_every_parameter_is_taken_by_name(ipc, key):
    semaphore = ipc.Semaphore(key=key, flags=ipc.IPC_CREX, mode=0o600, initial_value=3)
    semaphore.acquire(timeout=None, delta=1)
    semaphore.P(timeout=None, delta=2)
    semaphore.Z(timeout=None)
    semaphore.release(delta=1)
    semaphore.V(delta=4)
    assert semaphore.value == 5
    semaphore.remove()
    memory = ipc.SharedMemory(key=key, flags=ipc.IPC_CREX, mode=0o600, size=10, init_character=b"x")
    memory.write(s=b"ab", offset=8)
    assert memory.read(byte_count=4, offset=6) == b"xxab"
    memory.detach()
    memory.attach(address=None, flags=0)
    memory.detach()
    again = ipc.attach(id=memory.id, address=None, flags=ipc.SHM_RDONLY)
    assert again.read() == b"xxxxxxxxab"
    again.detach()
    memory.remove()
    queue = ipc.MessageQueue(key=key, flags=ipc.IPC_CREX, mode=0o600, max_message_size=5)
    queue.send(message=b"m", block=False, type=2)
    assert queue.receive(block=False, type=2) == (b"m", 2)
    queue.remove()


def test_every_parameter_is_taken_by_place(ipc, key):
    semaphore = ipc.Semaphore(key, ipc.IPC_CREX, 0o600, 3)
    semaphore.acquire(None, 2)
    assert semaphore.value == 1
    semaphore.remove()
    memory = ipc.SharedMemory(key, ipc.IPC_CREX, 0o600, 10, b"x")
    assert memory.read(2, 1) == b"xx"
    memory.detach()
    again = ipc.attach(memory.id, None, 0)
    again.detach()
    memory.remove()
    queue = ipc.MessageQueue(key, ipc.IPC_CREX, 0o600, 5)
    queue.send(b"m", False, 2)
    assert queue.receive(False, 2) == (b"m", 2)
    queue.remove()


@pytest.mark.parametrize("cls", CLASSES)
class TestEveryClass:
    """What the three constructors have in common."""

    SIZE = {"SharedMemory": {"size": 100}}

    def new(self, ipc, make, cls, key, flags, **named):
        return make(getattr(ipc, cls), key, flags, **self.SIZE.get(cls, {}), **named)

    def test_no_flags_open(self, ipc, make, raises, cls, key):
        assert raises("ExistentialError", getattr(ipc, cls), key)
        made = self.new(ipc, make, cls, key, ipc.IPC_CREX)
        opened = getattr(ipc, cls)(key)
        assert (opened.id, opened.key) == (made.id, key)
        if cls == "SharedMemory":
            opened.detach()

    def test_creat_opens_or_makes(self, ipc, make, cls, key):
        made = self.new(ipc, make, cls, key, ipc.IPC_CREAT)
        opened = self.new(ipc, make, cls, key, ipc.IPC_CREAT)
        assert made.id == opened.id

    def test_crex_makes_once(self, ipc, make, raises, cls, key):
        self.new(ipc, make, cls, key, ipc.IPC_CREX)
        raises("ExistentialError", getattr(ipc, cls), key, ipc.IPC_CREX)

    def test_excl_alone_means_nothing(self, ipc, raises, cls, key):
        raises(ValueError, getattr(ipc, cls), key, ipc.IPC_EXCL)

    def test_private_is_always_new(self, ipc, make, cls):
        one, other = (self.new(ipc, make, cls, ipc.IPC_PRIVATE, 0) for _ in range(2))
        assert one.id != other.id and one.key == other.key == 0

    def test_a_key_of_none_is_chosen(self, ipc, make, raises, cls):
        one, other = (self.new(ipc, make, cls, None, ipc.IPC_CREX) for _ in range(2))
        assert one.key != other.key
        assert all(1 <= each.key <= 32767 for each in (one, other))
        raises(ValueError, getattr(ipc, cls), None)
        raises(ValueError, getattr(ipc, cls), None, ipc.IPC_CREAT)

    @pytest.mark.parametrize(
        "number", [1, -1, -5, 2**31 - 1, -(2**31), 2**31, 2**32 + 7, -(2**32) - 7, 2**63 - 1, -(2**63), True]
    )
    def test_keys_of_64_bits_are_taken_and_cut_to_32(self, ipc, make, cls, number):
        made = self.new(ipc, make, cls, number, ipc.IPC_CREX if number & 0xFFFFFFFF else ipc.IPC_CREAT)
        assert made.key == (number + 2**31) % 2**32 - 2**31

    @pytest.mark.parametrize(
        ("wrong", "error"),
        [(2**63, TypeError), (-(2**63) - 1, TypeError), ("a", TypeError), (1.0, TypeError), (b"k", TypeError)],
    )
    def test_other_keys_are_not(self, ipc, raises, cls, wrong, error):
        raises(error, getattr(ipc, cls), wrong)

    @pytest.mark.parametrize("place", ["flags", "mode"])
    @pytest.mark.parametrize(
        ("wrong", "error"), [(2**31, OverflowError), (-(2**31) - 1, OverflowError), ("a", TypeError), (1.0, TypeError)]
    )
    def test_flags_and_mode_are_c_ints(self, ipc, raises, cls, key, place, wrong, error):
        raises(error, getattr(ipc, cls), key, **{place: wrong})

    def test_calls_need_their_arguments_and_take_no_others(self, ipc, raises, cls, key):
        raises(TypeError, getattr(ipc, cls))
        raises(TypeError, getattr(ipc, cls), key, 0, 0, 0, b"x", 0)
        raises(TypeError, getattr(ipc, cls), key, nonsense=1)

    def test_mode_and_owner_can_be_read_and_set(self, ipc, make, cls, key):
        made = self.new(ipc, make, cls, key, ipc.IPC_CREX, mode=0o640)
        assert (made.mode & 0o777, made.uid, made.gid) == (0o640, os.getuid(), os.getgid())
        assert (made.cuid, made.cgid) == (os.getuid(), os.getgid())
        made.mode = 0o604
        assert made.mode & 0o777 == 0o604
        made.mode = -1
        assert made.mode & 0o777 == 0o777

    @needs_root
    def test_the_owner_can_be_given(self, ipc, make, cls, key):
        made = self.new(ipc, make, cls, key, ipc.IPC_CREX)
        made.uid, made.gid = 65534, 65533
        assert (made.uid, made.gid, made.cuid, made.cgid) == (65534, 65533, 0, 0)

    @pytest.mark.parametrize("name", ["mode", "uid", "gid"])
    @pytest.mark.parametrize("wrong", ["a", 1.0, None])
    def test_they_must_be_ints(self, ipc, make, raises, cls, key, name, wrong):
        raises(TypeError, setattr, self.new(ipc, make, cls, key, ipc.IPC_CREX), name, wrong)

    def test_minus_1_is_no_user(self, ipc, make, raises, cls, key):
        made = self.new(ipc, make, cls, key, ipc.IPC_CREX)
        raises("ExistentialError", setattr, made, "uid", -1)
        raises("ExistentialError", setattr, made, "gid", -1)
        assert made.uid == os.getuid()

    def test_the_rest_cannot_be_set(self, ipc, make, cls, key):
        made = self.new(ipc, make, cls, key, ipc.IPC_CREX)
        settable = {"mode", "uid", "gid", "value", "block", "undo", "max_size"}
        for name in dir(made):
            if name[0] != "_" and name not in settable:
                with pytest.raises(AttributeError):
                    setattr(made, name, 1)
        with pytest.raises(AttributeError):
            made.nonsense = 1

    def test_how_it_is_shown(self, ipc, make, cls, key):
        made = self.new(ipc, make, cls, key, ipc.IPC_CREX)
        assert str(made) == f"Key={key}, id={made.id}"
        assert repr(made) == f"sysv_ipc.{cls}({key})"

    def test_it_cannot_be_pickled(self, ipc, make, cls, key):
        with pytest.raises(TypeError):
            pickle.dumps(self.new(ipc, make, cls, key, ipc.IPC_CREX))

    def test_it_can_be_derived_from(self, ipc, make, cls, key):
        class Mine(getattr(ipc, cls)):
            def __init__(self, key, note):
                super().__init__(key, ipc.IPC_CREX)
                self.note = note

        assert make(Mine, key, "mine").note == "mine"

    def test_it_is_removed_once(self, ipc, make, raises, cls, key):
        made = self.new(ipc, make, cls, key, ipc.IPC_CREX)
        if cls == "SharedMemory":
            made.detach()
        made.remove()
        raises("ExistentialError", made.remove)
        raises("ExistentialError", getattr, made, "mode")
        raises("ExistentialError", setattr, made, "mode", 0o600)
        raises("ExistentialError", getattr(ipc, cls), key)

    def test_it_is_removed_by_its_id(self, ipc, make, raises, cls, key):
        remove = getattr(
            ipc,
            {"Semaphore": "remove_semaphore", "MessageQueue": "remove_message_queue"}.get(cls, "remove_shared_memory"),
        )
        made = self.new(ipc, make, cls, key, ipc.IPC_CREX)
        if cls == "SharedMemory":
            made.detach()
        assert remove(made.id) is None
        raises("ExistentialError", remove, made.id)
        raises("ExistentialError", remove, -1)
        raises(TypeError, remove, "a")
        raises(TypeError, remove)
        raises(TypeError, remove, id=1)
        raises(OverflowError, remove, 2**31)

    @needs_root
    def test_who_may_not(self, ipc, make, run, cls, key):
        made = self.new(ipc, make, cls, key, ipc.IPC_CREX)
        code = """
def name(call):
    try: call()
    except Exception as error: return type(error).__mro__[0].__name__
made = getattr(ipc, sys.argv[1])
print(name(lambda: made(int(sys.argv[2]), 0, 0o600)))
if sys.argv[1] != "SharedMemory":
    opened = made(int(sys.argv[2]), 0, 0)
    print(name(lambda: opened.mode), name(opened.remove))
"""
        expected = {"Semaphore": ["PermissionsError", "PermissionError"], "SharedMemory": []}
        found = run(ipc, code, cls, made.key, user=65534)
        assert found == ["PermissionsError", *expected.get(cls, ["PermissionsError", "PermissionsError"])]


def test_ftok(ipc, raises):
    found = os.stat(HERE)
    bits = (found.st_ino & 0xFFFF) | (found.st_dev & 0xFF) << 16
    for number in (0, 1, 42, 200, 256, 257, -1):
        expected = bits | (number & 0xFF) << 24
        assert ipc.ftok(HERE, number, True) == (expected - 2**32 if expected >= 2**31 else expected)
    raises(OSError, ipc.ftok, HERE + "/nothing", 1, silence_warning=True)
    raises(TypeError, ipc.ftok, HERE.encode(), 1, silence_warning=True)
    raises(TypeError, ipc.ftok, HERE, "a", silence_warning=True)
    raises(TypeError, ipc.ftok, HERE)
    raises(ValueError, ipc.ftok, "a\0b", 1, silence_warning=True)
    raises(OverflowError, ipc.ftok, HERE, 2**31, silence_warning=True)


def test_ftok_warns_where_it_is_called(ipc):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ipc.ftok(HERE, 1)
        ipc.ftok(HERE, 1, silence_warning=0)
        ipc.ftok(HERE, 1, silence_warning=True)
    assert [each.category for each in caught] == [Warning, Warning]
    assert {each.filename for each in caught} == {__file__}


def test_attach_by_id(ipc, memory, raises):
    memory.write(b"hello")
    other = ipc.attach(memory.id)
    assert (other.id, other.attached, other.read(5)) == (memory.id, True, b"hello")
    assert memory.number_attached == 2 and other.address not in (0, memory.address)
    other.detach()
    only_to_read = ipc.attach(memory.id, flags=ipc.SHM_RDONLY)
    raises(OSError, only_to_read.write, b"x")
    only_to_read.detach()
    raises(ValueError, ipc.attach, -1)
    raises(TypeError, ipc.attach, memory.id, "a")
    raises(TypeError, ipc.attach, "a")
    raises(OverflowError, ipc.attach, 2**31)


@needs_root
def test_a_chosen_key_is_the_last_free_one_and_then_there_is_none(own_ipc_namespace, run):
    """There it would try for ever."""
    code = """
from unixipc.testing.namespaces import enter_own_ipc_namespace
enter_own_ipc_namespace()
with open("/proc/sys/kernel/msgmni", "w") as limit: limit.write("32768")
for key in range(1, 32768):
    if key != 4711: ipc.MessageQueue(key, ipc.IPC_CREX)
print(ipc.MessageQueue(None, ipc.IPC_CREX).key)
try: ipc.MessageQueue(None, ipc.IPC_CREX)
except ipc.ExistentialError: print("none")
"""
    assert run(ours, code) == ["4711", "none"]
