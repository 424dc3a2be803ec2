"""Where a lock does not exclude: file systems that keep locks to the one machine, or to nobody. -- statfs(2)

Local file systems never get here: one look at the file system's number says so. For the others the mount options
decide (proc_pid_mountinfo(5)).
"""

from __future__ import annotations

import errno
import warnings

from .._call import failure
from .._native.locks import file_system_type
from .._text import text_of

NETWORK = {0x6969: "nfs", 0xFF534D42: "cifs", 0xFE534D42: "smb3", 0x517B: "smb", 0x65735546: "fuse", 0x01021997: "9p"}
"""f_type -> name: those whose locks may not be everybody's."""


def check(fd: int, kind: str, name: object) -> None:
    """OSError(ENOLCK) where such a lock is known to exclude nobody elsewhere, RuntimeWarning where it may not."""
    system = NETWORK.get(file_system_type(fd))
    if system is None:
        return
    options = mount_options(fd)
    if reason := why_not(system, options, kind):
        hint = f"{reason}: the lock would not exclude other machines; trust_file_system=True locks all the same"
        raise failure(errno.ENOLCK, "flock(2)" if kind == "flock" else "fcntl(2)", name, hint)
    if system in ("fuse", "9p", "smb"):
        text = f"{name}: on {system} a lock may exclude this machine only; trust_file_system=True says that you know"
        warnings.warn(text, RuntimeWarning, stacklevel=4)


def why_not(system: str, options: frozenset[str], kind: str) -> str | None:
    """Why a lock there would not exclude, or None."""
    if system == "nfs":
        local = "flock" if kind == "flock" else "posix"
        for option in ("nolock", "local_lock=all", f"local_lock={local}"):
            if option in options:
                return f"NFS is mounted with {option}"
    if system in ("cifs", "smb3") and "nobrl" in options:
        return "SMB is mounted with nobrl"
    return None


def mount_options(fd: int) -> frozenset[str]:
    """All options of the mount that the file is on."""
    with open(f"/proc/self/fdinfo/{fd}") as lines:
        mount = next((line.split()[1] for line in lines if line.startswith("mnt_id:")), "")
    return options_in(text_of("/proc/self/mountinfo"), mount)


def options_in(mountinfo: str, mount: str) -> frozenset[str]:
    """The options of the mount with this number: those of the mount itself, and its file system's."""
    for row in mountinfo.splitlines():
        own, _, system = row.partition(" - ")
        words = own.split(" ")
        if words[0] == mount:
            return frozenset([*words[5].split(","), *system.split(" ")[-1].split(",")])
    return frozenset()
