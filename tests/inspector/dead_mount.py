"""A FUSE file system of our own, whose server stops; who uses its files; and what the inspector says then, as JSON.

It runs in a mount namespace of its own: ``unshare -m python dead_mount.py FOLDER``. The kernel may keep nothing of what
the server has told (all times are 0): whoever asks for anything afterwards waits until the server is killed.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import stat
import struct
import subprocess
import sys
import time
import traceback

from unixipc import inspector
from unixipc._native import ring
from unixipc.inspector import procfs

LIMIT_S = 30
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, RELEASE, FLUSH, INIT, OPENDIR, RELEASEDIR, BATCH_FORGET = (
    1, 2, 3, 4, 14, 15, 18, 25, 26, 27, 29, 42
)  # fmt: skip
HEADER = struct.Struct("=IIQQIIIHH")  # struct fuse_in_header
SIZE = ring.HEADER_BYTES + 4096  # what could be a channel
NODES = {1: ("", stat.S_IFDIR | 0o755), 2: ("held", stat.S_IFREG | 0o666), 3: ("other", stat.S_IFREG | 0o666),
         4: ("fifo", stat.S_IFIFO | 0o666)}  # fmt: skip


# the server -----------------------------------------------------------------------------------------------------------


def attributes(node):
    _name, mode = NODES[node]
    size = SIZE if stat.S_ISREG(mode) else 0
    return struct.pack("=6Q10I", node, size, size // 512, 1, 1, 1, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(operation, node, body):
    """(error, data) of one request."""
    if operation == INIT:
        return 0, struct.pack("=IIIIHHIIHH8I", 7, 31, 65536, 0, 0, 0, 65536, 1, 16, 0, *[0] * 8)
    if operation == LOOKUP:
        name = body.rstrip(b"\0").decode()
        for number, (known, _mode) in NODES.items():
            if name == known:
                return 0, struct.pack("=QQQQII", number, 0, 0, 0, 0, 0) + attributes(number)
        return -errno.ENOENT, b""
    if operation in (GETATTR, SETATTR):
        return 0, struct.pack("=QII", 0, 0, 0) + attributes(node)
    if operation in (OPEN, OPENDIR):
        return 0, struct.pack("=QII", node, 0, 0)
    if operation == READ:
        return 0, bytes(struct.unpack_from("=QQI", body)[2])
    return (0, b"") if operation in (RELEASE, RELEASEDIR, FLUSH) else (-errno.ENOSYS, b"")


def serve(device):
    while True:
        try:
            request = os.read(device, 1 << 17)
        except PermissionError:  # not mounted yet
            time.sleep(0.01)
            continue
        except OSError:  # unmounted
            os._exit(0)
        _length, operation, unique, node, *_rest = HEADER.unpack_from(request)
        if operation not in (FORGET, BATCH_FORGET):
            code, data = answer(operation, node, request[HEADER.size :])
            os.write(device, struct.pack("=IiQ", 16 + len(data), code, unique) + data)


def mounted(folder):
    """The server's pid."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    pid = os.fork()
    if pid == 0:
        serve(device)
    done = subprocess.run(["mount", "-i", "-t", "fuse", "-o", options, "dead", folder], pass_fds=[device],
                          capture_output=True, text=True, timeout=LIMIT_S, check=False)  # fmt: skip
    os.close(device)
    if done.returncode:
        os.kill(pid, signal.SIGKILL)
        sys.exit(f"not mounted: {done.stderr}")
    return pid


# who uses its files ---------------------------------------------------------------------------------------------------


def started(function, *args):
    """A child that has come as far as its `yield`, and goes on from there when it is told to."""
    (told, tell), (ready, say) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid:
        os.close(told)
        os.close(say)
        os.read(ready, 1)
        return pid, tell
    try:
        os.close(tell)
        steps = function(*args)
        next(steps)
        os.write(say, b"!")
        os.read(told, 1)
        next(steps, None)
    finally:
        os._exit(0)


def holds(folder):
    """Has it open, locked and mapped for writing; its FIFO too."""
    file = os.open(f"{folder}/held", os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    memory = mmap.mmap(file, SIZE)
    memory[0]
    os.open(f"{folder}/fifo", os.O_RDWR)
    yield
    signal.pause()


def wants_the_lock(folder):
    file = os.open(f"{folder}/held", os.O_RDWR)
    yield
    fcntl.flock(file, fcntl.LOCK_EX)


def opens(folder):
    os.chdir(folder)
    yield
    os.open("other", os.O_RDONLY)


def opens_from_the_root(folder):
    yield
    os.open(f"{folder}/other", os.O_RDONLY)


def reads(folder):
    file = os.open(f"{folder}/other", os.O_RDONLY)
    yield
    os.read(file, 10)


def polls_what_is_not_there(folder):
    """Its list of descriptors is in a page of the file that nobody has read yet: the call waits for the server."""
    file = os.open(f"{folder}/held", os.O_RDWR)
    memory = mmap.mmap(file, SIZE)
    libc = ctypes.CDLL(None)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory, mmap.PAGESIZE))
    yield
    libc.poll(ctypes.c_void_p(address), 1, -1)


USERS = (holds, wants_the_lock, opens, opens_from_the_root, reads, polls_what_is_not_there)


# the look -------------------------------------------------------------------------------------------------------------


def tried(name, look):
    """What it returns, by a child that is killed if it does not come back."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            text = repr(look())
        except Exception:
            text = traceback.format_exc()
        with open(write, "w") as out:
            out.write(text)
        os._exit(0)
    os.close(write)
    watchdog = subprocess.Popen(["sh", "-c", f"sleep {LIMIT_S}; kill -9 {pid}"], start_new_session=True)
    with open(read) as found:
        text = found.read()
    os.waitpid(pid, 0)
    os.killpg(watchdog.pid, signal.SIGKILL)
    watchdog.wait()
    return text or "hung"


def verbs(folder, pids):
    yield "ls", inspector.ls
    for kind in inspector.KINDS:
        yield f"ls {kind}", lambda kind=kind: inspector.ls(kind)
    yield "graph", inspector.graph
    yield "orphans", inspector.orphans
    yield "examine", inspector.examine
    yield "why", inspector.why
    for name, pid in pids.items():
        yield f"why {name}", lambda pid=pid: inspector.why(pid)
    for name in ("held", "other", "fifo", "nothing"):
        yield f"who {name}", lambda name=name: inspector.who(f"{folder}/{name}")
    numbers = [end[1] for ends in procfs.snapshot().files.values() for end in ends if end[0] == pids["holds"]]
    for number in numbers:
        yield f"who fd {number}", lambda number=number: inspector.who(f"{pids['holds']}:{number}")
    os.chdir("/")
    yield "who a link", lambda: inspector.who("/tmp/../" + folder + "/held")


def main(folder):
    server = mounted(folder)
    children = [started(function, folder) for function in USERS]
    pids = {function.__name__: pid for function, (pid, _tell) in zip(USERS, children, strict=True)}
    os.kill(server, signal.SIGSTOP)
    os.waitid(os.P_PID, server, os.WSTOPPED)
    for _pid, tell in children:
        os.write(tell, b"!")
    time.sleep(0.3)  # for them to fall asleep
    if len(sys.argv) > 2:
        subprocess.run(["umount", "-l", folder], check=True, timeout=LIMIT_S)
    try:
        told = {name: tried(name, look) for name, look in verbs(folder, pids)}
    finally:
        os.kill(server, signal.SIGKILL)
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    print(json.dumps({"pids": pids, "told": told}))


if __name__ == "__main__":
    main(sys.argv[1])
