"""Is this machine fit? Limits and their use, shared memory, namespaces, what the kernel can do: each with its fix.

>>> from unixipc.inspector import machine
>>> [finding.name for finding in machine.examine("signals") if finding.status == "bad"]
[]

Each finding reads a file of /proc or makes a call. Nothing is changed, and what cannot be read is "unknown", with the
reason.
"""

from __future__ import annotations

from importlib import import_module

from ._finding import Finding, unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TOPICS", "Finding", "examine"]

TOPICS: dict[str, str] = {
    "system-v": "limits of queues, semaphores and segments, and their use",
    "posix-queues": "limits of POSIX queues; is /dev/mqueue mounted",
    "shared-memory": "/dev/shm: its file system, size, free space, options",
    "memory": "the memory limit of the cgroup, and of the machine",
    "descriptors": "how many files may be open, here and in all",
    "signals": "how many signals may be pending",
    "process-limits": "memory that may be locked, files that may be long",
    "pipes": "sizes of pipes, and of all pipes of a user",
    "sockets": "buffers and backlogs of Unix sockets",
    "locks": "leases, and file systems where locks do not exclude",
    "logind": "does systemd-logind remove this user's objects at logout",
    "namespaces": "which namespaces are this process's own",
    "container": "is it in a container, and what sharing memory needs there",
    "kernel": "what this kernel can do",
    "visibility": "what the inspector may see of other processes",
    "seccomp": "is there a filter of system calls, and what it refuses",
    "libc": "is the C library one that channels can use",
    "python": "how this Python was built",
}
"""Every topic, and what it is about."""

_ROOMS = {
    "limits": ("system-v", "posix-queues", "descriptors", "signals", "process-limits", "pipes", "sockets"),
    "memory": ("shared-memory", "memory"),
    "surroundings": ("locks", "logind", "namespaces", "container"),
    "software": ("kernel", "visibility", "seccomp", "libc", "python"),
}
_ROOM_OF = {topic: room for room, topics in _ROOMS.items() for topic in topics}


def examine(*topics: str) -> tuple[Finding, ...]:
    """What there is to know about these topics, or about all of `TOPICS`. -- proc(5), sysvipc(7), namespaces(7)

    It is never an exception that something cannot be read: that finding is "unknown". ValueError for a word that is no
    topic. Limits of a process are those of this one.
    """
    for topic in topics:
        if topic not in TOPICS:
            raise ValueError(f"{topic!r} is no topic: {', '.join(TOPICS)}")
    return tuple(finding for topic in TOPICS if not topics or topic in topics for finding in _examined(topic))


def _examined(topic: str) -> Iterator[Finding]:
    look = getattr(import_module(f".{_ROOM_OF[topic]}", __name__), topic.replace("-", "_"))
    try:
        yield from look()
    except (OSError, ValueError, LookupError) as error:
        yield unreadable(topic, topic, error)
