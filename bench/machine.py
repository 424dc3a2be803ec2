"""Where and with what it was measured: a number without that is a rumour."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PEERS = (
    "unixipc",
    "posix_ipc",
    "sysv_ipc",
    "pyzmq",
    "faster-fifo",
    "cloudtoid-interprocess",
    "kickmsg",
    "membridge",
    "iceoryx2",
    "click",
    "rich",
)


def machine() -> dict[str, object]:
    return {
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": first_line(os.environ.get("CC", "cc"), "--version"),
        "commit": commit(),
        "load": os.getloadavg()[0],
        "versions": versions(),
    }


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str | None:
    """The commit, with "+" behind it if the source differs from it; None outside a checkout."""
    here = Path(__file__).parent
    revision = first_line("git", "-C", str(here), "rev-parse", "--short=12", "HEAD")
    changed = first_line("git", "-C", str(here.parent), "status", "--porcelain", "--", "src", "meson.build")
    return f"{revision}{'+' if changed else ''}" if revision else None


def versions() -> dict[str, str]:
    found = {}
    for name in PEERS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def first_line(*words: str) -> str | None:
    if shutil.which(words[0]) is None:
        return None
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return done.stdout.split("\n", 1)[0] if done.returncode == 0 else None
