"""Shared memory: /dev/shm, and what limits it together with everything else. -- shm_overview(7), tmpfs(5)"""

from __future__ import annotations

import os

from ._finding import PAGE_BYTES, Finding, attempt, limited, text_of
from ._mounts import Mount, covering, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SHM = "/dev/shm"
MIB, GIB = 1 << 20, 1 << 30
DOCKER_BYTES = 64 * MIB
LEAST_BYTES = 2 * MIB
"""Less free than this and the default channel (1 MiB) is a matter of luck."""
MOUNT = f"mkdir -p {SHM}; mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs {SHM}"


def _larger(size: int) -> str:
    wanted = max(1, -(-2 * size // GIB))
    return f"mount -o remount,size={wanted}G {SHM}   # a container: docker run --shm-size={wanted}g"


def shared_memory() -> Iterator[Finding]:
    """Where POSIX shared memory, its semaphores and channels live."""
    topic = "shared-memory"
    if not os.path.isdir(SHM):
        why = "POSIX shared memory, POSIX semaphores and channels need it: every name is ENOENT"
        yield Finding(topic, SHM, "missing", "", None, "bad", why, MOUNT)
        return
    mount = covering(SHM, mounts())
    yield _file_system(topic, mount)
    yield attempt(topic, f"size of {SHM}", lambda: _size(topic))
    yield attempt(topic, f"files in {SHM}", lambda: _inodes(topic))
    yield attempt(topic, f"permissions of {SHM}", lambda: _permissions(topic))
    yield _options(topic, mount)


def _file_system(topic: str, mount: Mount) -> Finding:
    if mount.type in ("tmpfs", "ramfs") and mount.point == SHM:
        return Finding(topic, SHM, mount.type, "", None, "ok", "memory with names, gone after a reboot", "")
    where = f"{SHM} is no mount of its own but a folder on {mount.point} ({mount.type}): "
    disk = mount.type not in ("tmpfs", "ramfs", "devtmpfs")
    what = "what is shared is written to a disk, and stays after a reboot" if disk else "it shares that one's size"
    return Finding(topic, SHM, mount.type, "", None, "warn", where + what, MOUNT)


def _size(topic: str) -> Finding:
    name = f"size of {SHM}"
    found = os.statvfs(SHM)
    free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    used = size - found.f_bfree * found.f_frsize
    why = "more is ENOSPC where memory is reserved, and SIGBUS in the middle of work where it is not"
    if not size:  # a tmpfs without a limit
        why = "it has no limit: shared memory can use up the machine's"
        return Finding(topic, name, None, "bytes", None, "warn", why, _larger(size))
    if free < LEAST_BYTES:
        return Finding(topic, name, size, "bytes", used, "bad", f"only {free} bytes are free: {why}", _larger(size))
    if size <= DOCKER_BYTES:
        why = f"a container begins with {DOCKER_BYTES // MIB} MiB, too little for many programs; {why}"
        return Finding(topic, name, size, "bytes", used, "warn", why, _larger(size))
    return limited(topic, name, size, "bytes", used, why, _larger(size))


def _inodes(topic: str) -> Finding:
    name, why = f"files in {SHM}", "each name is one; then every new name is ENOSPC though memory is free"
    found = os.statvfs(SHM)
    fix = f"mount -o remount,nr_inodes={2 * found.f_files} {SHM}"
    if not found.f_files:
        return Finding(topic, name, None, "files", None, "ok", why, "")
    return limited(topic, name, found.f_files, "files", found.f_files - found.f_ffree, why, fix)


def _permissions(topic: str) -> Finding:
    name, mode = f"permissions of {SHM}", os.stat(SHM).st_mode & 0o7777
    if os.statvfs(SHM).f_flag & os.ST_RDONLY:
        why, fix = "it is mounted read-only: nothing new can be shared", f"mount -o remount,rw {SHM}"
        return Finding(topic, name, "read-only", "", None, "bad", why, fix)
    if not os.access(SHM, os.W_OK | os.X_OK, effective_ids=True):
        why = "this user may not make names there: EACCES"
        return Finding(topic, name, f"{mode:04o}", "", None, "bad", why, f"chmod 1777 {SHM}")
    if mode & 0o022 and not mode & 0o1000:
        why = "without the sticky bit anybody may remove or replace anybody's shared memory"
        return Finding(topic, name, f"{mode:04o}", "", None, "warn", why, f"chmod 1777 {SHM}")
    return Finding(topic, name, f"{mode:04o}", "", None, "ok", "this user may make names there", "")


def _options(topic: str, mount: Mount) -> Finding:
    """Those that change what a program sees there. None is wrong."""
    shown = [each for each in sorted(mount.options) if each in ("noexec", "noswap") or each.startswith("huge=")]
    why = "noexec: no code can be mapped from there; huge=: memory comes in pages of 2 MiB; noswap: it stays in RAM"
    return Finding(topic, f"options of {SHM}", ",".join(shown) or "none of note", "", None, "ok", why, "")


def memory() -> Iterator[Finding]:
    """What tmpfs, segments and everything else must fit into."""
    yield attempt("memory", "memory of the machine", _machine)
    yield attempt("memory", "memory limit of the cgroup", _cgroup)


def _machine() -> Finding:
    facts = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in text_of("/proc/meminfo").splitlines()}
    total, free = facts["MemTotal"] + facts["SwapTotal"], facts["MemAvailable"] + facts["SwapFree"]
    why = "with swap; when it is used up the kernel kills a process (OOM)"
    found = limited("memory", "memory of the machine", total, "bytes", total - free, why, "")
    return _against_shm(found, total, "the machine has memory and swap")


def _cgroup() -> Finding:
    name = "memory limit of the cgroup"
    limit, used, where = tightest(*_hierarchy())
    why = "what lies in /dev/shm counts too; beyond it the kernel kills a process of the cgroup, without an ENOSPC"
    if limit is None:
        return Finding("memory", name, None, "bytes", used, "ok", why, "")
    fix = f"echo {2 * limit} > {where}   # a container: docker run --memory; a service: MemoryMax="
    return _against_shm(limited("memory", name, limit, "bytes", used, why, fix), limit, "this cgroup may use")


def _against_shm(found: Finding, most: int, who: str) -> Finding:
    """A warning where /dev/shm promises more than can be kept."""
    try:
        there = os.statvfs(SHM)
    except OSError:
        return found
    size = there.f_blocks * there.f_frsize
    if found.status != "ok" or size <= most:
        return found
    why = f"{SHM} promises {size} bytes, more than {who}: filling it is no ENOSPC but a killed process"
    fix = f"mount -o remount,size={most // 2 // PAGE_BYTES * PAGE_BYTES} {SHM}"
    return Finding(found.topic, found.name, found.value, found.unit, found.used, "warn", why, fix)


VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
VERSION_2 = ("memory.max", "memory.current", "inactive_file")
NO_LIMIT = 1 << 62
"""Version 1 says "no limit" with the highest number that is left when it is rounded to pages."""


def tightest(folder: str, path: str, names: tuple[str, str, str]) -> tuple[int | None, int | None, str]:
    """The lowest limit from the cgroup `path` upwards, how much is used of it, and the file that it is in."""
    best: tuple[int | None, int | None, str] = None, None, ""
    while True:
        here = os.path.join(folder, path)
        value = _limit(os.path.join(here, names[0]))
        if value is not None and (best[0] is None or value < best[0]):
            best = value, _used(here, names), os.path.join(here, names[0])
        if not path:
            return best
        path = os.path.dirname(path)


def _hierarchy() -> tuple[str, str, tuple[str, str, str]]:
    """Where the memory controller is mounted, our path in it, and how its files are called. -- proc_pid_cgroup(5)"""
    rows = [line.split(":", 2) for line in text_of("/proc/self/cgroup").splitlines()]
    among = mounts()
    for _, controllers, path in rows:
        if "memory" in controllers.split(","):
            mount = _mounted(among, "cgroup", "memory")
            return mount.point, _inside(path, mount), VERSION_1
    mount = _mounted(among, "cgroup2")
    return mount.point, _inside({number: path for number, _, path in rows}["0"], mount), VERSION_2


def _mounted(among: list[Mount], kind: str, option: str | None = None) -> Mount:
    for mount in among:
        if mount.type == kind and (option is None or option in mount.options):
            return mount
    raise LookupError("no cgroup with the memory controller is mounted")


def _inside(path: str, mount: Mount) -> str:
    """Our path below the mount point: a container often has its own part of the tree mounted, and sees no more."""
    below = os.path.relpath(path, mount.root)
    return "" if below == "." or below.startswith("..") else below


def _limit(path: str) -> int | None:
    try:
        word = text_of(path)
    except FileNotFoundError:  # the root has none
        return None
    return None if word == "max" or int(word) >= NO_LIMIT else int(word)


def _used(folder: str, names: tuple[str, str, str]) -> int:
    """What is used, less the cached files that the kernel gives back by itself."""
    facts = dict(line.split() for line in text_of(os.path.join(folder, "memory.stat")).splitlines())
    return max(0, int(text_of(os.path.join(folder, names[1]))) - int(facts.get(names[2], 0)))
