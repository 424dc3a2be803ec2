"""N07, N08: is the machine fit? Each finding changes as it must when the machine does."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from unixipc import Exited, fork, inspector, map_anonymous, posix, signals, sysv
from unixipc.inspector import Finding, machine
from unixipc.inspector.machine import memory, surroundings
from unixipc.inspector.machine._mounts import Mount, covering, mount_of

LIMIT_S = 60
MIB = 1 << 20
STATUSES = {"ok", "warn", "bad", "unknown"}
LOOK = (
    "import json, os, sys\nfrom unixipc import inspector\n"
    "print(json.dumps([f._asdict() for f in inspector.examine(*sys.argv[1:])]))"
)


def in_own_namespaces(*topics, before="", code=LOOK, kinds=(), environment=None):
    """What is found in mount and IPC namespaces of one's own, after the shell commands `before`."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare(1) here")
    flags = ["--mount", "--ipc", *kinds]
    if os.geteuid():
        flags += ["--user", "--map-root-user"]
    allowed = subprocess.run(["unshare", *flags, "true"], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if allowed.returncode:
        pytest.skip(f"no namespaces of our own: {allowed.stderr.strip()}")
    script = f'set -e\nmount --make-rprivate /\n{before}\nexec "$0" "$@"'
    command = ["unshare", *flags, "sh", "-c", script, sys.executable, "-c", code, *topics]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment, cwd="/"
    )
    if done.returncode and os.geteuid() and "ermission denied" in done.stderr:
        pytest.skip(f"not allowed in a user namespace here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return {row["name"]: Finding(**row) for row in json.loads(done.stdout)}


def as_user(uid):
    """Look as that user; all is imported before, from folders that only root may read."""
    return LOOK.replace("print", f"inspector.examine(); os.setgid({uid}); os.setuid({uid})\nprint", 1)


def found(topic):
    return {finding.name: finding for finding in inspector.examine(topic)}


def check_all():
    findings = inspector.examine()
    assert [*dict.fromkeys(finding.topic for finding in findings)] == [*machine.TOPICS]
    assert len({(finding.topic, finding.name) for finding in findings}) == len(findings)
    for finding in findings:
        assert finding.status in STATUSES and finding.why and finding.name, finding
        assert isinstance(finding.value, int | str | None) and isinstance(finding.used, int | None), finding
        assert not (finding.status == "bad" and not finding.fix), finding
        assert finding.status != "unknown" or finding.fix == "", finding


def test_N07_every_topic_has_findings_of_one_shape():
    check_all()


def test_N07_as_nobody_too(as_nobody):
    as_nobody(check_all)


def test_topics_are_chosen_and_an_unknown_one_is_an_error():
    assert {finding.topic for finding in inspector.examine("python", "pipes")} == {"python", "pipes"}
    with pytest.raises(ValueError, match="'pipe' is no topic: system-v, "):
        inspector.examine("pipes", "pipe")


def test_nothing_to_read_is_unknown_with_the_reason_and_no_exception():
    rows = in_own_namespaces(before="mount -t tmpfs none /proc")
    unknown = [row for row in rows.values() if row.status == "unknown"]
    assert len(unknown) > 20
    assert all("No such file" in row.why for row in unknown if row.name != "C library")


# System V and POSIX queues ------------------------------------------------------------------------------------------


def test_N07_system_v_limits_and_their_use(own_ipc_namespace):
    with sysv.MessageQueue.temporary(), sysv.SemaphoreSet.temporary([0, 0]), sysv.SharedMemory.temporary(5000):
        rows, used = found("system-v"), sysv.usage()
        allowed = sysv.limits()
    assert rows["queues (kernel.msgmni)"].used == used.queues >= 1
    assert rows["semaphores (kernel.sem)"].used == used.semaphores >= 2
    assert rows["memory_pages (kernel.shmall)"].used == used.memory_pages >= 2
    for name, sysctl in sysv.SYSCTLS.items():
        called = f"{name} ({sysctl.partition(',')[0]})" if sysctl.startswith("kernel") else name
        assert rows[called].value == getattr(allowed, name)
    assert len(rows) == len(sysv.SYSCTLS)


@pytest.mark.parametrize(("queues", "status"), [(0, "warn"), (1, "warn"), (4, "warn"), (5, "bad")])
def test_N07_a_limit_that_is_near_or_used_up(queues, status):
    code = (
        "import contextlib\nfrom unixipc import sysv\nstack = contextlib.ExitStack()\n"
        f"for _ in range({queues}): stack.enter_context(sysv.MessageQueue.temporary())\n{LOOK}\nstack.close()"
    )
    rows = in_own_namespaces("system-v", before="echo 5 > /proc/sys/kernel/msgmni", code=code)
    row = rows["queues (kernel.msgmni)"]
    assert (row.value, row.used, row.status) == (5, queues, status)
    assert row.fix == "sysctl -w kernel.msgmni=32000"
    assert row.why.startswith({0: "less than", 1: "less than", 4: "80 % is used", 5: "it is used up"}[queues])


def test_N07_the_fix_is_a_command_that_works():
    before = "echo '10 20 30 40' > /proc/sys/kernel/sem"
    code = f"{LOOK}\n"
    rows = in_own_namespaces("system-v", before=before, code=code)
    fixes = [row.fix for row in rows.values() if "kernel.sem" in row.name]
    assert 'sysctl -w kernel.sem="10 32000 30 40"' in fixes
    for fix in fixes:
        _, _, value = fix.partition("=")
        after = in_own_namespaces("system-v", before=f"{before}\necho {value} > /proc/sys/kernel/sem")
        assert sum(after[name].value != rows[name].value for name in rows) == 1


def test_posix_queues_are_counted_where_they_are_mounted():
    dev = "mount -t tmpfs none /dev\nmkdir /dev/shm /dev/mqueue"
    code = f"from unixipc import posix\nqueues = [posix.MessageQueue.create(f'/{{n}}', 1, 8) for n in range(3)]\n{LOOK}"
    rows = in_own_namespaces("posix-queues", before=dev, code=code)
    assert (rows["/dev/mqueue"].value, rows["/dev/mqueue"].status) == ("not mounted", "warn")
    assert rows["/dev/mqueue"].fix.endswith("mount -t mqueue none /dev/mqueue")
    assert rows["fs.mqueue.queues_max"].used is None
    before = f"{dev}\n{rows['/dev/mqueue'].fix}\necho 3 > /proc/sys/fs/mqueue/queues_max"
    rows = in_own_namespaces("posix-queues", before=before, code=code)
    assert (rows["/dev/mqueue"].value, rows["/dev/mqueue"].status) == ("mounted", "ok")
    row = rows["fs.mqueue.queues_max"]
    assert (row.value, row.used, row.status) == (3, 3, "bad")


# Shared memory ------------------------------------------------------------------------------------------------------


def shm(options, then=""):
    return in_own_namespaces("shared-memory", before=f"mount -t tmpfs -o {options} tmpfs /dev/shm\n{then}")


@pytest.mark.parametrize(
    ("size", "status", "why"),
    [("1M", "bad", "are free"), ("64M", "warn", "a container begins with 64 MiB"), ("65M", "ok", "SIGBUS")],
)
def test_the_size_of_shared_memory(size, status, why):
    row = shm(f"size={size}")["size of /dev/shm"]
    assert (row.value, row.used, row.status) == (int(size[:-1]) * MIB, 0, status)
    assert why in row.why and row.fix.startswith("mount -o remount,size=1G /dev/shm")


def test_what_is_used_of_it():
    row = shm("size=100M", "head -c 85M /dev/zero > /dev/shm/x")["size of /dev/shm"]
    assert (row.used, row.status) == (85 * MIB, "warn") and row.why.startswith("85 % is used")
    row = shm("size=100M", "head -c 99M /dev/zero > /dev/shm/x")["size of /dev/shm"]
    assert (row.used, row.status) == (99 * MIB, "bad")
    row = shm("size=0")["size of /dev/shm"]
    assert (row.value, row.status) == (None, "warn")


def test_names_in_it_can_run_out():
    row = shm("size=1G,nr_inodes=5", "touch /dev/shm/1 /dev/shm/2 /dev/shm/3")["files in /dev/shm"]
    assert (row.value, row.used, row.status) == (5, 4, "warn")
    row = shm("size=1G,nr_inodes=5", "touch /dev/shm/1 /dev/shm/2 /dev/shm/3 /dev/shm/4")["files in /dev/shm"]
    assert (row.used, row.status, row.fix) == (5, "bad", "mount -o remount,nr_inodes=10 /dev/shm")


def test_read_only_permissions_and_options():
    row = shm("size=1G,mode=1777,ro")["permissions of /dev/shm"]
    assert (row.value, row.status, row.fix) == ("read-only", "bad", "mount -o remount,rw /dev/shm")
    row = shm("size=1G,mode=0777")["permissions of /dev/shm"]
    assert (row.value, row.status, row.fix) == ("0777", "warn", "chmod 1777 /dev/shm")
    rows = shm("size=1G,mode=1777,noexec")
    assert rows["permissions of /dev/shm"].status == "ok"
    assert rows["options of /dev/shm"].value == "noexec"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_a_user_who_may_not_write_there():
    code = as_user(65534)
    before = "mount -t tmpfs -o mode=0755 tmpfs /dev/shm"
    row = in_own_namespaces("shared-memory", before=before, code=code)["permissions of /dev/shm"]
    assert (row.value, row.status) == ("0755", "bad")


def test_no_file_system_of_its_own():
    rows = in_own_namespaces("shared-memory", before="mount -t tmpfs none /dev")
    assert (rows["/dev/shm"].value, rows["/dev/shm"].status) == ("missing", "bad")
    assert rows["/dev/shm"].fix.startswith("mkdir -p /dev/shm; mount")
    rows = in_own_namespaces("shared-memory", before="mount -t tmpfs none /dev; mkdir /dev/shm")
    assert (rows["/dev/shm"].value, rows["/dev/shm"].status) == ("tmpfs", "warn")
    rows = in_own_namespaces("shared-memory", before=f"mount -t tmpfs none /dev\n{rows['/dev/shm'].fix}")
    assert (rows["/dev/shm"].value, rows["/dev/shm"].status) == ("tmpfs", "ok")


def test_more_is_promised_than_there_is():
    row = in_own_namespaces("memory", before="mount -t tmpfs -o size=9000G tmpfs /dev/shm")["memory of the machine"]
    assert row.status == "warn" and "a killed process" in row.why and row.fix.startswith("mount -o remount,size=")


def test_the_tightest_cgroup_on_the_way_up_counts(tmp_path):
    """A tree laid out as the kernel lays it out."""
    top = tmp_path / "top"
    for folder, most, used in ((top / "a" / "b", "max", 50), (top / "a", "1000", 900), (top, "5000", 4000)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{most}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text("anon 10\ninactive_file 100\n")
    where = str(top / "a" / "memory.max")
    assert memory.tightest(str(top), "a/b", memory.VERSION_2) == (1000, 800, where)
    (top / "a" / "memory.max").unlink()
    assert memory.tightest(str(top), "a/b", memory.VERSION_2) == (5000, 3900, str(top / "memory.max"))
    (top / "memory.max").write_text("max")
    assert memory.tightest(str(top), "a/b", memory.VERSION_2)[0] is None


# Limits of processes ------------------------------------------------------------------------------------------------


def in_a_child(check, *limits):
    """With these limits, in a process of its own."""

    def lowered():
        for what, soft in limits:
            resource.setrlimit(what, (soft, resource.getrlimit(what)[1]))
        check()

    with fork(lowered) as child:
        assert child.wait(LIMIT_S) == Exited(0)


def test_open_files():
    files = [open(os.devnull) for _ in range(40)]  # so many that three more are less than a fifth
    used = found("descriptors")["RLIMIT_NOFILE"].used

    def near():
        row = found("descriptors")["RLIMIT_NOFILE"]
        assert (row.value, row.status) == (used + 3, "warn") and "% is used" in row.why
        assert row.fix.startswith("ulimit -n 1024") and row.used <= used + 3

    def few():
        row = found("descriptors")["RLIMIT_NOFILE"]
        assert (row.value, row.status) == (900, "warn") and row.why.startswith("less than what programs expect (1024)")

    in_a_child(near, (resource.RLIMIT_NOFILE, used + 3))
    in_a_child(few, (resource.RLIMIT_NOFILE, 900))
    for file in files:
        file.close()


def test_opening_more_is_seen():
    before = found("descriptors")["RLIMIT_NOFILE"].used
    files = [open(os.devnull) for _ in range(7)]
    assert found("descriptors")["RLIMIT_NOFILE"].used == before + 7
    for file in files:
        file.close()


def test_pending_signals():
    before = found("signals")["RLIMIT_SIGPENDING"].used

    def check():
        with signals.blocked(signal.SIGRTMIN):
            for value in range(5):
                signals.send(os.getpid(), signal.SIGRTMIN, value)
            row = found("signals")["RLIMIT_SIGPENDING"]
            assert row.used >= before + 5 and row.status in ("warn", "bad"), row
            signals.pending()
            signal.signal(signal.SIGRTMIN, signal.SIG_IGN)

    in_a_child(check, (resource.RLIMIT_SIGPENDING, before + 6))


def test_locked_memory(as_nobody):
    def check():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
        assert found("process-limits")["RLIMIT_MEMLOCK"].used == 0
        with map_anonymous(65536) as mapping:
            mapping.lock()
            row = found("process-limits")["RLIMIT_MEMLOCK"]
            assert (row.value, row.used, row.status) == (65536, 65536, "bad")
            assert "limits.conf" in row.fix

    as_nobody(check)


def test_bytes_of_posix_queues():
    def check():
        row = found("posix-queues")["RLIMIT_MSGQUEUE"]
        assert (row.value, row.used, row.status) == (4096, None, "warn") and "EMFILE" in row.why
        assert "819200" in row.fix

    in_a_child(check, (resource.RLIMIT_MSGQUEUE, 4096))


def test_lengths_of_files():
    def check():
        row = found("process-limits")["RLIMIT_FSIZE"]
        assert (row.value, row.status, row.fix) == (MIB, "warn", "ulimit -f 1048576")

    in_a_child(check, (resource.RLIMIT_FSIZE, MIB))


# Surroundings -------------------------------------------------------------------------------------------------------


def inode(kind):
    return os.stat(f"/proc/self/ns/{kind}").st_ino


def test_N08_namespaces_of_our_own():
    code = LOOK.replace(
        "print", "print(*(os.stat(f'/proc/self/ns/{k}').st_ino for k in ('ipc', 'mnt', 'pid')))\nprint", 1
    )
    command = ["unshare", "--mount", "--ipc", "--pid", "--user", "--map-root-user", "--fork"]
    done = subprocess.run([*command, "--mount-proc", sys.executable, "-c", code, "namespaces"],
                          capture_output=True, text=True, timeout=LIMIT_S, check=False)  # fmt: skip
    if "unshare:" in done.stderr:
        pytest.skip(f"no namespaces of our own: {done.stderr}")
    numbers, _, rows = done.stdout.partition("\n")
    ipc, mnt, pid = numbers.split()
    named = {row["name"]: row for row in json.loads(rows)}
    assert named["ipc namespace"]["value"] == f"own ({ipc})"
    assert named["user namespace"]["value"].startswith("own (")
    assert named["pid namespace"]["value"] == f"own ({pid})"
    assert named["mnt namespace"]["value"] in (f"own ({mnt})", mnt)
    assert (named["mnt namespace"]["status"] == "unknown") == (named["mnt namespace"]["value"] == mnt)


def test_N08_the_first_ipc_namespace_has_a_fixed_number():
    row = found("namespaces")["ipc namespace"]
    first = inode("ipc") == 0xEFFFFFFF
    assert row.value == ("the machine's first" if first else f"own ({inode('ipc')})")


@pytest.mark.parametrize("kind", ["podman", "lxc"])
def test_a_container_says_so(monkeypatch, kind):
    monkeypatch.setenv("container", kind)
    (row,) = inspector.examine("container")
    assert (row.value, row.status) == (kind, "ok")
    assert ("--ipc=container:NAME" in row.fix) == (kind == "podman")


SYSTEMD = "mount -t tmpfs none /etc/systemd\nmount -t tmpfs none /run\nmkdir -p /run/systemd/system\n"
DROP = "mkdir -p {0}/logind.conf.d\nprintf '[Login]\\nRemoveIPC={1}\\n' > {0}/logind.conf.d/{2}.conf\n"
MAIN = "printf '[Login]\\n#RemoveIPC=no\\nRemoveIPC = {0}\\n' > /etc/systemd/logind.conf\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
@pytest.mark.skipif(not os.path.isdir("/etc/systemd"), reason="no folder /etc/systemd to put logind.conf into")
@pytest.mark.parametrize(
    ("files", "uid", "value", "status"),
    [
        ("", 1000, "yes", "warn"),
        ("", 0, "yes", "ok"),
        ("", 999, "yes", "ok"),
        (MAIN.format("no"), 1000, "no", "ok"),
        (MAIN.format("no") + DROP.format("/run/systemd", "yes", "a"), 1000, "yes", "warn"),
        (DROP.format("/run/systemd", "yes", "b") + DROP.format("/etc/systemd", "no", "a"), 1000, "yes", "warn"),
        (DROP.format("/run/systemd", "yes", "a") + DROP.format("/etc/systemd", "no", "a"), 1000, "no", "ok"),
        (DROP.format("/run/systemd", "yes", "a") + "mkdir -p /etc/systemd/logind.conf.d\n"
         "ln -s /dev/null /etc/systemd/logind.conf.d/a.conf\n" + MAIN.format("false"), 1000, "no", "ok"),
    ],
)  # fmt: skip
def test_what_logind_removes(files, uid, value, status):
    code = as_user(uid)
    row = in_own_namespaces("logind", before=SYSTEMD + files, code=code)["RemoveIPC"]
    assert (row.value, row.status) == (value, status)
    if status == "warn":
        assert "system user" in row.why and "RemoveIPC=no" in row.fix
        fix = row.fix.partition("; systemctl")[0].replace("ipc.conf", "zz.conf")
        assert in_own_namespaces("logind", before=f"{SYSTEMD}{files}{fix}", code=code)["RemoveIPC"].value == "no"


@pytest.mark.skipif(not os.path.isdir("/etc/systemd"), reason="no folder /etc/systemd to hide")
def test_without_systemd_nobody_removes():
    row = in_own_namespaces("logind", before="mount -t tmpfs none /run")["RemoveIPC"]
    assert (row.value, row.status) == ("does not apply", "ok")


LOCAL = Mount(1, 0, "/", "/", "ext4", frozenset(("rw",)))


@pytest.mark.parametrize(
    ("kind", "options", "status"),
    [
        ("ext4", (), "ok"),
        ("nfs4", ("vers=4.2",), "ok"),
        ("nfs", ("nolock",), "bad"),
        ("nfs", ("local_lock=flock",), "bad"),
        ("nfs", ("local_lock=posix",), "bad"),
        ("cifs", ("nobrl",), "bad"),
        ("fuse.sshfs", (), "warn"),
        ("virtiofs", (), "warn"),
        ("9p", (), "warn"),
    ],
)
def test_file_systems_where_locks_do_not_exclude(kind, options, status):
    there = Mount(2, 1, "/far", "/", kind, frozenset(options))
    row = surroundings.place("/far/folder", "/far/folder", [LOCAL, there])
    assert (row.value, row.status) == (kind, status)
    assert (
        status != "bad"
        or row.fix == f"in /etc/fstab: take {options[0]} from the options of /far, then umount and mount it"
    )


def test_a_link_leads_to_the_mount_and_nothing_there_is_touched(tmp_path):
    far = Mount(2, 1, "/no/such/place", "/", "nfs", frozenset())
    (tmp_path / "here").symlink_to("there/deeper")
    (tmp_path / "there").symlink_to("/no/such/place/in/it")
    (tmp_path / "round").symlink_to("round")
    remote = [LOCAL, far]
    assert mount_of(str(tmp_path / "here"), remote, lambda mount: mount is far) is far
    assert mount_of(str(tmp_path / "round"), remote, lambda mount: mount is far) is LOCAL
    assert covering("/no/such/places", remote) is LOCAL


def test_a_mount_hides_what_was_below_its_point():
    dev, shm = Mount(2, 1, "/dev", "/", "devtmpfs", frozenset()), Mount(3, 2, "/dev/shm", "/", "tmpfs", frozenset())
    assert covering("/dev/shm/x", [LOCAL, dev, shm]) is shm
    over = Mount(4, 2, "/dev", "/", "tmpfs", frozenset())
    assert covering("/dev/shm/x", [LOCAL, dev, shm, over]) is over
    again = Mount(5, 3, "/dev/shm", "/", "tmpfs", frozenset())
    assert covering("/dev/shm", [LOCAL, dev, shm, again]) is again


def test_names_of_mounts_with_spaces():
    code = (
        "import json\nfrom unixipc import inspector\nfrom unixipc.inspector.machine._mounts import covering, mounts\n"
        "at = covering('/run/a b/c', mounts())\n"
        "print(json.dumps([inspector.Finding('', at.point, at.type, '', None, 'ok', '', '')._asdict()]))"
    )
    before = "mount -t tmpfs none /run\nmkdir '/run/a b'\nmount -t tmpfs none '/run/a b'"
    assert in_own_namespaces(before=before, code=code)["/run/a b"].value == "tmpfs"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_hidden_processes():
    kinds = ("--pid", "--fork")
    before = "mount -t proc -o hidepid=2 proc /proc"
    code = as_user(65534)
    row = in_own_namespaces("visibility", before=before, code=code, kinds=kinds)["hidepid"]
    assert (row.status, row.fix) == ("warn", "mount -o remount,hidepid=off /proc")
    assert in_own_namespaces("visibility", before=before, kinds=kinds)["hidepid"].status in ("ok", "warn")


FILTER = """
import ctypes, errno
class Filter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
PIDFD_GETFD = 438
LOAD, EQUALS, RETURN, ALLOW = 0x20, 0x15, 6, 0x7FFF0000
refuse = (RETURN, 0, 0, 0x50000 | errno.EPERM)
rules = (Filter * 4)((LOAD, 0, 0, 0), (EQUALS, 0, 1, PIDFD_GETFD), refuse, (RETURN, 0, 0, ALLOW))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
if libc.prctl(22, 2, ctypes.byref(Program(4, rules)), 0, 0): sys.exit(f"no seccomp: {ctypes.get_errno()}")
"""


def test_a_filter_that_refuses_a_call():
    code = LOOK.replace("print", f"{FILTER}\nprint", 1)
    command = [sys.executable, "-c", code, "seccomp", "kernel"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if "no seccomp" in done.stderr:
        pytest.skip(done.stderr)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert (rows["seccomp"]["value"], rows["seccomp"]["status"]) == ("filter", "warn")
    assert rows["seccomp"]["why"].endswith("pidfd_getfd")
    assert (rows["pidfd_getfd"]["value"], rows["pidfd_getfd"]["status"]) == ("refused", "warn")
    assert "seccomp" in rows["pidfd_getfd"]["fix"]


def test_looking_withdraws_no_notification(own_ipc_namespace):
    """A process that closes any descriptor of a queue loses its notification: looking opens none."""
    with posix.MessageQueue.temporary() as queue, signals.SignalStream(signal.SIGUSR1) as stream:
        queue.notify(signal.SIGUSR1)
        inspector.examine()
        queue.send(b"")
        assert stream.receive(LIMIT_S).signal == signal.SIGUSR1
