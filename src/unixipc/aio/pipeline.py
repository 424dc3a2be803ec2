"""Awaitable pipelines. -- see `unixipc.pipeline`"""

from __future__ import annotations

from .. import _wait
from ..pipeline import Pipeline as SyncPipeline
from ..pipeline import PipelineResult, Running
from . import _drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from .._fd import HasFileno
    from ..pipeline import Command, Until

__all__ = ["Pipeline", "pipeline"]


class Pipeline:
    """Programs to connect. `run` starts them, feeds the first, collects what the last one writes."""

    def __init__(self, *commands: Command, env: Mapping[str, str] | None = None, cwd: str | None = None) -> None:
        self.sync = SyncPipeline(*commands, env=env, cwd=cwd)

    async def run(
        self,
        input: Buffer | None = None,
        timeout: float | None = None,
        stderr: int | HasFileno | None = None,
        *,
        until: Until = "end",
    ) -> PipelineResult:
        """Run all programs to their end; a time-out or a cancel kills and reaps every one. -- execve(2)"""
        if timeout is not None:
            _wait.checked_ns(timeout)
        with Running(self.sync, input, stderr, until) as running:
            try:
                return await _drive.on_descriptors(running.watched, running.advance, timeout, str(self.sync))
            except TimeoutError as error:
                running.explain(error)
                raise

    def __repr__(self) -> str:
        return f"<aio {repr(self.sync)[1:]}"


def pipeline(*commands: Command, env: Mapping[str, str] | None = None, cwd: str | None = None) -> Pipeline:
    """Programs connected stdout to stdin: ``await pipeline(["ls"], ["wc", "-l"]).run()``."""
    return Pipeline(*commands, env=env, cwd=cwd)
