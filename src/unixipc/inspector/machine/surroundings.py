"""Where this process lives: file systems, the login manager, namespaces, a container.

-- logind.conf(5), namespaces(7), fcntl(2)
"""

from __future__ import annotations

import os
import pwd

from ...locks import _file_systems
from ._finding import Finding, attempt, setting, sysctl, text_of, version_in
from ._mounts import Mount, mount_of, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def locks() -> Iterator[Finding]:
    """Leases, and the file systems where one works."""
    yield attempt("locks", "fs.leases-enable", _leases)
    yield attempt("locks", "fs.lease-break-time", _lease_break)
    among = mounts()
    for name, path in _places():
        yield attempt("locks", f"locks in {name}", lambda name=name, path=path: place(name, path, among))  # type: ignore[misc]


def _leases() -> Finding:
    value, why = sysctl("fs.leases-enable"), "fcntl F_SETLEASE: be told before somebody opens a file"
    if value:
        return Finding("locks", "fs.leases-enable", value, "", None, "ok", why, "")
    return Finding("locks", "fs.leases-enable", value, "", None, "warn", why, setting("fs.leases-enable", 1))


def _lease_break() -> Finding:
    value, name = sysctl("fs.lease-break-time"), "fs.lease-break-time"
    if value:
        return Finding("locks", name, value, "seconds", None, "ok", "then a lease is taken from its holder", "")
    why = "0: a holder that never answers makes whoever opens the file wait for ever"
    return Finding("locks", name, value, "seconds", None, "warn", why, setting(name, 45))


def _places() -> list[tuple[str, str]]:
    """Where programs keep files to lock: each once."""
    named = [("the working directory", os.readlink("/proc/self/cwd")), ("/tmp", "/tmp")]
    named += [(f"${name}", os.environ[name]) for name in ("TMPDIR", "HOME", "XDG_RUNTIME_DIR") if os.environ.get(name)]
    return list({path: (name, path) for name, path in reversed(named)}.values())[::-1]


def place(name: str, path: str, among: list[Mount]) -> Finding:
    """Whether locks exclude on the file system that this path is on."""
    mount = mount_of(path, among, lambda mount: _family(mount) is not None)
    family, topic = _family(mount), "locks"
    if family is None:
        return Finding(topic, f"locks in {name}", mount.type, "", None, "ok", "a local file system: locks exclude", "")
    for kind in ("flock", "posix"):
        if reason := _file_systems.why_not(family, mount.options, kind):
            why = f"{reason}: {kind} locks exclude this machine's processes only"
            return Finding(topic, f"locks in {name}", mount.type, "", None, "bad", why, _remount(mount, reason))
    if family in ("fuse", "9p", "smb"):
        why = "here a lock may exclude this machine's processes only"
        return Finding(topic, f"locks in {name}", mount.type, "", None, "warn", why, "keep lock files on a local disk")
    why = "a network file system; its server keeps the locks"
    return Finding(topic, f"locks in {name}", mount.type, "", None, "ok", why, "")


def _family(mount: Mount) -> str | None:
    """The name by which the locks' rules know a file system on which they may not be everybody's."""
    kind = {"nfs4": "nfs", "smbfs": "smb", "virtiofs": "fuse"}.get(mount.type, mount.type.partition(".")[0])
    return kind if kind in _file_systems.NETWORK.values() else None


def _remount(mount: Mount, reason: str) -> str:
    option = reason.rpartition(" ")[2]
    return f"in /etc/fstab: take {option} from the options of {mount.point}, then umount and mount it"


LOGIND = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd")
"""Where logind.conf and its drop-ins are; of two with the same name the first counts."""
LAST_SYSTEM_UID = 999


def logind() -> Iterator[Finding]:
    """Whether this user's objects outlive the session."""
    topic = "logind"
    if not os.path.isdir("/run/systemd/system"):
        why = "systemd does not run here: nobody removes a user's objects at logout"
        yield Finding(topic, "RemoveIPC", "does not apply", "", None, "ok", why, "")
        return
    yield attempt(topic, "RemoveIPC", _remove_ipc)


def _remove_ipc() -> Finding:
    topic, uid = "logind", os.getuid()
    removes = _setting_of_logind("RemoveIPC", "yes").lower() in ("yes", "true", "on", "1", "y", "t")
    value = "yes" if removes else "no"
    if not removes:
        return Finding(topic, "RemoveIPC", value, "", None, "ok", "objects outlive their user's sessions", "")
    if uid <= _last_system_uid():
        why = f"user {uid} is a system user: its objects stay. Those of people go when they log out"
        return Finding(topic, "RemoveIPC", value, "", None, "ok", why, "")
    if os.path.exists(f"/var/lib/systemd/linger/{_user(uid)}"):
        why = "this user lingers, so is never logged out: its objects stay"
        return Finding(topic, "RemoveIPC", value, "", None, "ok", why, "")
    why = (
        "when the last session of this user ends, its queues, semaphores, segments and names in /dev/shm are removed, "
        "also those in use; a service must run as a system user, or its user linger"
    )
    fix = (
        "mkdir -p /etc/systemd/logind.conf.d; printf '[Login]\\nRemoveIPC=no\\n' > /etc/systemd/logind.conf.d/ipc.conf"
    )
    return Finding(topic, "RemoveIPC", value, "", None, "warn", why, f"{fix}; systemctl restart systemd-logind")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _last_system_uid() -> int:
    try:
        lines = text_of("/etc/login.defs").splitlines()
    except OSError:
        return LAST_SYSTEM_UID
    found = [line.split()[1] for line in lines if line.split()[:1] == ["SYS_UID_MAX"] and len(line.split()) > 1]
    return int(found[-1]) if found else LAST_SYSTEM_UID


def _setting_of_logind(key: str, otherwise: str) -> str:
    """What logind's files say of it: the main file, then the drop-ins by name; the last one counts."""
    value = otherwise
    for path in _files_of_logind():
        for line in text_of(path).splitlines():
            name, _, word = line.partition("=")
            if name.strip() == key:
                value = word.strip() or otherwise  # an empty one takes back what was said before
    return value


def _files_of_logind() -> list[str]:
    main = [path for folder in LOGIND if os.path.exists(path := f"{folder}/logind.conf")]
    drops: dict[str, str] = {}
    for folder in reversed(LOGIND):
        there = f"{folder}/logind.conf.d"
        names = os.listdir(there) if os.path.isdir(there) else ()
        drops |= {name: os.path.join(there, name) for name in names if name.endswith(".conf")}
    return [*main[:1], *(drops[name] for name in sorted(drops))]


FIRST_INODES = {"ipc": 0xEFFFFFFF, "user": 0xEFFFFFFD, "pid": 0xEFFFFFFC, "net": 0xEFFFFFF9, "mnt": 0xEFFFFFF8}
"""The first namespaces of a machine have these numbers: of network and mount since Linux 6.18, the others always."""
ALWAYS, ALL_SINCE = frozenset(("ipc", "user", "pid")), (6, 18)
MEANS = {
    "ipc": "System V objects and POSIX queues of another IPC namespace can be neither opened nor seen",
    "pid": "pids of another pid namespace mean nothing here: a holder outside is seen as 0, or not at all",
    "mnt": "another mount namespace may have another /dev/shm: then names in it are other names",
    "net": "abstract socket names are of one network namespace; socket files are of the file system",
    "user": "root of another user namespace is not root: limits and capabilities are those of who made it",
}


def namespaces() -> Iterator[Finding]:
    """Which of them are the machine's first, and which are our own."""
    for kind, why in MEANS.items():
        name = f"{kind} namespace"
        yield attempt("namespaces", name, lambda kind=kind, name=name, why=why: _namespace(kind, name, why))  # type: ignore[misc]


def _namespace(kind: str, name: str, why: str) -> Finding:
    inode = os.stat(f"/proc/self/ns/{kind}").st_ino
    is_first = _is_first(kind, inode)
    if is_first is None:
        why = f"this kernel does not tell, and /proc/1/ns/{kind} may not be read; {why}"
        return Finding("namespaces", name, str(inode), "", None, "unknown", why, "")
    value = "the machine's first" if is_first else f"own ({inode})"
    return Finding("namespaces", name, value, "", None, "ok", why, "")


def _is_first(kind: str, inode: int) -> bool | None:
    """By its number; where that is not fixed, by what the machine's first process has."""
    if inode == FIRST_INODES[kind]:
        return True
    if kind in ALWAYS or version_in(os.uname().release) >= ALL_SINCE:
        return False
    if os.stat("/proc/self/ns/pid").st_ino != FIRST_INODES["pid"]:
        return None  # 1 is not the machine's first process
    try:
        return os.stat(f"/proc/1/ns/{kind}").st_ino == inode
    except PermissionError:
        return None


SIGNS = {
    "/.dockerenv": "docker",
    "/run/.containerenv": "podman",
    "/var/run/secrets/kubernetes.io": "kubernetes",
    "/dev/lxd": "lxd",
}
SHARING = {
    "docker": "docker run --ipc=shareable for the one, --ipc=container:NAME for the others",
    "podman": "podman run --ipc=shareable for the one, --ipc=container:NAME for the others; or one pod",
    "kubernetes": "one pod; for more than 64 MiB a volume 'emptyDir: {medium: Memory}' at /dev/shm of each container",
}


def container() -> Iterator[Finding]:
    """Signs of a container. None is a proof."""
    yield attempt("container", "container", _container)


def _container() -> Finding:
    kind = _kind_of_container()
    if kind is None:
        why = "no sign of one: /dev/shm and System V objects are those of every process of this machine, by permission"
        return Finding("container", "container", "none seen", "", None, "ok", why, "")
    why = (
        "its /dev/shm and IPC namespace are its own unless somebody said otherwise: processes of two containers share "
        "memory, queues and semaphores only if both were started for it"
    )
    fix = SHARING.get(kind, "share the IPC namespace, or mount one tmpfs at /dev/shm of both")
    return Finding("container", "container", kind, "", None, "ok", why, fix)


def _kind_of_container() -> str | None:
    if word := os.environ.get("container"):  # noqa: SIM112 - as systemd and podman set it
        return word
    if os.path.exists("/run/systemd/container"):
        return text_of("/run/systemd/container") or "unnamed"
    return next((kind for path, kind in SIGNS.items() if os.path.exists(path)), None)
