"""What every byte stream must do."""

from __future__ import annotations

from typing import Any

import anyio

from ...errors import PeerGone
from .forms import PATIENCE_SECONDS, Form

__all__ = ["StreamContract"]

BIG = bytes(range(256)) * 4096


class StreamContract:
    """Subclass it with `make`: (the end that reads, the end that writes), connected."""

    def make(self, form: Form) -> tuple[Any, Any]:
        """The two ends."""
        raise NotImplementedError

    def ends(self, form: Form, main: Any) -> Any:
        """Run ``await main(reader, writer)`` with fresh ends and close both."""
        reader, writer = self.make(form)
        try:
            return form.run(lambda: main(reader, writer))
        finally:
            reader.close()
            writer.close()

    def test_bytes_come_out_as_they_went_in(self, form: Form) -> None:
        """All values, in order."""

        async def main(reader: Any, writer: Any) -> None:
            assert await form.call(writer.write, bytes(range(256))) == 256
            assert await form.call(reader.read, 1000) == bytes(range(256))

        self.ends(form, main)

    def test_a_megabyte_passes_through_a_small_buffer(self, form: Form) -> None:
        """write_all and read_exactly do what their names say."""

        async def main(reader: Any, writer: Any) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(form.call, writer.write_all, BIG)
                assert await form.call(reader.read_exactly, len(BIG)) == BIG

        self.ends(form, main)

    def test_try_never_waits(self, form: Form) -> None:
        """None for not now, in both directions."""

        async def main(reader: Any, writer: Any) -> None:
            assert reader.try_read(1) is None
            while writer.try_write(BIG) is not None:
                pass
            assert writer.try_write(b"x") is None
            assert reader.try_read(1) is not None

        self.ends(form, main)

    def test_a_waiting_reader_gets_what_comes(self, form: Form) -> None:
        """It sleeps first, and is woken."""
        got: list[bytes] = []

        async def main(reader: Any, writer: Any) -> None:
            async def read() -> None:
                got.append(await form.call(reader.read, 10))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await anyio.sleep(PATIENCE_SECONDS)
                await form.call(writer.write, b"late")

        self.ends(form, main)
        assert got == [b"late"]

    def test_the_end_of_the_stream_is_empty_bytes(self, form: Form) -> None:
        """After the data, again and again; and read_exactly says how far it came, and loses nothing."""

        async def main(reader: Any, writer: Any) -> None:
            await form.call(writer.write, b"tail")
            writer.close()
            await form.fails(EOFError, reader.read_exactly, 5)
            assert await form.call(reader.read, 10) == b"tail"
            assert await form.call(reader.read, 10) == b""
            assert await form.call(reader.read, 10) == b""

        self.ends(form, main)

    def test_a_writer_without_readers_is_told(self, form: Form) -> None:
        """`PeerGone`, with errno, and no signal kills the process."""

        async def main(reader: Any, writer: Any) -> None:
            reader.close()
            error = await form.fails(PeerGone, writer.write_all, BIG)
            assert error.errno is not None

        self.ends(form, main)

    def test_a_time_out_consumes_nothing(self, form: Form) -> None:
        """TimeoutError with what it waited for; what came meanwhile is there for the next read."""

        async def main(reader: Any, writer: Any) -> None:
            await form.fails(TimeoutError, reader.read, 10, timeout=0)
            await form.call(writer.write, b"abc")
            await form.fails(TimeoutError, reader.read_exactly, 4, timeout=0.01)
            await form.call(writer.write, b"d")
            assert await form.call(reader.read_exactly, 4) == b"abcd"

        self.ends(form, main)

    def test_a_timed_out_write_says_how_far_it_came(self, form: Form) -> None:
        """A stream cannot take bytes back: `written_bytes` of them will arrive, no more and no less."""

        async def main(reader: Any, writer: Any) -> None:
            error = await form.fails(TimeoutError, writer.write_all, BIG, timeout=0.05)
            assert 0 < error.written_bytes < len(BIG)
            assert await form.call(reader.read_exactly, error.written_bytes) == BIG[: error.written_bytes]
            assert reader.try_read(1) is None

        self.ends(form, main)

    def test_bad_sizes_and_time_outs_are_refused(self, form: Form) -> None:
        """ValueError, before anything is touched."""

        async def main(reader: Any, writer: Any) -> None:
            await form.fails(ValueError, reader.read, -1)
            await form.fails(ValueError, reader.read, 1, timeout=-1)
            await form.fails(ValueError, reader.read, 1, timeout=float("nan"))
            assert await form.call(reader.read, 0) == b""

        self.ends(form, main)

    def test_a_cancelled_read_consumes_nothing(self, form: Form) -> None:
        """Only awaitable forms can be cancelled from outside."""
        if form.blocking:
            return

        async def main(reader: Any, writer: Any) -> None:
            with anyio.move_on_after(PATIENCE_SECONDS) as scope:
                await reader.read(10)
            assert scope.cancelled_caught
            await writer.write(b"kept")
            assert await reader.read(10) == b"kept"

        self.ends(form, main)

    def test_two_waiting_readers_both_get_some(self, form: Form) -> None:
        """Any number may wait at once; each byte goes to one of them."""
        got: list[bytes] = []

        async def main(reader: Any, writer: Any) -> None:
            async def read() -> None:
                got.append(await form.call(reader.read, 1))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                tasks.start_soon(read)
                await anyio.sleep(PATIENCE_SECONDS)
                await form.call(writer.write, b"ab")

        self.ends(form, main)
        assert sorted(got) == [b"a", b"b"]
