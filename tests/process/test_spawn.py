"""spawn: P17 (pid and pidfd in one step), P22 (exec: arguments, environment, folder, descriptors), and refusals."""

import contextlib
import errno
import os
import resource
import signal
import sys

import pytest

from unixipc import ClosedError, Exited, Killed, pipe, spawn

WAIT = 20


@contextlib.contextmanager
def full_table():
    """No number is left in this process's descriptor table."""
    lowest = os.dup(0)
    os.close(lowest)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def output_of(argv, **options):
    """(what the program wrote to stdout, its status)."""
    reader, writer = pipe()
    with reader, spawn(argv, stdout=writer, **options) as child:
        writer.close()
        text = b""
        while part := reader.read(65536, timeout=WAIT):
            text += part
        return text.decode(), child.wait(timeout=WAIT)


def test_P17_the_handle_is_made_with_the_process():
    with spawn(["/bin/sh", "-c", "exit 4"]) as child:
        with open(f"/proc/self/fdinfo/{child.fileno()}") as file:
            assert f"Pid:\t{child.pid}\n" in file.read()
        assert os.get_inheritable(child.fileno()) is False
        assert child.wait(timeout=WAIT) == Exited(4)


def test_P22_arguments_go_as_they_are():
    words = ["a b", "", "*", "$HOME", "é", "--"]
    script = "import sys; print(sys.argv[1:])"
    assert output_of([sys.executable, "-c", script, *words])[0] == f"{words}\n"


def test_P22_a_program_is_found_in_the_path_as_execvp_does(tmp_path):
    (tmp_path / "mine").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "mine").chmod(0o755)
    assert output_of(["mine"], env={"PATH": f"/nowhere::{tmp_path}"}) == ("found\n", Exited(0))


def test_P22_the_environment_is_ours_or_the_one_given(monkeypatch):
    monkeypatch.setenv("UNIXIPC_TEST", "inherited")
    script = ["/bin/sh", "-c", "echo ${UNIXIPC_TEST-none}"]
    assert output_of(script)[0] == "inherited\n"
    assert output_of(script, env={})[0] == "none\n"
    assert output_of(script, env={"UNIXIPC_TEST": "given"})[0] == "given\n"


def test_P22_the_folder_is_the_programs_own(tmp_path):
    assert output_of(["/bin/pwd"], cwd=tmp_path)[0] == f"{tmp_path}\n"
    assert os.getcwd() != str(tmp_path)


def test_P22_the_three_standard_descriptors_can_be_given():
    in_reader, in_writer = pipe()
    out_reader, out_writer = pipe()
    err_reader, err_writer = pipe()
    with in_reader, in_writer, out_reader, out_writer, err_reader, err_writer:
        script = ["/bin/sh", "-c", "cat; echo oops >&2"]
        with spawn(script, stdin=in_reader, stdout=out_writer, stderr=err_writer) as child:
            for ours in (in_reader, out_writer, err_writer):
                ours.close()
            in_writer.write_all(b"through", timeout=WAIT)
            in_writer.close()
            assert out_reader.read_exactly(7, timeout=WAIT) == b"through"
            assert err_reader.read(100, timeout=WAIT) == b"oops\n"
            assert child.wait(timeout=WAIT) == Exited(0)


def test_P22_nothing_else_is_inherited():
    """Not even what others made inheritable; just 0, 1, 2 and what is given by number."""
    reader, writer = pipe()
    with reader, writer:
        os.set_inheritable(reader.fileno(), True)
        script = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd')))"
        text, status = output_of([sys.executable, "-c", script], descriptors={7: reader, 9: writer})
    assert status == Exited(0)
    listed = eval(text)
    assert {0, 1, 2, 7, 9} <= set(listed)
    assert len(listed) == 6, "the sixth is the listing itself"


def test_P22_given_descriptors_may_trade_places():
    a_reader, a_writer = pipe()
    b_reader, b_writer = pipe()
    with a_reader, a_writer, b_reader, b_writer:
        there = {a_reader.fileno(): b_reader, b_reader.fileno(): a_reader}
        a_writer.write_all(b"A")
        b_writer.write_all(b"B")
        script = f"import os; print(os.read({a_reader.fileno()}, 9), os.read({b_reader.fileno()}, 9))"
        assert output_of([sys.executable, "-c", script], descriptors=there)[0] == "b'B' b'A'\n"


def test_P22_a_program_gets_a_pipe_that_blocks():
    """Our own tries do not make the shared description non-blocking."""
    reader, writer = pipe()
    with reader, writer:
        assert reader.try_read(1) is None
        script = "import os; print(os.get_blocking(0), os.read(0, 9))"
        out_reader, out_writer = pipe()
        with out_reader, spawn([sys.executable, "-c", script], stdin=reader, stdout=out_writer) as child:
            out_writer.close()
            writer.write_all(b"late")
            assert out_reader.read_exactly(13, timeout=WAIT) == b"True b'late'\n"
            assert child.wait(timeout=WAIT) == Exited(0)


def test_P22_handlers_are_reset_ignored_stays_ignored_and_sigpipe_kills():
    before = signal.signal(signal.SIGUSR1, lambda *_: None), signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        for number, status in [
            (signal.SIGUSR1, Killed(signal.SIGUSR1)), (signal.SIGUSR2, Exited(0)), (signal.SIGPIPE,
            Killed(signal.SIGPIPE)),
        ]:  # fmt: skip
            with spawn(["/bin/sh", "-c", f"kill -{int(number)} $$; exit 0"]) as child:
                assert child.wait(timeout=WAIT) == status
    finally:
        signal.signal(signal.SIGUSR1, before[0])
        signal.signal(signal.SIGUSR2, before[1])


def test_P22_the_signal_mask_is_inherited_as_it_is():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        mask = output_of(["grep", "SigBlk", "/proc/self/status"])[0].split()[1]
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    assert int(mask, 16) == 1 << (signal.SIGUSR1 - 1)


@pytest.mark.parametrize("program", ["no-such-program", "/no/such/program"])
def test_a_program_that_is_not_there_is_named(program):
    with pytest.raises(FileNotFoundError) as refused:
        spawn([program, "argument"])
    assert (refused.value.errno, refused.value.filename) == (errno.ENOENT, program)
    assert "execve(2)" in refused.value.__notes__[0]


def test_a_program_that_may_not_be_executed_is_named(tmp_path):
    (tmp_path / "data").write_text("x")
    (tmp_path / "data").chmod(0o644)
    for program in (tmp_path / "data", tmp_path):
        with pytest.raises(PermissionError) as refused:
            spawn([program])
        assert (refused.value.errno, refused.value.filename) == (errno.EACCES, str(program))


def test_a_program_of_no_known_format_is_named(tmp_path):
    (tmp_path / "noise").write_bytes(b"\0\1\2\3")
    (tmp_path / "noise").chmod(0o755)
    with pytest.raises(OSError) as refused:
        spawn([tmp_path / "noise"])
    assert (refused.value.errno, refused.value.filename) == (errno.ENOEXEC, str(tmp_path / "noise"))


def test_a_folder_that_is_not_there_is_named_not_the_program(tmp_path):
    with pytest.raises(FileNotFoundError) as refused:
        spawn(["/bin/true"], cwd=tmp_path / "missing")
    assert refused.value.filename == str(tmp_path / "missing")
    assert "chdir(2)" in refused.value.__notes__[0]


def test_a_descriptor_that_is_not_open_is_ebadf():
    with pytest.raises(OSError) as refused:
        spawn(["/bin/true"], stdout=9999)
    assert refused.value.errno == errno.EBADF
    assert refused.value.__notes__


def test_a_full_table_is_emfile():
    with full_table(), pytest.raises(OSError) as refused:
        spawn(["/bin/true"])
    assert refused.value.errno == errno.EMFILE
    assert "RLIMIT_NOFILE" in refused.value.__notes__[0]


@pytest.mark.parametrize("bad", [[], [""], ["/bin/true", "a\0b"]])
def test_a_bad_command_is_a_value_error(bad):
    with pytest.raises(ValueError):
        spawn(bad)


def test_a_negative_descriptor_is_a_value_error():
    for given in ({-1: 0}, {5: -1}):
        with pytest.raises(ValueError, match="from 0 up"):
            spawn(["/bin/true"], descriptors=given)


def test_a_closed_handle_is_a_closed_error():
    reader, writer = pipe()
    reader.close()
    with writer, pytest.raises(ClosedError):
        spawn(["/bin/true"], stdin=reader)


def test_no_refused_spawn_leaves_a_process():
    for _ in range(20):
        with pytest.raises(FileNotFoundError):
            spawn(["/no/such/program"])
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_spawning_leaves_the_signal_mask_alone():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    with spawn(["/bin/true"]) as child:
        child.wait(timeout=WAIT)
    with pytest.raises(FileNotFoundError):
        spawn(["/no/such/program"])
    assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == before
