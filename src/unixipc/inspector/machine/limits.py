"""Limits, and how much of each is used. -- sysvipc(7), mq_overview(7), getrlimit(2), pipe(7), unix(7)"""

from __future__ import annotations

import os
import resource

from ... import sysv
from ._finding import (
    CAP_IPC_LOCK,
    CAP_SYS_RESOURCE,
    PAGE_BYTES,
    Finding,
    attempt,
    expected,
    has_capability,
    limited,
    own_status,
    setting,
    sysctl,
    text_of,
)
from ._mounts import covering, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GIB = 1 << 30
KERNEL = "the kernel begins with"

SYSTEM_V: dict[str, tuple[str, int, str]] = {
    "queues": ("queues", 32000, "then msgget says ENOSPC to everybody in this IPC namespace"),
    "message_bytes": ("bytes", 8192, "a longer message is EINVAL"),
    "queue_bytes": ("bytes", 16384, "a queue that is made now holds so many; then senders wait"),
    "sets": ("semaphore sets", 32000, "then semget says ENOSPC (no space left on device) to everybody"),
    "semaphores": ("semaphores", 32000, "then semget says ENOSPC (no space left on device) to everybody"),
    "semaphores_per_set": ("semaphores", 250, "a larger set is EINVAL"),
    "operations_per_call": ("operations", 32, "a semop with more is E2BIG"),
    "semaphore_value": ("", 32767, "a higher value is ERANGE"),
    "segments": ("segments", 4096, "then shmget says ENOSPC to everybody in this IPC namespace"),
    "segment_bytes": ("bytes", GIB, "a larger segment is EINVAL"),
    "memory_pages": ("pages", GIB // PAGE_BYTES, "of all segments together; then shmget says ENOSPC"),
}
"""Limit -> unit, what programs may expect at least, what happens beyond it."""

SEMAPHORE_SYSCTL = ("semaphores_per_set", "semaphores", "operations_per_call", "sets")
"""The four numbers of kernel.sem."""


def system_v() -> Iterator[Finding]:
    """The limits of this IPC namespace."""
    allowed, used = sysv.limits()._asdict(), sysv.usage()._asdict()  # type: ignore[attr-defined]
    for name, (unit, least, why) in SYSTEM_V.items():
        count = used.get(name) if name not in ("message_bytes", "queue_bytes") else None
        found = limited("system-v", _full_name(name), allowed[name], unit, count, why, _raised(name, allowed))
        yield expected(found, least, "what programs expect")


def _full_name(name: str) -> str:
    called = sysv.SYSCTLS[name].partition(",")[0]
    return f"{name} ({called})" if called.startswith("kernel") else name


def _raised(name: str, allowed: dict[str, int]) -> str:
    called = sysv.SYSCTLS[name].partition(",")[0]
    if not called.startswith("kernel"):
        return ""
    wanted = {**allowed, name: max(2 * allowed[name], SYSTEM_V[name][1])}
    if called == "kernel.sem":
        numbers = " ".join(str(wanted[each]) for each in SEMAPHORE_SYSCTL)
        return setting(called, f'"{numbers}"')
    return setting(called, wanted[name])


def posix_queues() -> Iterator[Finding]:
    """The limits of POSIX queues, and whether they can be seen."""
    topic = "posix-queues"
    if not os.path.isdir("/proc/sys/fs/mqueue"):
        yield Finding(topic, "fs.mqueue", "none", "", None, "warn", "this kernel has no POSIX queues: ENOSYS", "")
        return
    among = mounts()
    mounted = covering("/dev/mqueue", among).type == "mqueue"
    count = len(os.listdir("/dev/mqueue")) if mounted else None
    yield _sysctl(topic, "fs.mqueue.queues_max", "queues", 256, "then mq_open says ENOSPC", count)
    yield _sysctl(topic, "fs.mqueue.msg_max", "messages", 10, "a queue for more is EINVAL, but for root")
    yield _sysctl(topic, "fs.mqueue.msgsize_max", "bytes", 8192, "a queue for longer messages is EINVAL, but for root")
    yield _process_limit(
        topic, "RLIMIT_MSGQUEUE", "ulimit -q", "bytes", 819200, lambda: None,
        "of all queues of a user, with their whole size from the start; then mq_open says EMFILE. "
        "The kernel tells nobody how much is used",
    )  # fmt: skip
    why = "without it queues work, but nobody can list them"
    fix = "mkdir -p /dev/mqueue; mount -t mqueue none /dev/mqueue"
    value, status = ("mounted", "ok") if mounted else ("not mounted", "warn")
    yield Finding(topic, "/dev/mqueue", value, "", None, status, why, fix)  # type: ignore[arg-type]


def _sysctl(topic: str, name: str, unit: str, least: int, why: str, used: int | None = None) -> Finding:
    def look() -> Finding:
        value = sysctl(name)
        fix = setting(name, max(2 * value, least))
        return expected(limited(topic, name, value, unit, used, why, fix), least, KERNEL)

    return attempt(topic, name, look)


def descriptors() -> Iterator[Finding]:
    """Open files, of this process and of all."""
    topic = "descriptors"
    yield _process_limit(
        topic, "RLIMIT_NOFILE", "ulimit -n", "descriptors", 1024, lambda: len(os.listdir("/proc/self/fd")) - 1,
        "then everything that opens says EMFILE; a server needs one for each connection",
    )  # fmt: skip
    yield attempt(topic, "fs.file-max", _all_files)
    yield _sysctl(topic, "fs.nr_open", "descriptors", 1 << 20, "no RLIMIT_NOFILE may be higher")


def _all_files() -> Finding:
    used, _, value = (int(word) for word in text_of("/proc/sys/fs/file-nr").split())
    why = "open files of all processes; then everybody but root gets ENFILE"
    fix = setting("fs.file-max", 2 * value)
    return limited("descriptors", "fs.file-max", value, "open files", used, why, fix)


def signals() -> Iterator[Finding]:
    """Pending signals of this user."""
    yield _process_limit(
        "signals", "RLIMIT_SIGPENDING", "ulimit -i", "signals", 1024, lambda: int(own_status("SigQ").split("/")[0]),
        "pending signals of this user; then sigqueue says EAGAIN, and timers and values are lost",
    )  # fmt: skip


def process_limits() -> Iterator[Finding]:
    """Locked memory and lengths of files."""
    topic = "process-limits"
    free = attempt(topic, "CAP_IPC_LOCK", lambda: _bool(has_capability(CAP_IPC_LOCK))).value == "yes"
    why = "memory that may be locked into RAM; then mlock and shmctl SHM_LOCK say ENOMEM or EPERM"
    if free:
        why += "; this process has CAP_IPC_LOCK and is not bound by it"
    locked = _process_limit(
        topic, "RLIMIT_MEMLOCK", "ulimit -l", "bytes", 65536,
        lambda: None if free else int(own_status("VmLck").split()[0]) * 1024, why, 1024,
    )  # fmt: skip
    yield locked
    yield _process_limit(
        topic, "RLIMIT_FSIZE", "ulimit -f", "bytes", GIB, lambda: None,
        "no file grows beyond it, shared memory neither: EFBIG and SIGXFSZ, which kills", 1024,
    )  # fmt: skip


def _bool(value: bool) -> Finding:
    return Finding("", "", "yes" if value else "no", "", None, "ok", "", "")


def _process_limit(
    topic: str, name: str, command: str, unit: str, least: int, use: Callable[[], int | None], why: str, scale: int = 1
) -> Finding:
    """An rlimit of this process, in `unit`; `ulimit` counts it in `scale` of that."""

    def look() -> Finding:
        soft, hard = resource.getrlimit(getattr(resource, name))
        used = use()
        if soft == resource.RLIM_INFINITY:
            return Finding(topic, name, None, unit, used, "ok", why, "")
        fix = _command(name, command, max(2 * soft, least), hard, scale)
        return expected(limited(topic, name, soft, unit, used, why, fix), least, "what programs expect")

    return attempt(topic, name, look)


def _command(name: str, command: str, wanted: int, hard: int, scale: int) -> str:
    if hard == resource.RLIM_INFINITY or wanted <= hard or has_capability(CAP_SYS_RESOURCE):
        return f"{command} {-(-wanted // scale)}"
    item = name.removeprefix("RLIMIT_").lower()
    return f"echo '* hard {item} {-(-wanted // scale)}' >> /etc/security/limits.conf   # then log in again"


def pipes() -> Iterator[Finding]:
    """Sizes of pipes."""
    topic = "pipes"
    yield _sysctl(topic, "fs.pipe-max-size", "bytes", 1 << 20, "a larger capacity_bytes is EPERM, but for root")
    why = "of all pipes of a user, root excepted; what is made beyond it holds two pages, so writers wait sooner"
    yield attempt(topic, "fs.pipe-user-pages-soft", lambda: _pages(topic, "fs.pipe-user-pages-soft", 16384, why))
    why = "of all pipes of a user, root excepted; then pipe says ENFILE"
    yield attempt(topic, "fs.pipe-user-pages-hard", lambda: _pages(topic, "fs.pipe-user-pages-hard", 16384, why))


def _pages(topic: str, name: str, least: int, why: str) -> Finding:
    value = sysctl(name)
    if not value:  # 0 says that there is no limit
        return Finding(topic, name, None, "pages", None, "ok", why, "")
    found = limited(topic, name, value, "pages", None, why, setting(name, max(2 * value, least)))
    return expected(found, least, KERNEL)


def sockets() -> Iterator[Finding]:
    """What limits Unix sockets."""
    topic = "sockets"
    longer = "a packet or datagram that is longer than the send buffer is EMSGSIZE"
    yield _sysctl(topic, "net.core.wmem_default", "bytes", 65536, longer)
    yield _sysctl(topic, "net.core.wmem_max", "bytes", 65536, "no program may ask for a larger send buffer, but root")
    yield _sysctl(topic, "net.core.somaxconn", "connections", 128, "more that wait for accept make connect wait")
    yield _sysctl(topic, "net.unix.max_dgram_qlen", "datagrams", 10, "more that wait in a socket make the sender wait")
