"""``python -m unixipc.cli`` is ``ipc``."""

from __future__ import annotations

from .main import run

if __name__ == "__main__":
    run()
