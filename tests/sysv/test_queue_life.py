"""What becomes of a queue and of who waits in it: Q11, Q16, Q17, the five fates, pickles, iteration."""

import errno
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from unixipc import ClosedError, Exited, Killed, ObjectRemoved, fork, pipe, sysv
from unixipc.sysv import Key, Message, MessageQueue

WAIT = 20
PATIENCE = 0.05

CALLS = {
    "send": lambda queue: queue.send(b"", timeout=WAIT),
    "try_send": lambda queue: queue.try_send(b""),
    "receive": lambda queue: queue.receive(timeout=WAIT),
    "try_receive": lambda queue: queue.try_receive(),
    "wait_until_there": lambda queue: queue.wait_until_there(timeout=WAIT),
    "peek": lambda queue: queue.peek(),
    "stat": lambda queue: queue.stat(),
    "len": len,
    "resize": lambda queue: queue.resize(100),
    "set_permissions": lambda queue: queue.set_permissions(mode=0o600),
    "remove": lambda queue: queue.remove(),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
WAITING = {
    "receive": lambda queue: queue.receive(2, timeout=WAIT),
    "send": lambda queue: queue.send(b"x", timeout=WAIT),
    "wait_until_there": lambda queue: queue.wait_until_there(2, timeout=WAIT),
}
every_wait = pytest.mark.parametrize("wait", WAITING.values(), ids=WAITING.keys())


@pytest.fixture
def queue():
    with MessageQueue.temporary() as queue:
        yield queue


@pytest.fixture
def full():
    """A queue of capacity 1 that holds a message of type 1: nothing of type 2 comes, and nothing more fits."""
    with MessageQueue.temporary(capacity_bytes=1) as queue:
        queue.send(b"1")
        yield queue


@pytest.fixture
def asleep():
    """Start a call in a thread, and give it a moment to fall asleep."""
    with ThreadPoolExecutor() as pool:

        def start(call, *args, **named):
            future = pool.submit(call, *args, **named)
            time.sleep(PATIENCE)
            return future

        yield start


def exists(id):
    return id in {row.id for row in sysv.queues()}


def python(code, *args):
    """Another interpreter, in this IPC namespace."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, timeout=WAIT, check=False
    )


# removed --------------------------------------------------------------------------------------------------------------


@every_wait
def test_Q11_who_waits_while_it_is_removed_is_told(full, asleep, wait):
    sleepers = [asleep(wait, full), asleep(wait, MessageQueue(full.id))]
    MessageQueue(full.id).remove()
    for future in sleepers:
        with pytest.raises(ObjectRemoved) as refused:
            future.result(WAIT)
        assert refused.value.errno == errno.EIDRM
        assert refused.value.filename == full.name


@every_wait
def test_Q11_other_processes_that_wait_are_told_too(full, wait):
    def child():
        with pytest.raises(ObjectRemoved):
            wait(full)

    with fork(child) as child:
        time.sleep(PATIENCE)
        full.remove()
        assert child.wait(timeout=WAIT) == Exited(0)


@every_call
def test_Q11_after_it_was_removed_every_call_says_so(queue, call):
    MessageQueue(queue.id).remove()
    with pytest.raises(ObjectRemoved) as refused:
        call(queue)
    assert refused.value.errno == errno.EINVAL
    assert refused.value.filename == queue.name
    assert "IPC_RMID" in refused.value.__notes__[0]


def test_Q11_a_new_queue_is_never_taken_for_the_removed_one():
    """The kernel uses the slot again, but not the id."""
    key = Key.random()
    old = MessageQueue.create(key)
    old.remove()
    with MessageQueue.create(key) as new:
        assert new.id != old.id
        with pytest.raises(ObjectRemoved):
            old.send(b"")
        assert len(new) == 0
        new.remove()


def test_Q11_an_id_that_nothing_has_is_told_as_removed(queue):
    with pytest.raises(ObjectRemoved):
        MessageQueue(queue.id + 1)


def test_Q11_remove_takes_the_messages_and_the_key_with_it():
    key = Key.random()
    with MessageQueue.create(key) as queue:
        queue.send(b"gone")
        queue.remove()
    with pytest.raises(FileNotFoundError):
        MessageQueue.open(key)


def test_iteration_ends_when_the_queue_is_removed(queue, asleep, until):
    for n in range(3):
        queue.send(b"%d" % n)
    found = asleep(list, queue)
    queue.send(b"3")
    until(lambda: len(queue) == 0)
    queue.remove()
    assert [message.body for message in found.result(WAIT)] == [b"0", b"1", b"2", b"3"]


def test_iteration_of_a_removed_queue_ends_at_once(queue):
    queue.remove()
    for message in queue:
        pytest.fail(f"where does {message} come from?")
    assert list(iter(queue)) == []  # list(queue) would ask for its length first


# closed ---------------------------------------------------------------------------------------------------------------


@every_call
def test_nothing_works_after_close(call):
    with MessageQueue.temporary() as keeper:
        queue = MessageQueue(keeper.id)
        queue.close()
        with pytest.raises(ClosedError):
            call(queue)
        assert len(keeper) == 0


@every_wait
def test_close_wakes_the_threads_that_wait_in_this_handle(full, asleep, wait):
    queue = MessageQueue(full.id)
    sleepers = [asleep(wait, queue) for _ in range(3)]
    other = asleep(wait, full)
    queue.close()
    for future in sleepers:
        with pytest.raises(ClosedError):
            future.result(WAIT)
    assert not other.done(), "the queue lives on, and so do the waits of other handles"
    full.remove()
    assert isinstance(other.exception(WAIT), ObjectRemoved)


def test_with_closes_and_never_removes():
    with MessageQueue.create(Key.random()) as queue:
        queue.send(b"still here")
    assert queue.closed
    with MessageQueue(queue.id) as again:
        assert again.receive(timeout=WAIT).body == b"still here"
        again.remove()


def test_a_closed_handle_tells_its_name_and_opens_no_block(queue):
    same = MessageQueue(queue.id)
    assert repr(same) == f"<MessageQueue private (id {queue.id})>"
    same.close()
    same.close()
    assert repr(same) == f"<MessageQueue private (id {queue.id}) closed>"
    with pytest.raises(ClosedError):
        with same:
            pass


def test_a_handle_with_a_key_shows_it():
    queue = MessageQueue.create(Key(0x4B1D4B1D))
    assert repr(queue) == f"<MessageQueue key 0x4b1d4b1d (id {queue.id})>"
    queue.remove()


# temporary, fork, exec, kill -9 ---------------------------------------------------------------------------------------


def test_a_temporary_queue_ends_with_its_handle():
    queue = MessageQueue.temporary()
    queue.close()
    assert not exists(queue.id)
    number = MessageQueue.temporary().id  # forgotten at once
    assert not exists(number)


def test_a_temporary_queue_may_be_removed_early():
    with MessageQueue.temporary() as queue:
        queue.remove()
    assert not exists(queue.id)


@pytest.mark.parametrize("end", ["pass", "raise SystemExit(0)", "1 / 0", "del queue"])
def test_a_temporary_queue_ends_with_the_interpreter(end):
    done = python(f"from unixipc.sysv import MessageQueue as Q; queue = Q.temporary(); print(queue.id)\n{end}")
    assert not exists(int(done.stdout))


def test_a_temporary_queue_outlives_forked_children(queue):
    with fork(queue.close) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert exists(queue.id)
    code = """
import os, sys
from unixipc.sysv import MessageQueue
queue = MessageQueue.temporary()
pid = os.fork()
if pid == 0:
    queue.send(b"child")
    sys.exit()  # atexit functions run, in the child
os.waitpid(pid, 0)
print(queue.receive(timeout=20).body.decode())
"""
    assert python(code).stdout == "child\n"


def test_closing_another_handle_does_not_remove_a_temporary_queue(queue):
    MessageQueue(queue.id).close()
    pickle.loads(pickle.dumps(queue)).close()
    assert exists(queue.id)


def test_kill_9_leaves_a_queue_and_its_messages():
    reader, writer = pipe()

    def child():
        queue = MessageQueue.temporary()
        queue.send(b"last words", 9)
        writer.write_all(b"%9d" % queue.id)
        os.kill(os.getpid(), signal.SIGKILL)

    with reader, writer, fork(child) as killed:
        left = MessageQueue(int(reader.read_exactly(9, timeout=WAIT)))
        assert killed.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    assert left.receive(timeout=WAIT) == Message(9, b"last words")
    left.remove()


def test_kill_9_of_a_waiting_receiver_takes_nothing(queue):
    with fork(lambda: queue.receive() and 0) as child:
        time.sleep(PATIENCE)
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    queue.send(b"whole")
    assert queue.receive(timeout=WAIT).body == b"whole"


def test_an_id_means_the_same_after_exec(queue):
    done = python("import sys; from unixipc.sysv import MessageQueue as Q; Q(int(sys.argv[1])).send(b'hi')", queue.id)
    assert (done.returncode, done.stderr) == (0, "")
    assert queue.receive(timeout=WAIT).body == b"hi"


def test_a_pickled_handle_is_the_same_queue_with_the_same_codec(queue):
    coded = MessageQueue(queue.id, codec="i")
    code = "import pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1])).send((42,))"
    assert python(code, pickle.dumps(coded).hex()).returncode == 0
    again = pickle.loads(pickle.dumps(coded))
    assert (again.id, again.key) == (queue.id, queue.key)
    assert again.receive(timeout=WAIT).body == (42,)


def test_a_closed_handle_cannot_be_pickled(queue):
    with MessageQueue(queue.id) as same:
        pass
    with pytest.raises(ClosedError):
        pickle.dumps(same)


def test_a_message_can_be_pickled():
    message = Message(2**40, b"x", True)
    assert pickle.loads(pickle.dumps(message)) == message


# signals and time limits ----------------------------------------------------------------------------------------------


@pytest.fixture
def on_signal():
    """Install a handler and send the signal a moment later."""
    before = signal.getsignal(signal.SIGUSR1)
    timers = []

    def prepare(handler):
        signal.signal(signal.SIGUSR1, handler)
        timers.append(threading.Timer(PATIENCE, os.kill, (os.getpid(), signal.SIGUSR1)))
        timers[0].start()

    yield prepare
    timers[0].join()
    signal.signal(signal.SIGUSR1, before)


def test_Q16_a_handler_runs_while_receive_waits_and_the_receive_goes_on(queue, on_signal):
    on_signal(lambda *_: queue.send(b"from the handler"))
    assert queue.receive(timeout=WAIT).body == b"from the handler"


def test_Q16_a_handler_runs_while_send_waits_and_the_send_goes_on(full, on_signal):
    on_signal(lambda *_: full.receive(timeout=0))
    full.send(b"2", timeout=WAIT)
    assert full.receive(timeout=WAIT).body == b"2"


def test_Q16_a_handler_that_raises_ends_the_wait_and_loses_no_message(queue, on_signal):
    """The message is there when the exception comes: it was sent by the handler itself."""

    def handler(*_):
        queue.send(b"not lost")
        raise InterruptedError("enough")

    on_signal(handler)
    with pytest.raises(InterruptedError, match="enough"):
        queue.receive(timeout=WAIT)
    assert queue.try_receive() == Message(1, b"not lost")


def test_Q17_a_time_out_names_the_queue_and_takes_nothing(queue):
    queue.send(b"other", 1)
    with pytest.raises(TimeoutError) as late:
        queue.receive(2, timeout=0.01)
    assert late.value.filename == queue.name
    assert len(queue) == 1


def test_Q17_a_send_that_is_late_sends_nothing(full):
    with pytest.raises(TimeoutError):
        full.send(b"2", timeout=0.01)
    assert [full.try_receive(), full.try_receive()] == [Message(1, b"1"), None]


def test_Q17_at_the_deadline_a_message_is_received_or_still_there(queue):
    """500 times a thread sends just about when the wait ends."""
    source, both = random.Random(17), {True: 0, False: 0}
    for n in range(500):
        moment = source.uniform(0.0005, 0.0025)
        sender = threading.Timer(moment, queue.send, (b"%d" % n * (n % 3),))
        sender.start()
        try:
            message, received = queue.receive(timeout=0.0015), True
        except TimeoutError:
            sender.join(WAIT)
            message, received = queue.try_receive(), False
        sender.join(WAIT)
        assert message == Message(1, b"%d" % n * (n % 3))
        assert len(queue) == 0
        both[received] += 1
    assert all(both.values()), "both must have happened for this to be a test"


def test_Q17_threads_that_share_a_handle_take_each_message_once(queue):
    """Four processes send, four threads receive with time limits that often pass."""

    def send(first):
        for number in range(first, first + 1000):
            queue.send(b"" if number % 3 == 0 else b"x" * 50, number, timeout=WAIT)

    def receive(seed):
        source, taken, last = random.Random(seed), [], time.monotonic() + WAIT
        while not done.is_set() or len(queue):
            assert time.monotonic() < last
            try:
                taken.append(queue.receive(timeout=source.choice([0, 1e-4, 1e-3])).type)
            except TimeoutError:
                continue
        return taken

    done, children = threading.Event(), [fork(send, 1 + 1000 * n) for n in range(4)]
    with ThreadPoolExecutor() as pool:
        receivers = [pool.submit(receive, seed) for seed in range(4)]
        for child in children:
            with child:
                assert child.wait(timeout=WAIT) == Exited(0)
        done.set()
        taken = [number for receiver in receivers for number in receiver.result(WAIT)]
    assert sorted(taken) == list(range(1, 4001))
