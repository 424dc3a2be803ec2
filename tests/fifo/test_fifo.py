"""FIFOs as names and streams: F01 F02 F07 F10 F11, the name's life, permissions, and bad input."""

import errno
import os
import pickle
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time

import pytest

from unixipc import ClosedError, Exited, Fifo, Killed, ObjectRemoved, PeerGone, fork, spawn

WAIT = 20
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "fifo")


@pytest.fixture
def public_folder():
    """A folder that another user can reach: pytest's own are private."""
    folder = tempfile.mkdtemp(prefix="unixipc-test-")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


def test_F01_a_fifo_made_by_mknod_is_one_of_ours_whatever_its_device_number(path):
    os.mknod(path, stat.S_IFIFO | 0o644, 12345)
    with Fifo.open(path) as fifo, fifo.reader(persistent=True) as reader, fifo.writer(timeout=WAIT) as writer:
        writer.write_all(b"x")
        assert reader.read(1, timeout=WAIT) == b"x"


def test_F01_a_fifo_of_ours_is_one_for_the_shell(path):
    with Fifo.create(path) as fifo, fifo.reader(persistent=True) as reader:
        with spawn(["/bin/sh", "-c", f"test -p '{path}' && echo from the shell > '{path}'"]) as child:
            assert reader.read(100, timeout=WAIT) == b"from the shell\n"
            assert child.wait(timeout=WAIT) == Exited(0)


def test_F02_create_makes_a_fifo_and_refuses_what_exists(path):
    Fifo.create(path)
    assert stat.S_ISFIFO(os.stat(path).st_mode)
    with pytest.raises(FileExistsError) as refused:
        Fifo.create(path)
    assert (refused.value.errno, refused.value.filename) == (errno.EEXIST, path)
    assert "mkfifo(3)" in refused.value.__notes__[0]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666, 0o000])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_F02_the_mode_is_exactly_what_was_asked_whatever_the_umask(path, mode, umask):
    before = os.umask(umask)
    try:
        fifo = Fifo.create(path, mode=mode)
        assert stat.S_IMODE(fifo.stat().st_mode) == mode
    finally:
        os.umask(before)


def test_open_wants_a_fifo_that_exists(path, tmp_path):
    with pytest.raises(FileNotFoundError) as refused:
        Fifo.open(path)
    assert (refused.value.errno, refused.value.filename) == (errno.ENOENT, path)
    (tmp_path / "fifo").write_text("precious")
    for make in (Fifo.open, Fifo.ensure):
        with pytest.raises(OSError) as refused:
            make(path)
        assert (refused.value.errno, refused.value.filename) == (errno.EINVAL, path)
        assert "not a FIFO" in refused.value.__notes__[0]
    assert (tmp_path / "fifo").read_text() == "precious"


def test_ensure_makes_it_once_however_many_do_it_at_the_same_time(path):
    def ensure_and_write():
        with Fifo.ensure(path).writer(timeout=WAIT) as writer:
            writer.write_all(b"x", timeout=WAIT)

    with Fifo.ensure(path).reader(persistent=True) as reader:
        children = [fork(ensure_and_write) for _ in range(8)]
        assert reader.read_exactly(8, timeout=WAIT) == b"x" * 8
        for child in children:
            with child:
                assert child.wait(timeout=WAIT) == Exited(0)


def test_ensure_survives_a_name_that_comes_and_goes(path):
    stop = threading.Event()

    def come_and_go():
        while not stop.is_set():
            Fifo.ensure(path)
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass

    threads = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        assert isinstance(Fifo.ensure(path), Fifo)
    stop.set()
    for thread in threads:
        thread.join(WAIT)


def test_ensure_does_not_follow_a_link_to_nowhere(path):
    os.symlink("nowhere", path)
    with pytest.raises(FileNotFoundError):
        Fifo.ensure(path)


def test_a_temporary_fifo_goes_at_close_with_its_folder():
    with Fifo.temporary() as fifo:
        folder = os.path.dirname(fifo.path)
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert not os.path.exists(folder)
    fifo.close()


def test_a_temporary_fifo_that_is_forgotten_goes_too():
    path = Fifo.temporary().path
    assert not os.path.exists(os.path.dirname(path))


def test_a_temporary_fifo_goes_when_the_interpreter_ends():
    with Fifo.temporary() as report, report.reader(persistent=True) as reader:
        script = (
            "import sys; from unixipc import Fifo\n"
            "kept = Fifo.temporary(); other = Fifo.temporary()\n"
            "with open(sys.argv[1], 'w') as f: f.write(kept.path + ' ' + other.path)\n"
        )
        with spawn([sys.executable, "-c", script, report.path]) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        for path in reader.read(10000, timeout=WAIT).decode().split():
            assert not os.path.exists(os.path.dirname(path))


def test_a_temporary_fifo_is_not_removed_by_a_forked_copy():
    with Fifo.temporary() as fifo:
        with fork(fifo.close) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        assert os.path.exists(fifo.path)


def test_a_refused_temporary_leaves_no_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ValueError):
        Fifo.temporary(mode=-1)
    assert os.listdir(tmp_path) == []


def test_remove_takes_the_name_and_open_ends_go_on(path):
    fifo = Fifo.create(path)
    with fifo.reader(persistent=True) as reader, fifo.writer(timeout=WAIT) as writer:
        fifo.remove()
        assert not os.path.exists(path)
        writer.write_all(b"still")
        assert reader.read(10, timeout=WAIT) == b"still"
    with pytest.raises(FileNotFoundError) as missing:
        fifo.remove()
    assert missing.value.filename == path


def test_remove_leaves_another_objects_name_alone(path, tmp_path):
    fifo = Fifo.create(path)
    os.rename(path, path + ".old")
    (tmp_path / "fifo").write_text("precious")
    with pytest.raises(ObjectRemoved) as removed:
        fifo.remove()
    assert (removed.value.errno, removed.value.filename) == (errno.EIDRM, path)
    assert (tmp_path / "fifo").read_text() == "precious"


def test_F07_the_end_comes_when_the_last_writer_leaves(path):
    fifo = Fifo.create(path)
    with fifo.try_reader() as reader:
        with fifo.writer(timeout=WAIT) as first, fifo.writer(timeout=WAIT) as second:
            first.write_all(b"one")
            first.close()
            assert reader.read(10, timeout=WAIT) == b"one"
            assert reader.try_read(10) is None, "a writer is left"
            second.write_all(b"two")
        assert reader.read(10, timeout=WAIT) == b"two"
        assert reader.read(10, timeout=WAIT) == b""


def test_F07_a_persistent_reader_outlives_writers_and_does_not_spin(path):
    """Between writers it sleeps: the time it waits costs no processor time."""
    fifo = Fifo.create(path)
    with fifo.reader(persistent=True) as reader:
        for word in (b"one", b"two"):
            with fifo.writer(timeout=WAIT) as writer:
                writer.write_all(word)
            assert reader.read(10, timeout=WAIT) == word
        used, began = time.process_time(), time.monotonic()
        with pytest.raises(TimeoutError):
            reader.read(10, timeout=0.3)
        assert time.monotonic() - began >= 0.3
        assert time.process_time() - used < 0.15, "half of the time it slept: no spin, however busy the machine"


def test_F07_the_end_is_never_seen_before_the_data_of_a_writer_that_came_and_left(path):
    """A reader that looks all the time while a writer opens, writes and closes: data first, then the end."""

    def come_and_go():
        for number in range(400):
            with Fifo.open(path + str(number)).writer(timeout=WAIT) as writer:
                writer.write(b"x")

    fifos = [Fifo.create(path + str(number)) for number in range(400)]
    with fork(come_and_go) as child:
        for fifo in fifos:
            with fifo.try_reader() as reader:
                deadline = time.monotonic() + WAIT
                while (data := reader.try_read(10)) is None:
                    assert time.monotonic() < deadline
                assert data == b"x", "not the end: something was written"
                assert reader.read(10, timeout=WAIT) == b""
        assert child.wait(timeout=WAIT) == Exited(0)


def test_F10_records_of_many_writers_never_mix(path):
    fifo = Fifo.create(path)

    def write_records(letter):
        with fifo.writer(timeout=WAIT) as writer:
            for _ in range(50):
                assert writer.write(letter * 4096, timeout=WAIT) == 4096

    children = [fork(write_records, bytes([65 + number])) for number in range(5)]
    with fifo.reader(persistent=True) as reader:  # a writer may have come and gone before the next one is there
        for _ in range(250):
            assert len(set(reader.read_exactly(4096, timeout=WAIT))) == 1
        for child in children:
            with child:
                assert child.wait(timeout=WAIT) == Exited(0)


def test_F10_several_readers_share_the_bytes(path):
    fifo = Fifo.create(path)
    with fifo.try_reader() as one, fifo.try_reader() as two, fifo.writer(timeout=WAIT) as writer:
        writer.write_all(b"ab")
        assert {one.read(1, timeout=WAIT), two.read(1, timeout=WAIT)} == {b"a", b"b"}
        assert one.try_read(1) is two.try_read(1) is None


def test_F11_speak_and_tick(path):
    """The guide's pair, 300-byte lines included: its tick wrote one byte beyond its buffer."""
    lines = [b"hello", b"", b"y" * 300, b"bye"]

    def speak():
        with Fifo.ensure(path).writer(timeout=WAIT) as writer:
            for line in lines:
                writer.write_all(line + b"\n", timeout=WAIT)

    with fork(speak) as child, Fifo.ensure(path).reader(timeout=WAIT) as tick:
        heard = b""
        while part := tick.read(300, timeout=WAIT):
            heard += part
        assert heard.splitlines() == lines
        assert child.wait(timeout=WAIT) == Exited(0)


def test_a_writer_whose_reader_left_gets_peer_gone(path):
    fifo = Fifo.create(path)
    with fifo.try_reader() as reader, fifo.writer(timeout=WAIT) as writer:
        reader.close()
        with pytest.raises(PeerGone) as gone:
            writer.write(b"x", timeout=WAIT)
        assert (gone.value.errno, gone.value.filename) == (errno.EPIPE, path)


def test_a_killed_writer_is_the_end(path):
    fifo = Fifo.create(path)

    def write_and_hang():
        with fifo.writer(timeout=WAIT) as writer:
            writer.write_all(b"last")
            signal.pause()

    with fork(write_and_hang) as child, fifo.reader(timeout=WAIT) as reader:
        assert reader.read_exactly(4, timeout=WAIT) == b"last"
        child.kill()
        assert reader.read(1, timeout=WAIT) == b""
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    assert Fifo.ensure(path).path == path, "the name stays and is taken up"


@as_root
def test_without_permission_it_is_permission_denied(public_folder):
    path = f"{public_folder}/fifo"
    Fifo.create(path, mode=0o600)

    def try_it():
        os.setgid(65534)
        os.setuid(65534)
        for attempt in (
            lambda: Fifo.open(path).try_reader(), lambda: Fifo.open(path).try_writer(),
            lambda: Fifo.open(path).reader(timeout=WAIT), lambda: Fifo.open(path).writer(timeout=WAIT),
            lambda: Fifo.open(path).remove(), lambda: Fifo.create(path + "2"),
        ):  # fmt: skip
            try:
                attempt()
            except PermissionError as refused:
                assert refused.errno == errno.EACCES
                assert refused.filename in (path, path + "2")
                assert refused.__notes__
            else:
                return 1
        return 7

    with fork(try_it) as child:
        assert child.wait(timeout=WAIT) == Exited(7)
    assert os.listdir(public_folder) == ["fifo"]


def test_a_path_too_long_is_named(tmp_path):
    for path in (str(tmp_path / ("n" * 256)), str(tmp_path) + "/d" * 3000):
        for make in (Fifo.create, Fifo.open, Fifo.ensure):
            with pytest.raises(OSError) as refused:
                make(path)
            assert (refused.value.errno, refused.value.filename) == (errno.ENAMETOOLONG, path)


@pytest.mark.parametrize("mode", [-1, 0o10000])
def test_a_bad_mode_is_a_value_error(path, mode):
    for make in (Fifo.create, Fifo.ensure):
        with pytest.raises(ValueError, match="permissions"):
            make(path, mode=mode)
    assert not os.path.exists(path)


def test_a_path_with_a_nul_is_a_value_error():
    for make in (Fifo.create, Fifo.open, Fifo.ensure):
        with pytest.raises(ValueError):
            make("/tmp/a\0b")


def test_a_fifo_pickles_as_its_name(path):
    fifo = pickle.loads(pickle.dumps(Fifo.create(path)))
    assert (repr(fifo), fifo.path) == (f"<Fifo {path!r}>", path)


def test_a_closed_end_is_a_closed_error(path):
    fifo = Fifo.create(path)
    with fifo.try_reader() as reader, fifo.writer(timeout=WAIT) as writer:
        writer.close()
        reader.close()
        for use in (lambda: writer.write(b"x"), lambda: reader.read(1), lambda: reader.try_read(1), writer.fileno):
            with pytest.raises(ClosedError, match="fifo"):
                use()


def test_a_negative_size_is_a_value_error(path):
    with Fifo.create(path).reader(persistent=True) as reader:
        for read in (reader.read, reader.try_read, reader.read_exactly):
            with pytest.raises(ValueError):
                read(-1)
        assert reader.try_read(0) == b""
