"""I04: programs connected by pipes, with the status of every stage, and nothing left behind."""

import contextlib
import errno
import os
import resource
import signal
import sys
import threading

import pytest

from unixipc import ClosedError, Exited, Killed, PipelineResult, aio, fork, pipe, pipeline
from unixipc.process import subreaper
from unixipc.testing.contracts import FORMS

WAIT = 20


@contextlib.contextmanager
def full_table(free=0):
    """The descriptor table has `free` numbers left."""
    taken = [os.dup(0) for _ in range(free + 1)]
    for fd in taken:
        os.close(fd)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()


def test_I04_ls_wc(tmp_path):
    for name in "abc":
        (tmp_path / name).touch()
    result = pipeline(["ls", tmp_path], ["wc", "-l"]).run(timeout=WAIT)
    assert result.stdout.strip() == b"3"
    assert result.statuses == (Exited(0), Exited(0))
    assert result.succeeded


def test_I04_yes_head_ends_early_with_sigpipe_and_no_zombie():
    result = pipeline(["yes"], ["head", "-n", "1"]).run(timeout=WAIT)
    assert result == PipelineResult(b"y\n", (Killed(signal.SIGPIPE), Exited(0)))
    assert result.succeeded, "that is how a pipeline ends early"
    assert children() == []


def test_I04_the_status_of_every_stage_is_told():
    codes = (3, 0, 7)
    stages = [["/bin/sh", "-c", f"cat >/dev/null; exit {code}"] for code in codes]
    result = pipeline(*stages).run(input=b"", timeout=WAIT)
    assert result.statuses == tuple(Exited(code) for code in codes)
    assert not result.succeeded


def test_I04_the_same_program_may_come_twice():
    """Also as the very same list, or equal constants that Python shares."""
    cat = ["cat"]
    assert pipeline(cat, cat, cat).run(input=b"through", timeout=WAIT).stdout == b"through"
    assert pipeline(("cat",), ("cat",)).run(input=b"through", timeout=WAIT).stdout == b"through"


def test_I04_one_program_is_a_pipeline_too():
    assert pipeline(["echo", "alone"]).run(timeout=WAIT) == PipelineResult(b"alone\n", (Exited(0),))


def test_I04_much_more_than_a_pipe_holds_goes_in_and_out():
    data = os.urandom(1 << 20)
    result = pipeline(["cat"], ["cat"], ["cat"]).run(input=data, timeout=WAIT)
    assert result.stdout == data


def test_I04_a_first_program_that_reads_nothing_is_no_error():
    result = pipeline(["true"], ["cat"]).run(input=b"x" * (1 << 20), timeout=WAIT)
    assert result == PipelineResult(b"", (Exited(0), Exited(0)))


def test_I04_twenty_stages():
    result = pipeline(*[["cat"]] * 20).run(input=b"far", timeout=WAIT)
    assert (result.stdout, len(result.statuses)) == (b"far", 20)


def test_I04_a_killed_stage_ends_its_neighbours():
    result = pipeline(["yes"], ["/bin/sh", "-c", "kill -9 $$"], ["cat"]).run(timeout=WAIT)
    assert result.statuses == (Killed(signal.SIGPIPE), Killed(signal.SIGKILL), Exited(0))


def test_I04_stderr_goes_where_it_is_sent():
    reader, writer = pipe()
    with reader, writer:
        result = pipeline(["/bin/sh", "-c", "echo oops >&2; echo fine"], ["cat"]).run(stderr=writer, timeout=WAIT)
        assert result.stdout == b"fine\n"
        assert reader.read(100, timeout=WAIT) == b"oops\n"


def test_I04_environment_and_folder_are_for_all_stages(tmp_path):
    stage = ["/bin/sh", "-c", "cat; echo $WORD; pwd"]
    result = pipeline(stage, stage, env={"WORD": "w", "PATH": os.defpath}, cwd=str(tmp_path)).run(b"", timeout=WAIT)
    assert result.stdout.decode().split() == ["w", str(tmp_path)] * 2


def test_I04_a_time_out_kills_and_reaps_every_program():
    before = os.listdir("/proc/self/fd")
    with pytest.raises(TimeoutError) as late:
        pipeline(["sleep", "600"], ["cat"], ["sleep", "600"]).run(timeout=0.1)
    assert late.value.filename == "sleep 600 | cat | sleep 600"
    assert children() == []
    assert os.listdir("/proc/self/fd") == before


DAEMON = "echo started; sleep 600 & echo $!"


def run_of(form, *commands, **how):
    line = pipeline(*commands) if form.blocking else aio.pipeline(*commands)
    return form.call(line.run, **how)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_I04_a_time_out_has_the_output_and_names_who_keeps_the_pipe(form):
    async def main():
        with pytest.raises(TimeoutError) as late:
            await run_of(form, ["cat"], ["sh", "-c", f"cat; {DAEMON}; exit 3"], input=b"fed ", timeout=0.5)
        text, _, daemon = late.value.stdout.strip().rpartition(b"\n")
        os.kill(int(daemon), signal.SIGKILL)
        assert text == b"fed started"
        assert late.value.statuses == (Exited(0), Exited(3))
        assert f"{int(daemon)} (sleep) still has the write end" in str(late.value)
        assert any("until" in note for note in late.value.__notes__)

    form.run(main)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_I04_until_exit_does_not_wait_for_a_daemon_that_has_the_output(form):
    async def main():
        result = await run_of(form, ["sh", "-c", DAEMON], timeout=WAIT, until="exit")
        os.kill(int(result.stdout.split()[1]), signal.SIGKILL)
        assert (result.stdout.split()[0], result.statuses) == (b"started", (Exited(0),))
        long = await run_of(form, ["head", "-c", "300000", "/dev/zero"], ["cat"], timeout=WAIT, until="exit")
        assert long == PipelineResult(bytes(300000), (Exited(0), Exited(0)))

    form.run(main)


def test_I04_what_was_killed_by_the_time_out_is_among_the_statuses():
    with pytest.raises(TimeoutError) as late:
        pipeline(["echo", "out"], ["sh", "-c", "cat; sleep 600 >/dev/null"]).run(timeout=0.3)
    assert late.value.stdout == b"out\n"
    assert late.value.statuses == (Exited(0), Killed(signal.SIGKILL))
    assert "write end" not in str(late.value)


def test_I04_until_is_one_of_two_words():
    with pytest.raises(ValueError, match="until"):
        pipeline(["true"]).run(until="never")


def test_I04_a_signal_handler_that_raises_kills_and_reaps_every_program():
    class Enough(Exception):
        pass

    def raise_enough(*_):
        raise Enough

    before = signal.signal(signal.SIGALRM, raise_enough)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Enough):
            pipeline(["sleep", "600"], ["sleep", "600"]).run(timeout=WAIT)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert children() == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_program_that_cannot_be_started_is_named_and_the_others_are_reaped(place):
    stages = [["sleep", "600"], ["sleep", "600"], ["sleep", "600"]]
    stages[place] = ["/no/such/program"]
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError) as refused:
        pipeline(*stages).run(input=b"x", timeout=WAIT)
    assert (refused.value.errno, refused.value.filename) == (errno.ENOENT, "/no/such/program")
    assert children() == []
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("free", range(10))
def test_a_full_table_at_any_point_is_emfile_and_leaks_nothing(free):
    """`free` numbers are left: it fails at another step each time, or works."""
    before = os.listdir("/proc/self/fd")
    with full_table(free):
        try:
            result = pipeline(["cat"], ["cat"], ["cat"]).run(input=b"x", timeout=WAIT)
        except OSError as refused:
            assert refused.errno == errno.EMFILE
            assert "RLIMIT_NOFILE" in refused.__notes__[0]
        else:
            assert (free >= 6, result.stdout) == (True, b"x")
    assert children() == []
    assert os.listdir("/proc/self/fd") == before


def test_a_killed_caller_takes_its_programs_along():
    def body():
        subreaper()  # so that what is left of the killed caller is ours to see
        reader, writer = pipe()
        with reader:

            def run_for_ever():
                writer.dup2(1)
                pipeline(["/bin/sh", "-c", "echo up >&2; exec sleep 600"], ["sleep", "600"]).run(stderr=writer)

            with fork(run_for_ever) as caller:
                writer.close()
                reader.read_exactly(3, timeout=WAIT)
                caller.kill()
                caller.wait(timeout=WAIT)
            assert reader.read(100, timeout=WAIT) == b"", "every program that held the write end is gone"

    with fork(body) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


def test_children_of_others_are_left_alone():
    with fork(lambda: 9) as mine:
        mine.wait_end(timeout=WAIT)
        pipeline(["true"], ["true"]).run(timeout=WAIT)
        assert mine.wait(timeout=WAIT) == Exited(9)


def test_pipelines_in_threads_do_not_hold_each_others_ends():
    """A write end that another pipeline's program inherited would keep `cat` waiting for ever."""
    results = []

    def run_some():
        results.extend(pipeline(["cat"], ["cat"]).run(input=b"x", timeout=WAIT).stdout for _ in range(10))

    threads = [threading.Thread(target=run_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert results == [b"x"] * 40


@pytest.mark.parametrize("bad", [(), ("ls",), (b"ls",), ([],), (["ls"], [])])
def test_bad_commands_are_a_value_error_that_shows_the_form(bad):
    with pytest.raises(ValueError, match="one list of words a program"):
        pipeline(*bad)


def test_text_as_input_is_refused_and_leaks_nothing():
    before = os.listdir("/proc/self/fd")
    with pytest.raises(TypeError):
        pipeline(["cat"]).run(input="text", timeout=WAIT)
    assert os.listdir("/proc/self/fd") == before
    assert children() == []


def test_a_bad_timeout_or_a_closed_stderr_leaves_nothing():
    reader, writer = pipe()
    writer.close()
    with reader:
        with pytest.raises(ClosedError):
            pipeline(["cat"], ["cat"]).run(stderr=writer, timeout=WAIT)
    with pytest.raises(ValueError, match="timeout"):
        pipeline(["cat"]).run(input=b"", timeout=-1)
    assert children() == []


def test_it_reads_as_in_the_shell():
    line = pipeline(["ls", "-l"], [b"wc"], [sys.executable])
    assert str(line) == f"ls -l | wc | {sys.executable}"
    assert repr(line) == f"<Pipeline 'ls -l | wc | {sys.executable}'>"


MOVES = ("__enter__", "_pipe", "_start_one", "advance", "_write", "_read", "watched")
STARTS_AND_MOVES = {f"Running.{name}" for name in MOVES}


class Struck(Exception):
    pass


def struck_at(n):
    """A tracer that raises before the n-th line that starts the programs or moves their data."""
    lines = iter(range(n))

    def look(frame, event, _argument):
        if frame.f_code.co_qualname not in STARTS_AND_MOVES:
            return None
        if event == "line" and next(lines, None) is None:
            raise Struck
        return look

    return look


def test_an_exception_between_any_two_lines_leaves_no_program_and_no_descriptor():
    """As Ctrl-C may come. What is left is checked after the test; a program that nobody reaps is an error."""
    before = sys.gettrace()
    for n in range(1000):
        line = pipeline(["sleep", "600"], ["true"], ["true"])
        sys.settrace(struck_at(n))
        try:
            with pytest.raises(TimeoutError):
                line.run(b"x", timeout=0.001)
            break
        except Struck:
            pass
        finally:
            sys.settrace(before)
    assert 20 < n < 999
