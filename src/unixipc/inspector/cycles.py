"""Who waits for whom in a circle, across all mechanisms.

A process is stuck if each of its threads waits, and everybody who could end any of those waits is stuck as well. The
largest such set is found by taking out, again and again, who has a way out. Each circle in what remains is a deadlock.
"""

from __future__ import annotations

import os

from .._record import record
from .procfs import threads_of, turns_of
from .waits import places_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .waits import Wait, Waiting

__all__ = ["Cycle", "cycles_in"]

LOOKS = 10
"""How often to look whether the processes of a circle sleep at the same moment."""


@record
class Cycle:
    """Processes that wait for each other: that of each wait for that of the next, the last for the first.

    `sure`: the kernel tells of every link. It is False where a link is only likely (a System V semaphore: who changed
    it last), or where somebody could come whom nobody knows. `limited`: a call among them has a time limit.
    """

    pids: tuple[int, ...]
    waits: tuple[Wait, ...]
    sure: bool
    limited: bool

    def __str__(self) -> str:
        steps = [f"{each.pid} ({each.command}) {each.does} {each.kind} {each.id} ({each.text})" for each in self.waits]
        chain = ", which waits for ".join([*steps, str(self.pids[0])])
        return f"{'deadlock' if self.sure else 'probably a deadlock'}: {chain}"


def cycles_in(found: dict[int, Waiting]) -> list[Cycle]:
    """The circles among these processes that last, one for each knot of them, by the smallest pid.

    They were looked at one after the other: two that take turns seem to wait for each other, each when it was looked
    at. So it must be seen that all of a circle sleep where they did, at the same moment.
    """
    return [each for each in _circles(found) if _asleep_together(found, each.pids)]


def _asleep_together(found: dict[int, Waiting], pids: tuple[int, ...]) -> bool:
    """If all of them slept, and none was given a processor between two looks, they slept at one moment."""
    for _ in range(LOOKS):  # one that waits in slices turns over now and then
        try:
            before = [turns_of(pid) for pid in pids]
            places = [places_of(threads_of(pid)) for pid in pids]
            sleep = all(turns[:1] in ((b"S",), (b"D",)) for threads in before for turns in threads.values())
            if sleep and places == [found[pid].calls for pid in pids] and [turns_of(pid) for pid in pids] == before:
                return True
        except OSError:  # one of them has ended
            return False
        os.sched_yield()
    return False


def _circles(found: dict[int, Waiting]) -> list[Cycle]:
    links = _links(found, _stuck(found))
    seen: set[int] = set()
    cycles = []
    for pid in sorted(_waited_for(links)):
        if pid not in seen and (path := _shortest_circle(links, pid)):
            seen.update(path)
            cycles.append(_cycle(links, path))
    return cycles


def _stuck(found: dict[int, Waiting]) -> set[int]:
    needs = {pid: _enders(waiting) for pid, waiting in found.items() if _may_be_stuck(waiting)}
    behind: dict[int, list[int]] = {}
    for pid, enders in needs.items():
        for ender in enders:
            behind.setdefault(ender, []).append(pid)
    free = [pid for pid, enders in needs.items() if not enders <= needs.keys()]
    while free:
        if needs.pop(pid := free.pop(), None) is not None:
            free += behind.get(pid, ())
    return set(needs)


def _waited_for(links: dict[int, dict[int, Wait]]) -> set[int]:
    """Without those whom nobody waits for, and whom only such wait for: where circles are looked for at all."""
    waiters = dict.fromkeys(links, 0)
    for others in links.values():
        for other in others:
            waiters[other] += 1
    outside = [pid for pid, count in waiters.items() if not count]
    for pid in outside:  # it grows meanwhile
        for other in links[pid]:
            waiters[other] -= 1
            if not waiters[other]:
                outside.append(other)
    return set(links) - set(outside)


def _may_be_stuck(waiting: Waiting) -> bool:
    """Every thread waits, for nothing but what known processes could end."""
    return len(waiting.waits) == waiting.threads and all(wait.enders for thread in waiting.waits for wait in thread)


def _enders(waiting: Waiting) -> set[int]:
    return {ender.pid for thread in waiting.waits for wait in thread for ender in wait.enders}


def _links(found: dict[int, Waiting], stuck: set[int]) -> dict[int, dict[int, Wait]]:
    """Who of the stuck waits for whom, by which wait. A process that waits for its own threads is no circle yet."""
    return {
        pid: {
            ender.pid: wait
            for thread in found[pid].waits
            for wait in thread
            for ender in wait.enders
            if wait.kind != "thread"
        }
        for pid in stuck
    }


def _shortest_circle(links: dict[int, dict[int, Wait]], start: int) -> list[int]:
    """From this process back to it; empty if none leads back."""
    before: dict[int, int] = {}
    edge = [start]
    while edge:
        further = []
        for pid in edge:
            for other in sorted(links[pid]):
                if other == start:
                    return [*_way(before, start, pid)]
                if other not in before:
                    before[other] = pid
                    further.append(other)
        edge = further
    return []


def _way(before: dict[int, int], start: int, pid: int) -> Iterator[int]:
    way = [pid]
    while way[-1] != start:
        way.append(before[way[-1]])
    return reversed(way)


def _cycle(links: dict[int, dict[int, Wait]], path: list[int]) -> Cycle:
    steps = [(links[pid][other], other) for pid, other in zip(path, [*path[1:], path[0]], strict=True)]
    sure = all(
        not wait.others and all(ender.sure for ender in wait.enders if ender.pid == other) for wait, other in steps
    )
    waits = tuple(wait for wait, _other in steps)
    return Cycle(tuple(path), waits, sure, any(wait.limited for wait in waits))
