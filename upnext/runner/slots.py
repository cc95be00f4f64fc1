"""Limits how many jobs run at once in a process, across the partitions that it serves."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upnext.context import LongWait

_LOANS = 10  # times as many as there are slots
_LEAST_LOANS = 200
_LOOP_PATIENCE = 1.0  # seconds that the worker's event loop has to answer a thread


class Slots:
    """Slots for jobs, handed out in turn to callers that have work for them.

    A caller that gets no slot is notified when its turn comes. No slots are reserved for later work.

    Args:
        total: How many there are.

    Attributes:
        total: How many there are.
        free: How many are unused.
        freed: How many were given back so far.
        sharers: How many partitions share them.
        loans: How many are lent by jobs that wait for other jobs.
        most_loans: How many may be: each is a job more that this process holds in memory, and perhaps a thread.
        long_waits: The jobs that have waited for other jobs for long.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.sharers = 0
        self.loans = 0
        self.most_loans = max(_LEAST_LOANS, _LOANS * total)
        self.free = total
        self.freed = 0
        self.long_waits: list[LongWait] = []
        self._waiting: deque[asyncio.Event] = deque()

    def take(self, asker: asyncio.Event, most: int) -> int:
        """Take up to that many slots.

        Args:
            asker: Who asks; it is set when it should ask again.
            most: As many as there is use for.

        Returns:
            How many it may use now, and has to `give` back; 0 if it has to wait.
        """
        waiting = self._waiting
        if self.free <= 0 or (waiting and waiting[0] is not asker):
            if asker not in waiting:
                waiting.append(asker)
            return 0
        if waiting:
            waiting.popleft()
        # A server that does not answer holds up requests for a while: never more than a fair share.
        granted = min(most, max(1, self.free // (1 + len(waiting))), max(1, self.total // self.sharers))
        self.free -= granted
        self._call_next()
        return granted

    def give(self, count: int) -> None:
        """Return slots."""
        self.free += count
        self.freed += count
        if self._waiting:
            self._call_next()

    def leave(self, asker: asyncio.Event) -> None:
        """Record that a caller stopped waiting: the next one's turn comes."""
        if asker in self._waiting:
            self._waiting.remove(asker)
            self._call_next()

    def _call_next(self) -> None:
        if self._waiting and self.free > 0:
            self._waiting[0].set()


class Slot:
    """The slot of one job, which lends it to others while it waits for jobs: they may be the ones it waits for.

    Made in the worker's event loop, for a slot that was taken; `lend` and `take_back` can be used from any thread and
    loop, because a handler that is not async waits in a thread.

    Args:
        slots: Where it was taken.
        loop: The worker's event loop.
    """

    _waits = 0  # on the class until it is lent, which few are

    def __init__(self, slots: Slots, loop: asyncio.AbstractEventLoop) -> None:
        self._slots = slots
        self._loop = loop
        self._held = True
        self._ended = False

    @property
    def long_waits(self) -> list[LongWait]:
        """The worker's jobs that have waited for other jobs for long."""
        return self._slots.long_waits

    def release(self) -> None:
        """Return the slot: the job has ended."""
        self._ended = True
        if self._held:
            self._held = False
            self._slots.give(1)
        else:
            self._slots.loans -= 1  # it ends while the slot is lent: another job has it

    async def lend(self) -> bool:
        """Lend it until `take_back`; several waits of one job lend it once.

        Returns:
            Whether it is lent: not if too many are, nor if the event loop is blocked, perhaps by the job that waits.
        """
        if asyncio.get_running_loop() is self._loop:
            return await self._lend()
        lending = asyncio.run_coroutine_threadsafe(self._lend(), self._loop)
        done, _ = await asyncio.wait([asyncio.wrap_future(lending)], timeout=_LOOP_PATIENCE)
        return False if not done and lending.cancel() else lending.result()

    async def take_back(self) -> None:
        """Continue once the job has a slot again; at once while another of its waits still lends it."""
        if asyncio.get_running_loop() is self._loop:
            await self._take_back()
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._take_back(), self._loop))

    def take_back_later(self) -> None:
        """Take a slot as soon as one is free, for a job that continues without waiting for it."""
        asyncio.run_coroutine_threadsafe(self._take_back(), self._loop)

    async def _lend(self) -> bool:
        if self._waits == 0 and (self._ended or self._slots.loans >= self._slots.most_loans):
            return False
        self._waits += 1
        if self._held:
            self._held = False
            self._slots.loans += 1
            self._slots.give(1)
        return True

    async def _take_back(self) -> None:
        self._waits -= 1
        asker = asyncio.Event()
        try:
            while self._wants_back():
                if self._slots.take(asker, 1):
                    self._held = True
                    self._slots.loans -= 1
                    return
                await asker.wait()
                asker.clear()
        finally:
            self._slots.leave(asker)

    def _wants_back(self) -> bool:
        return self._waits == 0 and not self._held and not self._ended
