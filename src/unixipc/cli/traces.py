"""What a run could leave on the machine: children, descriptors, names in its folder. Compared before and after."""

from __future__ import annotations

import os
from contextlib import suppress


class Traces:
    """Remembers what there is; `left_behind` names what has come since."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._before = _descriptors() | _children()

    def left_behind(self) -> list[str]:
        """A line for each child (zombies too), descriptor and name that was not there before."""
        after = _descriptors() | _children()
        new = [text for key, text in sorted(after.items()) if self._before.get(key) != text]
        names = sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []
        return new + [f"path {os.path.join(self.folder, name)}" for name in names]


def _descriptors() -> dict[str, str]:
    found = {}
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that listdir itself had open
            found[f"fd {number}"] = f"fd {number} {os.readlink(f'/proc/self/fd/{number}')}"
    return found


def _children() -> dict[str, str]:
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                name, _, rest = file.read().rpartition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        state, parent = rest.split()[:2]
        if int(parent) == os.getpid():
            found[f"child {pid}"] = f"child {name}) state {state}"
    return found
