"""Each room's own ways when it is awaited, on asyncio and on trio."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import anyio
import pytest

from unixipc import ClosedError, Exited, Killed, Stopped, aio
from unixipc.testing.contracts import ASYNCIO, TRIO

FORMS = pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)


@FORMS
def test_a_child_is_awaited_and_its_block_waits(form):
    async def main():
        async with aio.fork(lambda: 3) as child:
            assert await child.wait() == Exited(3)
        async with aio.spawn(["true"]) as child:
            pass
        assert child.status == Exited(0)
        assert child.usage.peak_kib > 0

    form.run(main)


@FORMS
def test_a_cancelled_block_kills_its_child(form):
    async def main():
        with anyio.move_on_after(0.05):
            async with aio.spawn(["sleep", "1000"]) as child:
                await anyio.sleep(1000)
        assert child.status == Killed(signal.SIGKILL)
        with anyio.move_on_after(0.05):
            async with aio.spawn(["sleep", "1000"]) as child:
                pass  # cancelled while the block waits for it
        assert child.status == Killed(signal.SIGKILL)

    form.run(main)


@FORMS
def test_a_listener_and_a_fifo_stay_in_blocking_mode_for_whoever_shares_them(form, tmp_path):
    async def main():
        listener = await aio.sockets.listen(str(tmp_path / "s"), temporary=True)
        fifo = await aio.Fifo.temporary()
        async with listener, fifo, await fifo.reader(persistent=True) as reader, await fifo.writer(20) as writer:
            for end, attempt in [(listener, listener.accept), (reader, lambda timeout: reader.read(1, timeout))]:
                with pytest.raises(TimeoutError):
                    await attempt(timeout=0.01)
                assert os.get_blocking(end.fileno())
            await writer.write_all(b"x")
            assert os.get_blocking(writer.fileno())

    form.run(main)


@FORMS
def test_stops_are_awaited_in_the_kernel(form):
    async def main():
        async with aio.spawn(["sleep", "1000"]) as child:
            child.send_signal(signal.SIGSTOP)
            assert await child.wait(stopped=True, timeout=30) == Stopped(signal.SIGSTOP)
            with anyio.move_on_after(0.02) as scope:
                await child.wait(continued=True)
            assert scope.cancelled_caught
            child.kill()
            assert await child.wait(stopped=True, timeout=30) == Killed(signal.SIGKILL)

    form.run(main)


@FORMS
def test_wait_any_takes_whoever_ends(form):
    async def main():
        with anyio.move_on_after(0.02) as scope:
            async with aio.spawn(["sleep", "1000"]) as slow:
                await aio.wait_any()
        assert scope.cancelled_caught
        async with aio.spawn(["sleep", "1000"]) as slow, aio.fork(lambda: 5) as quick:
            assert await aio.wait_any(timeout=30) == (quick.pid, Exited(5))
            assert await quick.wait() == Exited(5), "its handle still knows"
            slow.kill()

    form.run(main)


@FORMS
def test_a_cancelled_pipeline_leaves_no_program(form):
    async def main():
        with anyio.move_on_after(0.1) as scope:
            await aio.pipeline(["sleep", "1000"], ["cat"]).run()
        assert scope.cancelled_caught
        result = await aio.pipeline(["yes"], ["head", "-n", "1"]).run()
        assert result.stdout == b"y\n"
        assert result.statuses == (Killed(signal.SIGPIPE), Exited(0))

    form.run(main)


@FORMS
def test_descriptors_and_credentials_travel(form):
    async def main():
        a, b = aio.sockets.pair("seqpacket")
        reader, writer = aio.pipe()
        async with a, b, reader, writer:
            await a.send(b"take it", descriptors=[writer])
            with await b.receive(100, max_descriptors=1) as received:
                assert received.credentials.pid == os.getpid()
                os.write(received.descriptors[0].fileno(), b"through the copy")
            assert await reader.read(100) == b"through the copy"

    form.run(main)


@FORMS
def test_an_echo_server_and_a_hundred_clients(form, tmp_path):
    """A listener is iterated, clients connect at once, and the file goes at the end."""

    async def serve(listener, tasks):
        async for connection in listener:
            tasks.start_soon(echo, connection)

    async def echo(connection):
        async with connection:
            while data := await connection.read(100):
                await connection.write_all(data)

    async def client(n, answers):
        async with await aio.sockets.connect(tmp_path / "echo", timeout=30) as connection:
            await connection.write_all(b"%d" % n)
            connection.shutdown_write()
            answers.add(await connection.read(100))

    async def main():
        answers = set()
        async with await aio.sockets.listen(tmp_path / "echo", temporary=True) as listener:
            async with anyio.create_task_group() as servers:
                servers.start_soon(serve, listener, servers)
                async with anyio.create_task_group() as clients:
                    for n in range(100):
                        clients.start_soon(client, n, answers)
                servers.cancel_scope.cancel()
        assert answers == {b"%d" % n for n in range(100)}

    form.run(main)
    assert not (tmp_path / "echo").exists()


@FORMS
def test_datagrams_wait_for_room(form):
    async def main():
        async with await aio.sockets.bind("") as inbox, await aio.sockets.bind("") as outbox:
            sent = 0
            while outbox.try_send_to(b"x", inbox.address) is not None:
                sent += 1
            with anyio.move_on_after(0.02) as scope:
                await outbox.send_to(b"cancelled", inbox.address)
            assert scope.cancelled_caught
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(outbox.send_to, b"last", inbox.address)
                got = [(await inbox.receive_from(100)).data for _ in range(sent + 1)]
            assert got == [b"x"] * sent + [b"last"]

    form.run(main)


@FORMS
def test_a_listener_that_waits_for_the_folder_can_be_cancelled(form, tmp_path):
    """Another process holds the lock on the folder: the cancel ends the wait, and no file is left."""
    holder = os.open(tmp_path, os.O_RDONLY)
    import fcntl

    fcntl.flock(holder, fcntl.LOCK_EX)

    async def main():
        with anyio.move_on_after(0.05) as scope:
            await aio.sockets.listen(tmp_path / "sock")
        assert scope.cancelled_caught

    form.run(main)
    os.close(holder)
    assert list(tmp_path.iterdir()) == []


@FORMS
def test_closing_from_another_thread_wakes_the_task(form):
    async def main():
        reader, writer = aio.pipe()
        async with writer:
            closer = threading.Timer(0.05, reader.sync.close)
            closer.start()
            with pytest.raises(ClosedError):
                await reader.read(1)
            closer.join()

    form.run(main)


@FORMS
def test_pages_move_between_pipes(form):
    async def main():
        (r1, w1), (r2, w2) = aio.pipe(), aio.pipe()
        async with r1, w1, r2, w2:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(aio.tee, r1, w2, 100)
                await anyio.sleep(0.02)
                await w1.write(b"pages")
            assert await r2.read(100) == b"pages"
            assert await aio.splice(r1, w2, 100) == 5
            assert await r2.read(100) == b"pages"
            assert await aio.vmsplice(w1, b"mapped") == 6
            assert await r1.read(100) == b"mapped"

    form.run(main)


@FORMS
def test_a_result_that_comes_after_a_native_cancel_is_given_back(form, tmp_path):
    """asyncio's own Task.cancel pierces shields: still no thread and no descriptor is left."""
    if form is not ASYNCIO:
        return
    import asyncio

    async def main():
        fifo = await aio.Fifo.create(tmp_path / "fifo")
        for pause in (0, 0.001, 0.01):
            task = asyncio.create_task(fifo.reader())
            await asyncio.sleep(pause)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    form.run(main)


def test_without_anyio_the_error_has_the_fix():
    code = "import sys; sys.modules['anyio'] = None\ntry:\n from unixipc import aio\nexcept ImportError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "unixipc[aio]" in done.stdout
