"""The upkeep loop of a worker: due jobs to their queues, dead workers' jobs to the living."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from upnext.broker.failures import backoff
from upnext.broker.leases import lease_of
from upnext.broker.redis_types import RedisError
from upnext.broker.replies import shown
from upnext.log import log

if TYPE_CHECKING:
    from upnext.broker.maintenance import Maintenance, Survey
    from upnext.runner.lease import LeaseKeeper

Agree: TypeAlias = Callable[[int], Awaitable[None]]
"""Takes note of how many partitions of the namespace are to be served."""

_INTERVAL = 0.5
_CONFIRM = 0.3  # of a lease; a living worker renews every 0.2
_LOOK = 0.6  # of a lease: with so much left, or less, it is looked at; a living worker's has more
_SPREAD = 0.005  # seconds for each worker of a fleet: so many looks a second, however large it is


class Reaper:
    """Does the upkeep of one partition while this worker's own lease stands.

    Args:
        upkeep: What can be done.
        lease: This worker's lease.
        length: Its length in seconds.
        agree: Awaited with how many partitions of the namespace are to be served; None if this one does not know.
    """

    def __init__(self, maintenance: Maintenance, lease: LeaseKeeper, length: float, agree: Agree | None) -> None:
        self._upkeep = maintenance
        self._lease = lease
        self._agree = agree
        self._length = self._longest = length
        self._interval = min(_INTERVAL, length / 10)
        self._seen: dict[str, tuple[float, float]] = {}  # worker -> end of its lease, seconds without a renewal
        self._looked = monotonic()
        self._poke = asyncio.Event()

    def expect(self, seconds: float) -> None:
        """Look again when something is known to be due."""
        asyncio.get_running_loop().call_later(seconds, self._poke.set)

    async def run(self) -> None:
        """Sweep until cancelled."""
        failures = 0
        while True:
            try:
                pause = await self._sweep() if self._lease.held else self._interval
                failures = 0
            except Exception as error:  # noqa: BLE001  # whatever another program put there must not end a worker
                # Silence that this worker could not hear proves nothing about the others.
                self._seen.clear()
                failures += 1
                if not isinstance(error, (RedisError, OSError)) and failures == 1:
                    log.warning("Dead workers' and delayed jobs cannot be looked after: %s", type(error).__name__)
                pause = backoff(failures)
            self._poke.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._poke.wait()
            except TimeoutError:
                continue

    async def _sweep(self) -> float:
        survey = await self._upkeep.survey(_LOOK * self._longest)
        if self._agree is not None:
            await self._agree(survey.partitions)
        if survey.due:
            await self._upkeep.promote(survey.due)
        silent = self._silent(survey)
        for worker_id in silent:
            if await self._upkeep.expire(worker_id, survey.leases[worker_id]):
                log.warning("Worker process %s is gone; its jobs are taken over", shown(worker_id))
        if silent:
            survey = await self._upkeep.survey(_LOOK * self._longest)
        for grave in survey.graves:
            if await self._upkeep.reclaim(grave):
                return 0.0
        if survey.due:
            return 0.0
        pause = self._interval * random.uniform(0.8, 1.0)  # noqa: S311  # a fleet spreads out
        if survey.next_due is not None:
            # Of a fleet one will be the first, and the others need not look at all.
            late = random.uniform(0.0, _SPREAD * (survey.workers - 1))  # noqa: S311
            pause = min(pause, max(survey.next_due - survey.now, 1) / 1000 + late)
        return pause

    def _silent(self, survey: Survey) -> list[str]:
        """Return the workers whose lease has run out, and that did not renew it while this worker was watching.

        Watching matters: after an outage of the server, or a leap of its clock, every lease has run out, and the
        living must have the time to renew. So the time between two looks, in which this worker may have been frozen, or
        the server, counts for half of what it takes at the most.
        """
        now = monotonic()
        passed, self._looked = now - self._looked, now
        seen: dict[str, tuple[float, float]] = {}
        for worker_id, ends in survey.leases.items():
            before, watched = self._seen.get(worker_id, (None, 0.0))
            counted = min(passed, _CONFIRM / 2 * lease_of(worker_id))
            seen[worker_id] = (ends, watched + counted if before == ends else 0.0)
        self._seen = seen
        self._longest = max(self._length, *map(lease_of, [survey.last, *seen]))
        return [
            worker_id
            for worker_id, (ends, watched) in seen.items()
            if ends < survey.now and watched >= _CONFIRM * lease_of(worker_id)
        ]
