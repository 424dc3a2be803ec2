"""What everything that carries messages must do."""

from __future__ import annotations

from typing import Any

import anyio

from .forms import PATIENCE_SECONDS, Form

__all__ = ["MessageContract"]

MESSAGES = [b"", b"x", b"\0" * 1000, bytes(range(256)), b"last"]
EARLY, LATE = b"y" * 1000, b"late" * 250


class MessageContract:
    """Subclass it with `make`: (receiver with ``receive(timeout=)``, sender with ``send(message, timeout=)``)."""

    MANY = 500
    """How many messages fill the channel's memory several times over."""

    def make(self, form: Form) -> tuple[Any, Any]:
        """The two ends, with `close` of their own if they need it."""
        raise NotImplementedError

    def ends(self, form: Form, main: Any) -> Any:
        """Run ``await main(receiver, sender)`` with fresh ends and close both."""
        receiver, sender = self.make(form)
        try:
            return form.run(lambda: main(receiver, sender))
        finally:
            receiver.close()
            sender.close()

    def test_borders_and_order_are_kept(self, form: Form) -> None:
        """Empty messages count too."""

        async def main(receiver: Any, sender: Any) -> None:
            for message in MESSAGES:
                await form.call(sender.send, message)
            assert [await form.call(receiver.receive) for _ in MESSAGES] == MESSAGES

        self.ends(form, main)

    def test_a_full_channel_holds_the_sender_back(self, form: Form) -> None:
        """And loses nothing."""

        async def main(receiver: Any, sender: Any) -> None:
            async def send() -> None:
                for n in range(self.MANY):
                    await form.call(sender.send, b"%d" % n * 300)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send)
                await anyio.sleep(PATIENCE_SECONDS)
                for n in range(self.MANY):
                    assert await form.call(receiver.receive) == b"%d" % n * 300

        self.ends(form, main)

    def test_the_end_is_told(self, form: Form) -> None:
        """EOFError once the last sender has closed and everything was received."""

        async def main(receiver: Any, sender: Any) -> None:
            await form.call(sender.send, b"one")
            sender.close()
            assert await form.call(receiver.receive) == b"one"
            await form.fails(EOFError, receiver.receive)

        self.ends(form, main)

    def test_try_never_waits(self, form: Form) -> None:
        """None for nothing there, False for no room."""

        async def main(receiver: Any, sender: Any) -> None:
            assert receiver.try_receive() is None
            sent = 0
            while sender.try_send(b"y" * 1000):
                sent += 1
            assert sent > 0
            for _ in range(sent):
                assert await form.call(receiver.receive, timeout=10) == b"y" * 1000
                if getattr(sender, "pending_bytes", 0):
                    await form.call(sender.flush)
            assert receiver.try_receive() is None

        self.ends(form, main)

    def test_a_time_out_consumes_nothing(self, form: Form) -> None:
        """The message that comes later is whole."""

        async def main(receiver: Any, sender: Any) -> None:
            await form.fails(TimeoutError, receiver.receive, timeout=0.01)
            await form.call(sender.send, b"later")
            assert await form.call(receiver.receive) == b"later"

        self.ends(form, main)

    def test_a_cancelled_receive_consumes_nothing(self, form: Form) -> None:
        """Cancelled at once, while waiting, or when the message has just come."""
        if form.blocking:
            return

        async def main(receiver: Any, sender: Any) -> None:
            for patience in (0, 0.001, PATIENCE_SECONDS):
                with anyio.move_on_after(patience) as scope:
                    await receiver.receive()
                assert scope.cancelled_caught
            await sender.send(b"kept")
            assert await receiver.receive() == b"kept"

        self.ends(form, main)

    def test_a_timed_out_send_has_sent_all_or_nothing(self, form: Form) -> None:
        """And what was sent before it is not touched."""

        async def main(receiver: Any, sender: Any) -> None:
            sent = self._filled(sender)
            await form.fails(TimeoutError, sender.send, LATE, timeout=0.01)
            await self._drained(form, receiver, sender, sent)

        self.ends(form, main)

    def test_a_cancelled_send_has_sent_all_or_nothing(self, form: Form) -> None:
        """Cancelled at once, or while it waits for room."""
        if form.blocking:
            return

        async def main(receiver: Any, sender: Any) -> None:
            sent = self._filled(sender)
            with anyio.move_on_after(PATIENCE_SECONDS) as scope:
                await sender.send(LATE)
            assert scope.cancelled_caught
            await self._drained(form, receiver, sender, sent)

        self.ends(form, main)

    @staticmethod
    def _filled(sender: Any) -> int:
        """How many messages it took to fill the channel."""
        sent = 0
        while sender.try_send(EARLY):
            sent += 1
        return sent

    @staticmethod
    async def _drained(form: Form, receiver: Any, sender: Any, sent: int) -> None:
        """Everything that was sent, and of `LATE` all or nothing: begun frames are finished by `flush`."""
        begun = 0
        for _ in range(sent):
            assert await form.call(receiver.receive, timeout=10) == EARLY
            if getattr(sender, "pending_bytes", 0):
                begun = 1
                await form.call(sender.flush)
        for _ in range(begun):
            assert await form.call(receiver.receive, timeout=10) in (EARLY, LATE)
        await form.fails(TimeoutError, receiver.receive, timeout=0)
        await form.call(sender.send, b"next")
        assert await form.call(receiver.receive, timeout=10) == b"next"
