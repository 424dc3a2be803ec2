"""errno -> exception, in one table: classes, what is kept, what is explained."""

import errno
import os
import pathlib
import pickle

import pytest

from unixipc import ClosedError, LayoutError, ObjectRemoved, OwnerDied, PeerGone, errors
from unixipc._call import explained, failure


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (errno.EPIPE, PeerGone), (errno.ECONNRESET, PeerGone), (errno.EOWNERDEAD, OwnerDied),
        (errno.EIDRM, ObjectRemoved),
        (errno.ENOENT, FileNotFoundError), (errno.EEXIST, FileExistsError), (errno.EACCES, PermissionError),
        (errno.EPERM, PermissionError), (errno.ECHILD, ChildProcessError), (errno.ESRCH, ProcessLookupError),
        (errno.ECONNREFUSED, ConnectionRefusedError), (errno.ETIMEDOUT, TimeoutError), (errno.EAGAIN, BlockingIOError),
        (errno.EINTR, InterruptedError), (errno.EMFILE, OSError), (errno.EINVAL, OSError),
    ],
)  # fmt: skip
def test_every_errno_has_its_class_and_keeps_its_number(code, cls):
    error = failure(code, "call(2)", "the object")
    assert type(error) is cls
    assert (error.errno, error.strerror, error.filename) == (code, os.strerror(code), "the object")
    assert error.__notes__[0].startswith("call(2)")


def test_the_five_classes_have_the_bases_that_are_promised():
    assert issubclass(ClosedError, ValueError)
    assert issubclass(LayoutError, ValueError)
    assert issubclass(PeerGone, ConnectionError)
    assert issubclass(OwnerDied, OSError)
    assert issubclass(ObjectRemoved, OSError)
    assert sorted(errors.__all__) == ["ClosedError", "LayoutError", "ObjectRemoved", "OwnerDied", "PeerGone"]


def test_a_note_is_the_most_special_meaning_there_is():
    assert "every reader" in failure(errno.EPIPE, "write(2)").__notes__[0]
    assert "RLIMIT_NOFILE" in failure(errno.EMFILE, "anything(2)").__notes__[0]
    assert failure(errno.EXFULL, "ioctl(2)").__notes__ == ["ioctl(2): see its man page"]
    assert failure(errno.EPIPE, "write(2)", hint="better known").__notes__ == ["write(2): better known"]


def test_every_entry_of_the_table_is_a_sentence_of_a_real_call():
    for (call, code), text in errors.MEANING.items():
        assert call == "" or call.endswith(")")
        assert code in errno.errorcode
        assert len(text.split()) >= 3


def test_the_standard_librarys_refusal_is_told_in_our_words_with_its_name():
    try:
        os.stat("/no/such/file")
    except OSError as error:
        ours = explained(error, "stat(2)")
    assert (type(ours), ours.errno, ours.filename) == (FileNotFoundError, errno.ENOENT, "/no/such/file")
    assert explained(ours, "stat(2)", "another name").filename == "another name"


def test_a_path_is_shown_as_text():
    assert failure(errno.ENOENT, "open(2)", pathlib.Path("/a/b")).filename == "/a/b"


def test_a_nameless_object_has_no_filename():
    assert failure(errno.EMFILE, "pipe2(2)").filename is None


def test_a_layout_error_says_field_expected_and_found_and_pickles():
    error = pickle.loads(pickle.dumps(LayoutError("frame magic", b"uF", b"no")))
    assert (error.field, error.expected, error.found) == ("frame magic", b"uF", b"no")
    assert str(error) == "frame magic: expected b'uF', found b'no'"


def test_peer_gone_and_object_removed_pickle_with_errno():
    for code in (errno.EPIPE, errno.EIDRM):
        error = pickle.loads(pickle.dumps(failure(code, "call(2)", "it")))
        assert (error.errno, error.filename) == (code, "it")
    assert PeerGone(errno.EPIPE, "x").pid is None
