"""N06, the real case: PostgreSQL killed with -9. What stays, who is in the way, what `ipc gc` removes; no data is lost.

A cluster of the test's own: its folder, its socket, no network; its memory is in the tests' IPC namespace. What it has
in /dev/shm is removed by exact name, since that folder may be the machine's.
"""

from __future__ import annotations

import glob
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress

import pytest

from unixipc import Process, inspector, sysv

LIMIT_S = 120
ROWS = 1000


def binaries():
    """The folder of the newest server; None if there is none."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb") + glob.glob("/usr/pgsql-*/bin/initdb"))
    on_path = shutil.which("initdb")
    return os.path.dirname(found[-1] if found else on_path) if found or on_path else None


pytestmark = [
    pytest.mark.usefixtures("own_ipc_namespace"),
    pytest.mark.skipif(binaries() is None, reason="no PostgreSQL server here (Debian: apt install postgresql)"),
]


def server_user():
    """It refuses to run as root: then as the package's user, or as nobody."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("no unprivileged user to run a server as")


class Cluster:
    """A database of our own in a short path (a socket's has 107 bytes), and what it has on the machine."""

    def __init__(self, folder):
        self.folder, self.run_folder, self.user = folder, f"{folder}/run", server_user()
        self.key, self.names = None, set()
        for each in (self.run_folder, f"{folder}/data"):
            os.mkdir(each, 0o700)
        if self.user is not None:
            for each in (folder, self.run_folder, f"{folder}/data"):
                os.chown(each, self.user.pw_uid, self.user.pw_gid)
        self.run("initdb", "-D", f"{folder}/data", "-A", "trust", "--no-sync", "-U", "tester")

    def command(self, name, *words):
        return [os.path.join(binaries(), name), *words]

    def identity(self):
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def run(self, name, *words, check=True):
        """One of its programs, as its user; output goes to a file, for a daemon would keep a pipe open."""
        with open(f"{self.folder}/output", "w+") as output:
            done = subprocess.run(
                self.command(name, *words), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd=self.folder, timeout=LIMIT_S, check=False, env=os.environ | {"LC_ALL": "C"}, **self.identity(),
            )  # fmt: skip
            output.seek(0)
            text = output.read()
        assert not check or done.returncode == 0, text + self.log()
        return done.returncode, text

    def start(self, check=True):
        options = f"-c unix_socket_directories={self.run_folder} -c listen_addresses= -c autovacuum=off -c fsync=off"
        words = ("-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-w", "-t", "60", "-o", options)
        code, _text = self.run("pg_ctl", *words, "start", check=check)
        if code == 0:
            self.key, self.segment = map(int, self.pid_file()[6].split())
            self.note_names()
        return code

    def note_names(self):
        """What it has in /dev/shm; not all of that is mapped by its first process."""
        pids = self.processes()
        rows = [row for row in inspector.ls("posix-memory") if row.id.startswith("/PostgreSQL.")]
        self.names |= {row.id[1:] for row in rows if pids.intersection(row.used_by)}

    def pid_file(self):
        with open(f"{self.folder}/data/postmaster.pid") as lines:
            return lines.read().splitlines()

    @property
    def postmaster(self):
        return int(self.pid_file()[0])

    def log(self):
        try:
            with open(f"{self.folder}/log") as lines:
                return lines.read()
        except FileNotFoundError:
            return ""

    def sql(self, text):
        said = self.run("psql", "-h", self.run_folder, "-U", "tester", "-Atqc", text, "postgres")[1].strip()
        self.note_names()
        return said

    def client(self):
        """Somebody who is connected, and the process that serves him."""
        words = self.command("psql", "-h", self.run_folder, "-U", "tester", "-Atq", "postgres")
        client = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder, text=True,
            **self.identity(),
        )  # fmt: skip
        client.stdin.write("select pg_backend_pid();\n")
        client.stdin.flush()
        return client, int(client.stdout.readline())

    def processes(self):
        """Who has its segment attached."""
        return {pid for row in inspector.ls("sysv-segment") if row.id == self.segment for pid in row.attached_by}

    def kill(self, *, but=()):
        """SIGKILL for its first process, and then for all others that have its segment, but these.

        In this order: the first one would start anew if it saw another die. A start that finds its number in use, if
        only by a zombie, is refused.
        """
        first = self.postmaster
        for pid in [first, *(self.processes() - {first, *but})]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until(lambda: self.attached() <= len(but) and not os.path.exists(f"/proc/{first}"))

    def attached(self):
        """The kernel's count: of a process that is just ending nothing else can be seen."""
        with sysv.SharedMemory(self.segment) as memory:
            return memory.stat().attached


def until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def cluster():
    folder = tempfile.mkdtemp(prefix="uipc-pg-")
    os.chmod(folder, 0o755)
    made = None
    try:
        made = Cluster(folder)
        made.start()
        made.sql(f"create table t(n int); insert into t select generate_series(1, {ROWS})")
        yield made
    finally:
        try:
            if made is not None:
                end(made)
        finally:
            shutil.rmtree(folder)


def end(cluster):
    """Stop it, in whatever state it is, and remove what it has left."""
    if cluster.run("pg_ctl", "-D", f"{cluster.folder}/data", "-m", "fast", "-w", "stop", check=False)[0]:
        with suppress(OSError):
            cluster.kill()
    for name in cluster.names:
        with suppress(FileNotFoundError):
            os.unlink(f"/dev/shm/{name}")
    for each in sysv.segments():
        if int(each.permissions.key) == cluster.key:
            sysv.SharedMemory(each.id).remove()


def gc(shell, cluster, *words):
    """What `ipc gc` does with each thing of the cluster: {kind: [(done, because, why)]}."""
    asked = [("sysv-segment", "--matching", str(cluster.segment)), ("socket", "--in", cluster.run_folder)]
    asked += [("posix-memory", "--matching", f"/{name}") for name in sorted(cluster.names)]
    rows = []
    for each in asked:
        done = shell.ipc("gc", *each, "--older-than", "0", "--json", *words)
        assert done.returncode == 0, done
        rows += json.loads(done.stdout)
    found: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows:
        found.setdefault(row["kind"], []).append((row["done"], row["because"], row["why"]))
    return found


def test_N06_a_running_postgresql_is_not_touched(cluster, shell):
    assert cluster.processes() >= {cluster.postmaster} and cluster.names
    assert gc(shell, cluster, "--likely") == {}
    assert cluster.sql("select count(*) from t") == str(ROWS)


def test_N06_after_kill_9_of_all_of_it_gc_removes_what_is_left_and_no_row_is_lost(cluster, shell):
    cluster.kill()
    dead = cluster.postmaster
    told = gc(shell, cluster, "--dry-run")
    ((done, because, why),) = told["sysv-segment"]
    assert (done, because) == ("left", "only likely") and f"creator {dead} has ended" in why and "it has a key" in why
    assert [done for done, _because, _why in told["socket"]] == ["would remove"]
    assert os.path.exists(f"{cluster.run_folder}/.s.PGSQL.5432")
    assert all("PostgreSQL made it" in why for _done, _because, why in told["posix-memory"])
    told = gc(shell, cluster, "--likely")
    assert [done for done, _because, _why in told["sysv-segment"] + told["socket"]] == ["removed", "removed"]
    if not inspector.graph().hidden:
        assert {done for done, _because, _why in told["posix-memory"]} == {"removed"}
    assert gc(shell, cluster, "--likely").keys() <= {"posix-memory"}
    assert cluster.start() == 0 and "automatic recovery in progress" in cluster.log()
    assert cluster.sql("select count(*), sum(n) from t") == f"{ROWS}|{ROWS * (ROWS + 1) // 2}"


def test_N06_while_one_backend_lives_nothing_of_it_goes_and_who_names_the_one_in_the_way(cluster, shell):
    client, backend = cluster.client()
    with client, Process(backend) as held_up:
        held_up.send_signal(signal.SIGSTOP)  # else it would notice that the others are gone
        try:
            cluster.kill(but=[backend])
            assert "sysv-segment" not in gc(shell, cluster, "--likely")
            with sysv.SharedMemory(cluster.segment) as memory:
                assert memory.stat().attached == 1 and not memory.stat().marked_for_removal
            assert cluster.start(check=False) != 0
            assert f"pre-existing shared memory block (key {cluster.key}, ID {cluster.segment})" in cluster.log()
            told = json.loads(shell.ipc("who", f"{cluster.key:#x}", "--json").stdout)
            assert [(edge["pid"], edge["how"]) for edge in told if edge["kind"] == "sysv-segment"] == [
                (backend, "maps")
            ]
        finally:
            held_up.kill()
            client.kill()
        until(lambda: not cluster.attached())
    assert [done for done, _because, _why in gc(shell, cluster, "--likely")["sysv-segment"]] == ["removed"]
    assert cluster.start() == 0 and cluster.sql("select count(*) from t") == str(ROWS)
