"""One side is sysv_ipc, the other ours: they are the same queue, semaphore and segment."""

from __future__ import annotations

from unixipc import sysv

from ..beside import until


def test_a_queue(both, make):
    one, other = both
    here = make(one.MessageQueue, None, one.IPC_CREX)
    there = other.MessageQueue(here.key)
    here.send(b"\0first", type=3)
    here.send("zwölf", type=1)
    assert there.current_messages == 2
    assert there.receive(type=-2) == ("zwölf".encode(), 1)
    assert there.receive() == (b"\0first", 3)
    there.max_size = 50
    assert here.max_size == 50


def test_a_queue_between_processes(both, make, start):
    one, other = both
    here = make(one.MessageQueue, None, one.IPC_CREX)
    code = """
queue = ipc.MessageQueue(int(sys.argv[1]))
while (message := queue.receive(type=1)[0]) != b"end": queue.send(message.upper(), type=2)
"""
    echo = start(other, code, here.key)
    for each in (b"a", b"bc", b"x" * 2000):
        here.send(each)
        assert here.receive(type=2) == (each.upper(), 2)
    here.send(b"end")
    assert echo.wait(60) == 0


def test_a_semaphore(both, make, start):
    one, other = both
    here = make(one.Semaphore, None, one.IPC_CREX, initial_value=1)
    there = other.Semaphore(here.key)
    code = """
semaphore = ipc.Semaphore(int(sys.argv[1]))
semaphore.undo = True
semaphore.acquire()
print("mine", flush=True)
signal.pause()
"""
    with here:
        assert there.value == 0
        waiter = start(other, code, here.key)
        until(lambda: here.waiting_for_nonzero == 1)
    assert waiter.stdout.readline() == "mine\n"
    assert (here.value, here.last_pid) == (0, waiter.pid)
    waiter.kill()
    here.acquire()  # the kernel gave it back
    assert there.value == 0


def test_the_recipe_for_a_semaphores_initialisation(both, make, key):
    """Who makes it operates once; the others wait for o_time."""
    one, other = both
    here = make(one.Semaphore, key, one.IPC_CREX)
    there = other.Semaphore(key)
    assert there.o_time == 0
    here.release()
    assert there.o_time > 0


def test_a_segment(both, make):
    one, other = both
    here = make(one.SharedMemory, None, one.IPC_CREX, size=100)
    there = other.SharedMemory(here.key)
    by_id = other.attach(here.id)
    assert there.read() == by_id.read() == b" " * 100
    there.write(b"written there", 10)
    assert here.read(13, 10) == b"written there"
    with memoryview(here) as mine, memoryview(by_id) as theirs:
        mine[0:4] = b"mine"
        assert theirs[0:4] == b"mine"
    assert here.number_attached == 3
    there.detach()
    by_id.detach()
    here.mode = 0o640
    assert there.mode == 0o640


def test_keys_of_ftok_and_the_room_itself(ipc, make):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        key = ipc.ftok(__file__, 200)
    assert sysv.Key.ftok(__file__, 200) == key & 0xFFFFFFFF
    queue = make(ipc.MessageQueue, key, ipc.IPC_CREX)
    with sysv.MessageQueue.open(sysv.Key.ftok(__file__, 200)) as room:
        room.send(b"from the room", type=4)
        queue.send(b"to the room", type=5)
        assert queue.receive(type=4) == (b"from the room", 4)
        assert room.receive(type=5).body == b"to the room"
