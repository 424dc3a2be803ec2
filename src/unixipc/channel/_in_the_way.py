"""What a wait at a channel was in vain for, when it was one process's fault: for errors."""

from __future__ import annotations

STATES = {"T": ", stopped", "t": ", stopped by a tracer", "Z": ", dead"}


def explain(error: OSError, found: tuple[int, str, int] | None) -> None:
    """Say in `error` which message was in the way and whose it is: in its text, and as `pid`."""
    if found is None:
        return
    pid, what, length_bytes = found
    whose = f"an unfinished message of {named(pid)}" if what == "unfinished" else f"a message leased by {named(pid)}"
    error.pid = pid  # type: ignore[attr-defined]
    error.strerror = f"{error.strerror}: waits behind {whose}"
    error.add_note(f"that message has {length_bytes} bytes; it is finished, or given up, when {pid} goes on or ends")


def named(pid: int) -> str:
    """The process with its command and, if it is not running, its state; the number alone for another namespace's."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return str(pid)
    command, _, rest = text.partition("(")[2].rpartition(")")
    return f"{pid} ({command}){STATES.get(rest.split()[0], '')}"
