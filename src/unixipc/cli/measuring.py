"""How `ipc bench` measures: two processes, batches of messages, the median of the batches."""

from __future__ import annotations

import struct
import time
from contextlib import ExitStack, suppress
from itertools import repeat
from signal import SIGKILL
from statistics import median

from .._record import record
from ..errors import PeerGone
from ..pipe import PipeReader, PipeWriter, pipe
from ..process import fork
from .lanes import PATIENCE_S
from .main import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .lanes import Lane

READY = b"!"
MOST_TEXT_BYTES = 1000
COUNT = struct.Struct("<Q")
BATCH_S = 0.003
MOST_IN_A_BATCH = 1 << 20
LEAST_BATCHES = 5


@record
class Cost:
    """What a message costs, or why that is not known."""

    question: str
    mechanism: str
    message_bytes: int
    median_us: float | None
    lowest_us: float | None
    messages: int
    batches: int
    why_not: str | None


def measure(question: str, kind: type[Lane], size: int, seconds: float) -> Cost:
    """Measure for about so long; a refusal by the kernel is an answer too."""
    try:
        times, messages = _batches(question, kind, size, seconds)
    except (OSError, ValueError, EOFError) as error:
        return Cost(question, kind.name, size, None, None, 0, 0, explain(error))
    micros = [each / 1e3 for each in times]
    return Cost(question, kind.name, size, median(micros), min(micros), messages, len(times), None)


def _batches(question: str, kind: type[Lane], size: int, seconds: float) -> tuple[list[float], int]:
    """Nanoseconds a message in each batch, and how many messages there were."""
    with ExitStack() as stack:
        lanes = [_lane(stack, kind, size) for _ in range(1 + (question == "round-trip"))]
        told, tell = pipe()
        ready, be_ready = pipe()
        for end in (told, tell, ready, be_ready):
            stack.callback(end.close)

        def other() -> int:
            tell.close()
            ready.close()
            try:
                _serve(lanes, size, told, be_ready)
            except (OSError, ValueError, EOFError) as error:
                with suppress(PeerGone):  # the parent has left, and we are about to be killed
                    be_ready.write_all(explain(error).encode()[:MOST_TEXT_BYTES], PATIENCE_S)
                return 1
            return 0

        # A group of its own: Ctrl-C is for the parent, which then ends it. And if somebody kills the parent, it goes.
        child = stack.enter_context(fork(other, death_signal=SIGKILL, new_group=True))
        told.close()
        be_ready.close()
        try:
            lanes[-1].start_receiving()
            if len(lanes) == 2:
                lanes[0].start_sending()
            ready.read_exactly(len(READY), PATIENCE_S)
            found = _repeat(lambda n: _timed(n, tell, lanes, size), seconds)
        except (OSError, ValueError, EOFError) as error:
            raise _word_of_the_other(ready) or error from None
        tell.close()  # the child ends
        child.wait(PATIENCE_S)
        return found


def _word_of_the_other(ready: PipeReader) -> ValueError | None:
    """Its error, if it has told one: the cause of ours."""
    word = ready.try_read(MOST_TEXT_BYTES)
    return ValueError(word.decode()) if word else None


def _lane(stack: ExitStack, kind: type[Lane], size: int) -> Lane:
    lane = kind(size)
    stack.callback(lane.remove)
    stack.callback(lane.close)
    return lane


def _repeat(timed: Callable[[int], int], seconds: float) -> tuple[list[float], int]:
    """Find out how many messages make a batch (once may be a disturbance, twice is none), then time batches."""
    n, began = 1, time.monotonic()
    while (
        (took := min(timed(n), timed(n))) < BATCH_S * 1e9 and n < MOST_IN_A_BATCH and time.monotonic() < began + seconds
    ):
        n = min(MOST_IN_A_BATCH, n * 4 if took < BATCH_S * 2.5e8 else int(n * BATCH_S * 1e9 / took) + 1)
    times: list[float] = []
    began = time.monotonic()
    while len(times) < LEAST_BATCHES or time.monotonic() < began + seconds:
        times.append(timed(n) / n)
    return times, n * len(times)


def _timed(n: int, tell: PipeWriter, lanes: list[Lane], size: int) -> int:
    """Have `n` messages go there and back, or come here; the nanoseconds that it took."""
    receive = lanes[-1].receive
    send, message = (lanes[0].send, bytes(size)) if len(lanes) == 2 else (None, b"")
    began = time.monotonic_ns()
    tell.write_all(COUNT.pack(n), PATIENCE_S)
    if send is None:
        for _ in repeat(None, n):
            receive()
    else:
        for _ in repeat(None, n):
            send(message)
            receive()
    return time.monotonic_ns() - began


def _serve(lanes: list[Lane], size: int, told: PipeReader, be_ready: PipeWriter) -> None:
    """Send as many as one is told, or send back what comes, until nobody tells any more."""
    receive = None
    if len(lanes) == 2:
        lanes[0].start_receiving()
        receive = lanes[0].receive
    lanes[-1].start_sending()
    send, message = lanes[-1].send, bytes(size)
    be_ready.write_all(READY, PATIENCE_S)
    while True:
        try:
            (n,) = COUNT.unpack(told.read_exactly(COUNT.size, PATIENCE_S))
        except EOFError:
            return
        for _ in repeat(None, n):
            if receive is not None:
                receive()
            send(message)
