"""A camera publishes frames; one viewer sees all of them, another only the newest ones. Nobody copies to look.

Usage: frames.py [FRAMES]
"""

import sys
from collections.abc import Callable

import numpy

from unixipc import channel, fork
from unixipc.process import Child

WAIT_S = 30
HEIGHT, WIDTH = 480, 640


def frame(number: int) -> numpy.ndarray:
    """Every pixel says which frame it belongs to: half a frame would show."""
    return numpy.full((HEIGHT, WIDTH), number, dtype=numpy.uint16)


def careful(frames: channel.Topic, ready: Callable[[], object]) -> int:
    """Publishers wait for this one, so it can look at each frame where it is: in the memory that all share."""
    seen = 0
    with frames.subscriber(when_slow="wait") as subscriber:
        ready()
        while True:
            try:
                with subscriber.peek(timeout=WAIT_S) as image:
                    assert image.shape == (HEIGHT, WIDTH)
                    assert image.min() == image.max() == seen
                    seen += 1
                    del image  # its place is free again at the end of the block, as nobody looks at it any more
            except EOFError:
                print(f"careful: {seen} frames, each one, without a copy", flush=True)
                return 0


def casual(frames: channel.Topic, ready: Callable[[], object]) -> int:
    """Nobody waits for this one: it gets whole frames, and is told how many it missed."""
    seen = 0
    with frames.subscriber(when_slow="tell") as subscriber:
        ready()
        for image in subscriber:
            assert image.min() == image.max()
            seen += 1
        print(f"casual: {seen} frames and {subscriber.missed} missed", flush=True)
    return 0


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with (
        channel.Topic.anonymous(4 << 20, codec="numpy") as frames,
        channel.Queue.anonymous(4096) as ready,
        ready.receiver() as waiting,
    ):

        def start(viewer: Callable[[channel.Topic, Callable[[], object]], int]) -> Child:
            def child() -> int:
                with ready.sender() as sender:
                    return viewer(frames, lambda: sender.send(b"here"))

            return fork(child)

        with ready.sender(), start(careful) as one, start(casual) as other:
            for _ in range(2):
                waiting.receive(timeout=WAIT_S)
            with frames.publisher() as camera:
                for number in range(count):
                    camera.send(frame(number), timeout=WAIT_S)
            assert [child.wait(timeout=WAIT_S).code for child in (one, other)] == [0, 0]


if __name__ == "__main__":
    main()
