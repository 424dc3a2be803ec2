"""The module's names, constants, exceptions and functions, and what the three constructors have in common."""

from __future__ import annotations

import inspect
import os
import pathlib
import pickle

import pytest

import unixipc.compat.posix_ipc as ours

from ..beside import needs_root
from .conftest import CLASSES, UNLINK, WITHOUT_IT, close, original


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
    assert getattr(ours, name) == getattr(original, name)
    assert type(getattr(ours, name)) is type(getattr(original, name))


def test_constants_that_tell_who_it_is(ipc):
    assert ipc.VERSION == ipc.__version__ == "1.3.2"
    assert all(isinstance(each, str) for each in (ipc.__author__, ipc.__copyright__, ipc.__license__))


def test_exceptions_have_the_same_family(ipc):
    assert ipc.Error.__bases__ == (Exception,)
    for name in ("SignalError", "PermissionsError", "ExistentialError", "BusyError"):
        assert getattr(ipc, name).__bases__ == (ipc.Error,)
        assert pickle.loads(pickle.dumps(getattr(ipc, name)("why"))).args == ("why",)


PARAMETERS = {
    ours.Semaphore.__init__: "self name flags mode initial_value",
    ours.Semaphore.acquire: "self timeout",
    ours.Semaphore.release: "self",
    ours.SharedMemory.__init__: "self name flags mode size read_only",
    ours.MessageQueue.__init__: "self name flags mode max_messages max_message_size read write",
    ours.MessageQueue.send: "self message timeout priority",
    ours.MessageQueue.receive: "self timeout",
    ours.MessageQueue.request_notification: "self notification",
}


@pytest.mark.parametrize("function", PARAMETERS, ids=lambda function: function.__qualname__)
def test_parameters_have_these_names_in_this_order(function):
    assert list(inspect.signature(function).parameters) == PARAMETERS[function].split()


def test_every_parameter_is_taken_by_name(ipc, make, name):
    semaphore = make(ipc.Semaphore, name=name, flags=ipc.O_CREX, mode=0o600, initial_value=3)
    semaphore.acquire(timeout=None)
    assert semaphore.value == 2
    memory = make(ipc.SharedMemory, name=name, flags=ipc.O_CREX, mode=0o600, size=10, read_only=False)
    assert memory.size == 10
    queue = make(
        ipc.MessageQueue,
        name=name,
        flags=ipc.O_CREX,
        mode=0o600,
        max_messages=3,
        max_message_size=5,
        read=True,
        write=True,
    )
    queue.send(message=b"m", timeout=1, priority=2)
    assert queue.receive(timeout=None) == (b"m", 2)
    queue.request_notification(notification=None)


def test_every_parameter_is_taken_by_place(ipc, make, name):
    assert make(ipc.Semaphore, name, ipc.O_CREX, 0o600, 3).value == 3
    assert make(ipc.SharedMemory, name, ipc.O_CREX, 0o600, 10, False).size == 10
    queue = make(ipc.MessageQueue, name, ipc.O_CREX, 0o600, 3, 5, True, True)
    assert (queue.max_messages, queue.max_message_size) == (3, 5)
    queue.send(b"m", None, 2)
    assert queue.receive(None) == (b"m", 2)


@pytest.mark.parametrize("cls", CLASSES)
class TestEveryClass:
    def test_no_flags_open(self, ipc, make, raises, cls, name):
        raises("ExistentialError", getattr(ipc, cls), name)
        make(getattr(ipc, cls), name, ipc.O_CREX)
        assert make(getattr(ipc, cls), name).name == name

    def test_creat_opens_or_makes(self, ipc, make, raises, cls, name):
        for _ in range(2):
            make(getattr(ipc, cls), name, ipc.O_CREAT)
        raises("ExistentialError", getattr(ipc, cls), name, ipc.O_CREX)

    def test_excl_alone_means_nothing(self, ipc, raises, cls, name):
        raises(ValueError, getattr(ipc, cls), name, ipc.O_EXCL)
        raises(ValueError, getattr(ipc, cls), None, ipc.O_EXCL)

    def test_a_name_of_none_is_chosen(self, ipc, make, raises, cls):
        one, other = (make(getattr(ipc, cls), None, ipc.O_CREX) for _ in range(2))
        assert one.name != other.name
        for each in (one, other):
            assert each.name[0] == "/" and each.name[1:].isalpha() and each.name.islower()
            assert 6 <= len(each.name) <= 14
        raises(ValueError, getattr(ipc, cls), None)
        raises(ValueError, getattr(ipc, cls), None, ipc.O_CREAT)

    @pytest.mark.parametrize("flags", ["0", "O_CREAT", "O_CREX"])
    @pytest.mark.parametrize(
        "odd",
        ["", "/", "/.", "/..", "/a/b", "a/b", "no-slash", "//two", "/é", b"/bytes", "x" * 250]
        + ["/" + "x" * length for length in (249, 250, 251, 252, 254, 255, 256, 300)],
        ids=lambda name: f"{name[:9]!r}-{len(name)}",
    )
    @WITHOUT_IT
    def test_a_name_is_good_or_bad_as_there(self, own_ipc_namespace, cls, odd, flags):
        def outcome(ipc):
            try:
                made = getattr(ipc, cls)(odd, getattr(ipc, flags, 0))
            except Exception as error:
                return type(error).__name__
            made.unlink()
            close(made)
            return made.name

        assert outcome(ours) == outcome(original)

    @pytest.mark.parametrize("wrong", [1, 1.0, ["/a"], bytearray(b"/a")])
    def test_other_names_are_not_taken(self, ipc, raises, cls, wrong):
        raises(TypeError, getattr(ipc, cls), wrong)
        raises(TypeError, getattr(ipc, cls))

    @pytest.mark.parametrize("place", ["flags", "mode"])
    @pytest.mark.parametrize("wrong", ["a", 1.0, None])
    def test_flags_and_mode_are_ints(self, ipc, raises, cls, name, place, wrong):
        raises(TypeError, getattr(ipc, cls), name, **{place: wrong})

    @pytest.mark.parametrize("wrong", [2**31, -(2**31) - 1])
    def test_a_mode_is_a_c_int(self, ipc, raises, cls, name, wrong):
        raises(OverflowError, getattr(ipc, cls), name, mode=wrong)

    def test_calls_take_no_other_arguments(self, ipc, raises, cls, name):
        raises(TypeError, getattr(ipc, cls), name, 0, 0, 0, 0, 0, 0, 0)
        raises(TypeError, getattr(ipc, cls), name, nonsense=1)

    def test_the_umask_is_taken_from_the_mode(self, ipc, make, cls, name, request):
        before = os.umask(0o027)
        request.addfinalizer(lambda: os.umask(before))
        made = make(getattr(ipc, cls), name, ipc.O_CREX, 0o666)
        assert made.mode == 0o666
        found = os.stat(f"/dev/shm/sem.{name[1:]}" if cls == "Semaphore" else made.fileno())
        assert found.st_mode & 0o777 == 0o640

    def test_the_mode_is_what_was_given(self, ipc, make, cls, name):
        assert make(getattr(ipc, cls), name, ipc.O_CREX).mode == 0o600
        assert make(getattr(ipc, cls), name, 0, 0o644).mode == 0o644
        assert make(getattr(ipc, cls), name, 0, -1).mode == 2**32 - 1

    def test_nothing_but_block_can_be_set(self, ipc, make, cls, name):
        made = make(getattr(ipc, cls), name, ipc.O_CREX)
        for each in dir(made):
            if each[0] != "_" and each != "block":
                with pytest.raises(AttributeError):
                    setattr(made, each, 1)
                with pytest.raises(AttributeError):
                    delattr(made, each)
        with pytest.raises(AttributeError):
            made.nonsense = 1

    def test_how_it_is_shown(self, ipc, make, cls, name):
        made = make(getattr(ipc, cls), name, ipc.O_CREX, 0o640)
        more = {"MessageQueue": ", max_message_size=8192, max_messages=10, read=True, write=True"}.get(cls, "")
        assert str(made) == name
        assert repr(made) == f'posix_ipc.{cls}("{name}", mode=0640{more})'

    def test_it_cannot_be_pickled(self, ipc, make, cls, name):
        with pytest.raises(TypeError):
            pickle.dumps(make(getattr(ipc, cls), name, ipc.O_CREX))

    def test_it_can_be_derived_from(self, ipc, make, cls, name):
        class Mine(getattr(ipc, cls)):
            def __init__(self, name, note):
                super().__init__(name, ipc.O_CREX)
                self.note = note

        assert make(Mine, name, "mine").note == "mine"

    def test_its_name_goes_once(self, ipc, make, raises, cls, name):
        made = make(getattr(ipc, cls), name, ipc.O_CREX)
        assert made.unlink() is None
        raises("ExistentialError", made.unlink)
        raises("ExistentialError", getattr(ipc, cls), name)

    def test_it_is_unlinked_by_its_name(self, ipc, make, raises, cls, name):
        unlink = getattr(ipc, UNLINK[cls])
        make(getattr(ipc, cls), name, ipc.O_CREX)
        assert unlink(name) is None
        raises("ExistentialError", unlink, name)
        raises(TypeError, unlink, None)
        raises(TypeError, unlink, name.encode())
        raises(TypeError, unlink)
        raises(TypeError, unlink, name=name)
        raises(ValueError, unlink, "/a\0b")

    @pytest.mark.parametrize("odd", ["", "/", "/a/b", "no-slash", "/" + "x" * 253, "/" + "x" * 256])
    @WITHOUT_IT
    def test_a_bad_name_is_not_unlinked_as_there(self, own_ipc_namespace, cls, odd):
        def outcome(ipc):
            with pytest.raises(Exception) as caught:
                getattr(ipc, UNLINK[cls])(odd)
            return caught.type.__name__

        assert outcome(ours) == outcome(original)

    @needs_root
    def test_who_may_not(self, ipc, make, run, cls, name):
        make(getattr(ipc, cls), name, ipc.O_CREX, 0o600)
        code = f"""
for call in (ipc.{cls}, ipc.{UNLINK[cls]}):
    try: print(call(sys.argv[1]))
    except Exception as error: print(type(error).__name__)
"""
        assert run(ipc, code, name, user=65534) == ["PermissionsError", "PermissionsError"]

    def test_any_number_may_make_or_open_it_at_once(self, ipc, cls, name, start):
        code = f"""
for _ in range(100):
    made = ipc.{cls}(sys.argv[1], ipc.O_CREAT{", size=100" if cls == "SharedMemory" else ""})
    try: made.unlink()
    except ipc.ExistentialError: pass
    (made.close_fd if hasattr(made, "close_fd") else made.close)()
"""
        for process in [start(ipc, code, name) for _ in range(3)]:
            errors = process.communicate(timeout=60)[1]
            assert process.returncode == 0, errors
        with pytest.raises(ipc.ExistentialError):
            getattr(ipc, cls)(name)


def test_errors_have_their_errno_and_what_it_means(own_ipc_namespace, name):
    for cls in CLASSES:
        with pytest.raises(ours.ExistentialError, match=name) as caught:
            getattr(ours, cls)(name)
        assert caught.value.errno == 2 and caught.value.__notes__ and caught.value.__cause__ is None
    assert ours.Error("mine").errno is None


def test_importing_it_needs_no_other_stand_in(run):
    code = "print('unixipc.compat.sysv_ipc' in sys.modules, 'unixipc.sysv' in sys.modules)"
    assert run(ours, code) == ["False", "False"]


def test_the_doctest(own_ipc_namespace):
    import doctest

    assert doctest.testmod(ours).failed == 0
    assert pathlib.Path(ours.__file__).name == "__init__.py"
