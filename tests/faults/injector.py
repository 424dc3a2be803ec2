"""The way into faults.c, for the process that has it preloaded; and how it is built."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from pathlib import Path

from plan import full_name

__all__ = ["Injector", "build"]

SOURCE = Path(__file__).with_name("faults.c")
FLAGS = ["-O1", "-g", "-shared", "-fPIC", "-w", "-fno-builtin", "-U_FORTIFY_SOURCE", "-pthread"]


def build(folder: Path) -> Path:
    """Compile it; the path of the result."""
    made = folder / "faults.so"
    subprocess.run(["cc", *FLAGS, "-o", made, SOURCE, "-ldl"], check=True, timeout=100)
    return made


class Injector:
    """Counts, fails and interrupts the library's calls in this process."""

    def __init__(self) -> None:
        self._c = ctypes.CDLL(os.environ["LD_PRELOAD"])
        self._c.faults_name.restype = self._c.faults_syscall.restype = ctypes.c_char_p
        self.functions = [self._c.faults_name(number).decode() for number in range(self._c.faults_count())]
        self.syscalls = dict(self._numbers())
        self.disarm = self._c.faults_disarm
        self.record = self._c.faults_record
        self.only_ours = self._c.faults_only_ours
        self.calm = self._c.faults_calm
        self.look = self._c.faults_look
        self.hits = self._c.faults_hits
        self.struck = self._c.faults_struck
        self.mappings = self._c.faults_mappings

    @contextlib.contextmanager
    def paused(self):
        """What a scenario does by itself does not count."""
        mode = self._c.faults_pause()
        try:
            yield
        finally:
            self._c.faults_resume(mode)

    def _numbers(self):
        number, at = ctypes.c_long(), 0
        while name := self._c.faults_syscall(at, ctypes.byref(number)):
            yield number.value, name.decode()
            at += 1

    def recorded(self) -> list[tuple[int, int, int]]:
        """What was called since `record`: (function, what it was asked, role) each."""
        which, role, sub = ctypes.c_int(), ctypes.c_int(), ctypes.c_long()
        calls = []
        for at in range(self._c.faults_logged()):
            self._c.faults_entry(at, *map(ctypes.byref, (which, role, sub)))
            calls.append((which.value, sub.value, role.value))
        return calls

    def name(self, call: tuple[int, int, int]) -> str:
        """As the plan calls it."""
        return full_name(self.functions[call[0]], call[1], self.syscalls)

    def arm(self, call: tuple[int, int, int], nth: int, error: int) -> None:
        """The n-th of these calls from now on fails."""
        which, sub, role = call
        self._c.faults_arm(which, ctypes.c_long(sub), role, ctypes.c_long(nth), error)

    def interrupt(self, call: tuple[int, int, int]) -> None:
        """Calls of this kind are interrupted in a storm."""
        self._c.faults_interrupt(call[0], ctypes.c_long(call[1]))

    def storm(self, times: int) -> None:
        """From now on each call that `interrupt` was told of is interrupted so often before it works."""
        self._c.faults_storm(times)
