"""A camera and two programs that look at the same pictures, where they lie in shared memory: no copy is made to look.

Usage: frames.py [FRAMES]    default: 100    (ipc demo frames; needs numpy)

The detector must see every frame, so the camera waits for it when the ring is full. The preview may miss some: it is
told how many.
"""

import sys

import numpy as np

from unixipc import EventFd, channel, fork

WAIT_S = 30
SHAPE = (480, 640)


def detect(topic: channel.Topic, ready: EventFd) -> None:
    """See every frame, in place."""
    seen = bright = 0
    with topic.subscriber() as subscriber:
        ready.add()
        while True:
            try:
                with subscriber.peek(timeout=WAIT_S) as frame:  # an array that looks at the ring
                    seen += 1
                    bright += int(frame[0, 0]) == int(frame[-1, -1]) == 255
                del frame  # while it is there, the camera cannot use its place again
            except EOFError:
                print(f"detector: {seen} frames, {bright} of them bright, {subscriber.missed} missed", flush=True)
                return


def preview(topic: channel.Topic, ready: EventFd) -> None:
    """Show what can be shown: this one gets copies, as nobody waits for it."""
    shown = 0
    with topic.subscriber(when_slow="tell") as subscriber:
        ready.add()
        for frame in subscriber:
            shown += frame.shape == SHAPE
        print(f"preview: {shown} frames shown, {subscriber.missed} missed", flush=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with channel.Topic.anonymous(capacity_bytes=1 << 22, codec="numpy") as topic, EventFd(semaphore=True) as ready:
        with fork(detect, topic, ready) as one, fork(preview, topic, ready) as other:
            with topic.publisher() as camera:
                for _ in range(2):
                    ready.take(WAIT_S)  # a topic keeps nothing for who comes later
                picture = np.zeros(SHAPE, dtype=np.uint8)
                for number in range(count):
                    picture[:] = 255 if number % 2 else number % 255
                    camera.send(picture, timeout=WAIT_S)
            print(f"camera: {count} frames of {picture.nbytes} bytes; {one.wait(WAIT_S)}, {other.wait(WAIT_S)}")


if __name__ == "__main__":
    main()
