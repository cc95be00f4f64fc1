"""Jobs that a worker died with: each is started alone, so that the one that kills the next worker is identified."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from upnext.log import log
from upnext.runner.slots import Slot

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from upnext.runner.slots import Slots

_CROWD = 10  # times as many as there are slots


class PoisonJobs:
    """Runs jobs on their last life one at a time. Those that wait do not take slots from other jobs.

    Args:
        slots: What each job that runs takes one of.

    Attributes:
        starting: Held while a suspect is marked as started and takes its first step.
    """

    def __init__(self, slots: Slots) -> None:
        self.starting = asyncio.Lock()
        self._slots = slots
        self._taken = False
        self._running = ""  # the job whose turn it is
        self._stopped = False
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._askers: set[asyncio.Event] = set()

    @asynccontextmanager
    async def alone(self, job_id: str) -> AsyncGenerator[Slot | None]:
        """Exchange the job's slot for one in its turn.

        Args:
            job_id: The job, as the log may show it.

        Yields:
            The slot, to be released at the job's end; None if the job may not run, because the worker stops first.
        """
        self._slots.give(1)
        mine = False
        asker = asyncio.Event()
        try:
            mine = await self._turn(job_id)
            yield Slot(self._slots, asyncio.get_running_loop()) if mine and await self._slot(asker) else None
        finally:
            self._slots.leave(asker)
            if mine:
                self._next()

    def crowded(self, asker: asyncio.Event) -> bool:
        """Return whether very many wait: one worker must not collect all those that others could run.

        Args:
            asker: Who would claim more jobs; it is set when it should ask again.
        """
        if len(self._waiting) < _CROWD * self._slots.total:
            return False
        self._askers.add(asker)
        return True

    def stop(self) -> None:
        """Send waiting jobs away, to be run elsewhere."""
        self._stopped = True
        while self._waiting:
            self._call(self._waiting.popleft(), mine=False)

    async def _turn(self, job_id: str) -> bool:
        if not self._taken:
            self._taken, self._running = True, job_id
            return True
        if self._stopped:
            return False
        if not self._waiting:
            log.warning(
                "Job %s waits for its turn until job %s has ended, and so do further ones: they were running in "
                "processes that died, and run one at a time until it is known which one kills them",
                *(job_id, self._running),
            )
        call: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(call)
        try:
            mine = await call
            self._running = job_id if mine else self._running
        except asyncio.CancelledError:
            if call.done() and not call.cancelled() and call.result():
                self._next()
            raise
        return mine

    async def _slot(self, asker: asyncio.Event) -> bool:
        while not self._stopped:
            if self._slots.take(asker, 1):
                return True
            await asker.wait()
            asker.clear()
        return False

    def _next(self) -> None:
        while self._askers:
            self._askers.pop().set()
        while self._waiting:
            call = self._waiting.popleft()
            if not call.done():
                self._call(call, mine=True)
                return
        self._taken = False

    @staticmethod
    def _call(call: asyncio.Future[bool], *, mine: bool) -> None:
        if not call.done():
            call.set_result(mine)
