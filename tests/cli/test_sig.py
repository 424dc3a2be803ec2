"""`ipc sig`: the table, sending with values, waiting, and what a process does with its signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess

import pytest

from unixipc import signals
from unixipc.cli.signal_table import name_of, number_of

LIMIT_S = 60


def test_G02_the_table_knows_every_signal_as_the_kernel_acts(shell):
    rows = json.loads(shell.ipc("sig", "table", "--json").stdout)
    assert {row["number"] for row in rows} == set(signal.valid_signals())
    by_name = {row["name"]: row for row in rows}
    assert not by_name["SIGKILL"]["catchable"] and not by_name["SIGSTOP"]["catchable"]
    assert by_name["SIGRTMIN"]["kind"] == "real-time" and by_name["SIGUSR1"]["kind"] == "standard"
    assert "number  name" in shell.ipc("sig", "table").stdout


ENDING = [number for number in sorted(signal.valid_signals()) if number not in (signal.SIGCONT,)]


def test_G02_each_default_action_is_what_happens_to_a_process(shell):
    rows = {row["number"]: row for row in json.loads(shell.ipc("sig", "table", "--json").stdout)}
    for number in ENDING:
        pid = os.fork()
        if pid == 0:
            for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(each, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.setpgid(0, 0)
            try:
                import resource

                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                os.kill(os.getpid(), number)
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            happened = {"stop"}
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        else:
            happened = {"end", "core"} if os.WIFSIGNALED(status) else {"ignore"}
        orphan_group = rows[number]["action"] == "stop" and happened == {"ignore"}  # the kernel does not stop those
        assert rows[number]["action"] in happened or orphan_group, (rows[number], happened)


def test_names():
    for number in signal.valid_signals():
        assert number_of(name_of(number)) == number == number_of(f"sig{name_of(number)}".lower())
    assert number_of("RTMAX-1") == signal.SIGRTMAX - 1 and number_of("10") == 10 and number_of("0") == 0
    for bad in ("", "NO", "RTMIN+99", "RTMIN+", "RTMAX+1", "65", "-1", "RTMINx"):
        with pytest.raises(ValueError, match="is no signal: write USR1"):
            number_of(bad)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash, whose kill -l we compare with")
def test_names_are_those_of_kill():
    for number in sorted(signal.valid_signals())[:31]:
        said = subprocess.run(["bash", "-c", f"kill -l {number}"], capture_output=True, text=True, check=True).stdout
        assert said.strip() == name_of(number)


def test_a_value_arrives_with_who_sent_it(shell):
    with shell.started("sig", "wait", "-v", "--json", "--count", "2", "RTMIN+3", "USR1") as waiter:
        assert waiter.stderr.readline() == f"ipc: process {waiter.pid} waits\n".encode()
        assert shell.ipc("sig", "send", "rtmin+3", waiter.pid, "--value", "-42").returncode == 0
        first = json.loads(waiter.stdout.readline())
        assert (first["signal"], first["value"], first["uid"]) == ("SIGRTMIN+3", -42, os.getuid())
        signals.send(waiter.pid, signal.SIGUSR1)
        assert json.loads(waiter.stdout.readline())["pid"] == os.getpid()
        assert waiter.wait(LIMIT_S) == 0


def test_waiting_has_a_time_limit_and_ends_with_ctrl_c(shell):
    done = shell.ipc("sig", "wait", "-w", "0.05", "USR1")
    assert done.returncode == 124 and "timed out" in done.stderr
    with shell.started("sig", "wait", "-v", "USR1") as waiter:
        assert waiter.stderr.readline()
        waiter.send_signal(signal.SIGINT)
        assert (waiter.wait(LIMIT_S), waiter.stderr.read()) == (130, b"")


def test_what_is_refused_is_told_and_the_others_are_sent(shell):
    with shell.started("sig", "wait", "-v", "USR1") as waiter:
        assert waiter.stderr.readline()
        done = shell.ipc("sig", "send", "USR1", 2**22 + 1, waiter.pid)
        assert done.returncode == 1 and done.stderr.startswith("ipc sig: 4194305: ")
        assert waiter.wait(LIMIT_S) == 0
    assert shell.ipc("sig", "wait", "KILL").returncode == 1
    assert shell.ipc("sig", "send", "0", os.getpid()).returncode == 0
    for words in (
        ("send", "NO", "1"),
        ("send", "USR1"),
        ("wait",),
        ("show", "0"),
        ("send", "USR1", "1", "--value", "x"),
    ):
        assert shell.ipc("sig", *words).returncode == 2


def test_G22_the_state_of_a_process_is_what_it_has_set(shell):
    with signals.blocked(signal.SIGUSR2), signals.handling(signal.SIGHUP, signal.SIG_IGN):
        (state,) = json.loads(shell.ipc("sig", "show", "--json", os.getpid()).stdout)
        table = shell.ipc("sig", "show", os.getpid()).stdout
    assert "SIGUSR2" in state["blocked"] and "SIGHUP" in state["ignored"] and state["pid"] == os.getpid()
    assert f"{os.getpid()}" in table and "SIGUSR2" in table
    gone = shell.ipc("sig", "show", 2**22 + 1)
    assert gone.returncode == 1 and "No such process" in gone.stderr
