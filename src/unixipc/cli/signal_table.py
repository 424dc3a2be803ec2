"""What signal(7) says of every signal, and how people spell them."""

from __future__ import annotations

import signal

ACTIONS: dict[str, tuple[str, str]] = {
    "HUP": ("end", "the terminal is gone, or: read your settings again"),
    "INT": ("end", "Ctrl-C"),
    "QUIT": ("core", "Ctrl-\\"),
    "ILL": ("core", "an instruction that there is not"),
    "TRAP": ("core", "a breakpoint"),
    "ABRT": ("core", "abort(3)"),
    "BUS": ("core", "memory that is mapped and cannot be had"),
    "FPE": ("core", "division by zero and the like"),
    "KILL": ("end", "ends whatever gets it"),
    "USR1": ("end", "what the program says"),
    "SEGV": ("core", "memory that is not mapped, or not so"),
    "USR2": ("end", "what the program says"),
    "PIPE": ("end", "a write that nobody can read any more"),
    "ALRM": ("end", "alarm(2)"),
    "TERM": ("end", "please end"),
    "STKFLT": ("end", "never used"),
    "CHLD": ("ignore", "a child has ended, stopped or gone on"),
    "CONT": ("continue", "go on after a stop"),
    "STOP": ("stop", "stops whatever gets it"),
    "TSTP": ("stop", "Ctrl-Z"),
    "TTIN": ("stop", "a background job reads from the terminal"),
    "TTOU": ("stop", "a background job writes to the terminal"),
    "URG": ("ignore", "urgent data at a socket"),
    "XCPU": ("core", "RLIMIT_CPU was reached"),
    "XFSZ": ("core", "RLIMIT_FSIZE was reached"),
    "VTALRM": ("end", "setitimer(2), time of the process"),
    "PROF": ("end", "setitimer(2), time of process and kernel"),
    "WINCH": ("ignore", "the terminal has another size"),
    "IO": ("end", "a descriptor is ready (O_ASYNC)"),
    "PWR": ("end", "the power fails"),
    "SYS": ("core", "a system call that there is not, or that is forbidden"),
}
"""Default action and meaning, by name without SIG."""
NEVER_CAUGHT = frozenset((signal.SIGKILL, signal.SIGSTOP))
ALIASES = {"POLL": "IO", "CLD": "CHLD", "IOT": "ABRT"}


def name_of(number: int) -> str:
    """Its name without SIG; real-time ones are counted from RTMIN, as kill -l does it."""
    if number >= signal.SIGRTMIN:
        beyond = number - signal.SIGRTMIN
        return f"RTMIN+{beyond}" if beyond else "RTMIN"
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)  # 32 and 33: the C library keeps them for itself


def number_of(text: str) -> int:
    """USR1, SIGUSR1, RTMIN+3, RTMAX-1 or 10. ValueError for anything else."""
    word = text.upper().removeprefix("SIG")
    word = ALIASES.get(word, word)
    if word.isascii() and word.isdigit() and 0 <= int(word) <= signal.SIGRTMAX:
        return int(word)
    base, sign, offset = word.replace("-", "+-").partition("+")
    if base in ("RTMIN", "RTMAX") and (not sign or offset.lstrip("-").isdigit()):
        number = getattr(signal, f"SIG{base}") + int(offset or 0)
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return int(number)
    elif word in ACTIONS:
        return int(getattr(signal, f"SIG{word}"))
    raise ValueError(f"{text!r} is no signal: write USR1, SIGUSR1, RTMIN+3 or a number up to {signal.SIGRTMAX}")


def rows() -> list[dict[str, object]]:
    """Every signal: number, name, default action, whether a handler may catch it, standard or real-time, meaning."""
    found = [_row(int(getattr(signal, f"SIG{name}")), *facts) for name, facts in ACTIONS.items()]
    found += [_row(each, "end", "queued, with a value") for each in range(signal.SIGRTMIN, signal.SIGRTMAX + 1)]
    return sorted(found, key=lambda row: int(str(row["number"])))


def _row(number: int, action: str, meaning: str) -> dict[str, object]:
    return {
        "number": number,
        "name": f"SIG{name_of(number)}",
        "action": action,
        "catchable": number not in NEVER_CAUGHT,
        "kind": "real-time" if number >= signal.SIGRTMIN else "standard",
        "meaning": meaning,
    }
