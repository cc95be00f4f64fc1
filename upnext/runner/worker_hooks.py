"""Calls a worker's hooks: around jobs, at its start and stop, and for the jobs it buries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from upnext.hook_calls import call_hook
from upnext.hooks import process_hooks

if TYPE_CHECKING:
    from upnext.broker.claims import DeadLetter
    from upnext.hooks import HookList, Hooks

_LAST_BURIALS = 1.0  # seconds that the hooks of burials get at a worker's stop


class WorkerHooks:
    """The hooks of one worker in this process.

    Args:
        worker: The worker's name.
        own: Its own hooks.
    """

    def __init__(self, worker: str, own: HookList) -> None:
        self._worker = worker
        self._own = own
        self._burials: set[asyncio.Task[None]] = set()

    @property
    def of_jobs(self) -> tuple[Hooks, ...]:
        """Those that are around jobs."""
        return process_hooks.jobs + self._own.jobs

    async def started(self) -> None:
        """Call those of the start, one after the other."""
        for one in process_hooks.starts + self._own.starts:
            await _call(one, "worker_started", self._worker)

    async def stopped(self) -> None:
        """Wait for those of burials, not for long, and call those of the stop, the last one first."""
        if self._burials:
            await asyncio.wait(self._burials, timeout=_LAST_BURIALS)
        for one in reversed(process_hooks.stops + self._own.stops):
            await _call(one, "worker_stopped", self._worker)

    def buried(self, letter: DeadLetter) -> None:
        """Call the burial hooks, each in its own task: settling does not wait for them."""
        for one in process_hooks.burials + self._own.burials:
            task = asyncio.create_task(_call(one, "buried", letter))
            self._burials.add(task)
            task.add_done_callback(self._burials.discard)


async def _call(hooks: Hooks, moment: str, argument: object) -> None:
    await call_hook(hooks, moment, argument)
