"""What runs here: the kernel and what it can do, what it hides, filters, the C library, Python."""

from __future__ import annotations

import errno
import os
import sys

from ... import features
from ._finding import CAP_SYS_PTRACE, Finding, attempt, has_capability, own_status, setting, sysctl, version_in
from ._mounts import covering, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._finding import Status

OLDEST = (5, 4)
NEEDED = frozenset(("pidfd",))
WITHOUT = {
    "pidfd": "nothing of `process` works",
    "pidfd_getfd": "Process.take_descriptor fails",
    "exit_status_after_reaping": "ChildProcessError if somebody else has taken a child's status",
    "pipe_nowait": "each try of a pipe's end needs an alarm, which takes some microseconds",
    "peer_pidfd": "a socket's peer.pidfd is None",
    "pass_pidfd": "setting a socket's pass_pidfd fails",
    "leases": "no Lease can be acquired",
    "robust_list": "nothing of `robust` works, and no channel",
    "futex_waitv": "a channel cannot be awaited (aio): ENOSYS",
}


FIXES = {"leases": setting("fs.leases-enable", 1), "robust_list": "a 64-bit Python on glibc"}


def kernel() -> Iterator[Finding]:
    """Its release, and each probe of `unixipc.features`."""
    release = os.uname().release
    old = version_in(release) < OLDEST
    why = "unixipc needs Linux 5.4 or later"
    fix = f"a newer kernel than {release}" if old else ""
    yield Finding("kernel", "Linux", release, "", None, "bad" if old else "ok", why, fix)
    for name in features.NAMES:
        yield attempt("kernel", name, lambda name=name: _feature(name, release))  # type: ignore[misc]


def _feature(name: str, release: str) -> Finding:
    reason, since = features.why_not(name), features.SINCE[name]
    if reason is None:
        return Finding("kernel", name, "yes", "", None, "ok", since, "")
    missing = f"{reason}; without it: {WITHOUT.get(name, 'what needs it raises ENOSYS')}"
    status: Status = "bad" if name in NEEDED else "ok"
    if version_in(release) < version_in(since):
        return Finding("kernel", name, "no", "", None, status, missing, f"a kernel as new: {since.partition(':')[0]}")
    status = "bad" if name in NEEDED else "warn"
    if name in FIXES:  # no matter of the kernel's age
        return Finding("kernel", name, "no", "", None, status, missing, FIXES[name])
    why = f"this kernel should have it, but something refuses it: {missing}"
    return Finding("kernel", name, "refused", "", None, status, why, PROFILE)


PROFILE = "allow its system call in the seccomp profile (docker run --security-opt seccomp=profile.json)"


def visibility() -> Iterator[Finding]:
    """What may be seen of processes that are not ours."""
    yield attempt("visibility", "CAP_SYS_PTRACE", _capability)
    yield attempt("visibility", "kernel.yama.ptrace_scope", _yama)
    yield attempt("visibility", "hidepid", _hidepid)
    yield attempt("visibility", "/proc/PID/syscall", _syscall)


def _capability() -> Finding:
    has = has_capability(CAP_SYS_PTRACE)
    why = "descriptors, locks and waits of every process can be seen"
    if not has:
        why = "descriptors and waits of this user's processes can be seen, those of others not: they are left out"
    fix = "" if has else "sudo ipc ..."
    return Finding("visibility", "CAP_SYS_PTRACE", "yes" if has else "no", "", None, "ok", why, fix)


def _yama() -> Finding:
    name = "kernel.yama.ptrace_scope"
    try:
        value = sysctl(name)
    except FileNotFoundError:
        why = "this kernel has no Yama: who may see a process may also see what it waits in"
        return Finding("visibility", name, "none", "", None, "ok", why, "")
    hidden = value >= 3 or (value > 0 and not has_capability(CAP_SYS_PTRACE))
    why = "who may see a process may also see what it waits in, and take descriptors from it"
    if hidden:
        why = "what processes wait in cannot be seen, but of one's own children; nor can descriptors be taken"
    status: Status = "warn" if hidden else "ok"
    return Finding("visibility", name, value, "", None, status, why, setting(name, 0) if hidden else "")


def _hidepid() -> Finding:
    options = covering("/proc", mounts()).options
    value = next((each.partition("=")[2] for each in sorted(options) if each.startswith("hidepid=")), "off")
    if value in ("off", "0") or has_capability(CAP_SYS_PTRACE):
        return Finding("visibility", "hidepid", value, "", None, "ok", "every process is listed in /proc", "")
    why = "processes of other users are not in /proc: holders and waiters among them cannot be named"
    return Finding("visibility", "hidepid", value, "", None, "warn", why, "mount -o remount,hidepid=off /proc")


def _syscall() -> Finding:
    has = os.path.exists("/proc/self/syscall")
    why = "it tells which call, on which queue or descriptor, a process sleeps in"
    if not has:
        why = "this kernel does not show it: who waits in a queue cannot be seen"
    value, status = ("yes", "ok") if has else ("no", "warn")
    return Finding("visibility", "/proc/PID/syscall", value, "", None, status, why, "")  # type: ignore[arg-type]


MODES = {"0": "off", "1": "strict", "2": "filter"}


def seccomp() -> Iterator[Finding]:
    """The mode, and what it refuses of what is asked here. -- seccomp(2)"""
    yield attempt("seccomp", "seccomp", _seccomp)


def _seccomp() -> Finding:
    value = MODES.get(own_status("Seccomp"), "unknown mode")
    refusal = os.strerror(errno.EPERM)
    refused = [name for name in features.NAMES if (features.why_not(name) or "").startswith(refusal)]
    if refused:
        why = f"calls are refused that this kernel has: {', '.join(refused)}"
        return Finding("seccomp", "seccomp", value, "", None, "warn", why, PROFILE)
    why = "a filter may refuse any call with EPERM, or with ENOSYS as if the kernel were old; none of our probes"
    return Finding("seccomp", "seccomp", value, "", None, "ok", why if value != "off" else "there is no filter", "")


def libc() -> Iterator[Finding]:
    """The C library, and whether its list of robust locks is as channels expect. -- get_robust_list(2)"""
    yield attempt("libc", "C library", _robust_list)


def _robust_list() -> Finding:
    try:
        value = os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (ValueError, OSError):
        value = "not glibc"
    if reason := features.why_not("robust_list"):
        why = f"channels and robust locks cannot be used: {reason}"
        return Finding("libc", "C library", value, "", None, "bad", why, FIXES["robust_list"])
    why = "its list of robust locks is known: a channel's locks are freed when their holder is killed"
    return Finding("libc", "C library", value, "", None, "ok", why, "")


def python() -> Iterator[Finding]:
    """The interpreter, and its lock."""
    version = f"{sys.implementation.name} {'.'.join(map(str, sys.version_info[:3]))}"
    yield Finding("python", "Python", version, "", None, "ok", sys.executable or "embedded", "")
    is_enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    why = "one thread of a process runs Python at a time; waits let the others run"
    if not is_enabled:
        why = "threads of a process run Python at the same time"
    yield Finding("python", "global interpreter lock", "yes" if is_enabled else "no", "", None, "ok", why, "")
