"""A worker's maintenance loop: moves due jobs to their queues, and jobs of dead workers to living ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from upnext.broker.failures import backoff, describe_failure
from upnext.broker.leases import lease_of
from upnext.broker.replies import shown
from upnext.elapsed import elapsed
from upnext.log import log

if TYPE_CHECKING:
    from upnext.broker.maintenance import Maintenance, Survey
    from upnext.runner.lease_renewal import LeaseKeeper

Agree: TypeAlias = Callable[[int], Awaitable[None]]
"""Takes note of the number of partitions to serve."""

_INTERVAL = 0.5  # seconds
_CONFIRM = 0.3  # of a lease; a living worker renews every 0.2
_CLOSE_TO_END = 0.6  # of a lease: with so much left, or less, it is watched; a living worker's has more
_CLOCK_SLACK = 0.1  # of a lease, by which a server's clock may run slower than ours without having been set back
_SPREAD = 0.005  # seconds for each worker of a fleet: so many sweeps a second, however large it is
_WARN_AFTER = 3  # failures in a row


class Reaper:
    """Maintains one partition while this worker's own lease stands.

    Args:
        maintenance: What can be done.
        lease: This worker's lease.
        agree: Awaited with the number of partitions to serve; None if this partition does not know it.
    """

    def __init__(self, maintenance: Maintenance, lease: LeaseKeeper, agree: Agree | None) -> None:
        self._maintenance = maintenance
        self._lease = lease
        self._agree = agree
        self._longest = lease.length
        self._interval = min(_INTERVAL, lease.length / 10)
        self._silence: dict[str, tuple[float, float]] = {}  # worker -> end of its lease, seconds without a renewal
        self._swept = elapsed()
        # Seconds, at least and at most, by which the server's clock was ahead of the time that passes here.
        self._server_ahead = float("-inf"), float("inf")
        self._watch_all_until = 0.0
        self._poke = asyncio.Event()

    def expect(self, seconds: float) -> None:
        """Sweep again when something that was just postponed is due, unless another sweep learns of it first."""
        if seconds < self._interval:
            asyncio.get_running_loop().call_later(seconds, self._poke.set)

    async def run(self) -> None:
        """Sweep until cancelled."""
        failures = 0
        while True:
            pause = self._interval
            try:
                if self._lease.is_valid():  # without one nothing was swept, so nothing is known to work again
                    pause = await self._sweep()
                    if failures >= _WARN_AFTER:
                        log.info("Looks after the jobs of dead workers, delayed jobs and retries again")
                    failures = 0
            except Exception as error:  # noqa: BLE001  # whatever another program put there must not end a worker
                # Silence that this worker could not observe proves nothing about the others.
                self._silence.clear()
                failures += 1
                if failures == _WARN_AFTER:
                    log.warning(
                        "Cannot look after the jobs of dead workers, delayed jobs and retries now (%s); retrying",
                        describe_failure(error),
                    )
                pause = backoff(failures)
            self._poke.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._poke.wait()
            except TimeoutError:
                continue

    async def _sweep(self) -> float:
        """Do the due maintenance; return the seconds until the next sweep."""
        survey = await self._survey()
        if self._agree is not None:
            await self._agree(survey.partitions)
        if survey.due:
            await self._maintenance.promote(survey.due)
        silent = self._silent(survey)
        for worker_id in silent:
            ends = survey.leases[worker_id]
            outlived = {} if ends < survey.now else {"outlived": True}
            if await self._maintenance.expire(worker_id, ends, **outlived):
                log.warning("Worker process %s is gone; its jobs are taken over", shown(worker_id))
        if silent:
            survey = await self._survey()
        for dead_worker in survey.dead_workers:
            if await self._maintenance.reclaim(dead_worker):
                return 0.0
        if survey.due:
            return 0.0
        pause = self._interval * random.uniform(0.8, 1.0)  # noqa: S311  # a fleet spreads out
        if survey.next_due is not None:
            # In a fleet one worker comes first, and the others need not sweep at all.
            late = random.uniform(0.0, _SPREAD * (survey.workers - 1))  # noqa: S311
            pause = min(pause, max(survey.next_due - survey.now, 1) / 1000 + late)
        return pause

    async def _survey(self) -> Survey:
        """Read what has to be done, with the leases that may have expired.

        Those that are close to their end, and those that end later than any lease can: the clock was set back since
        they were renewed. Right after that, all of them.
        """
        asked, longest = elapsed(), self._longest
        if asked < self._watch_all_until:
            survey = await self._maintenance.survey(None, None)
        else:
            survey = await self._maintenance.survey(_CLOSE_TO_END * longest, (1 + _CLOCK_SLACK) * longest)
        self._notice_leap(survey.now / 1000, asked)
        return survey

    def _silent(self, survey: Survey) -> list[str]:
        """Return the dead workers: their leases expired, or were not renewed for their whole length.

        This worker must have watched them not renew: after an outage of the server, or a leap of its clock, every lease
        has run out, and the living must have the time to renew. So the time between two sweeps, in which this worker
        may have been frozen, or the server, counts for half of what it takes at most. What the clock says is not
        needed: after it was set back, a dead worker's lease still seems to stand.
        """
        now = elapsed()
        passed, self._swept = now - self._swept, now
        silence: dict[str, tuple[float, float]] = {}
        for worker_id, ends in survey.leases.items():
            before, watched = self._silence.get(worker_id, (None, 0.0))
            counted = min(passed, _CONFIRM / 2 * lease_of(worker_id))
            silence[worker_id] = (ends, watched + counted if before == ends else 0.0)
        self._silence = silence
        self._longest = max(self._lease.length, *map(lease_of, [survey.last, *silence]))
        return [
            worker_id
            for worker_id, (ends, watched) in silence.items()
            if watched
            >= (_CONFIRM * lease_of(worker_id) if ends < survey.now else lease_of(worker_id) or self._longest)
        ]

    def _notice_leap(self, server_time: float, asked: float) -> None:
        """Log that the server's clock was set, and watch all leases for a while if it was set back.

        Its time is from some moment between the question and now; pauses of this process must not look like a leap.
        """
        now = elapsed()
        least, most = server_time - now, server_time - asked
        before_least, before_most = self._server_ahead
        self._server_ahead = least, most
        slack = _CLOCK_SLACK * self._lease.length
        if before_least - most > slack:
            log.warning(
                "The server's clock was set back by %.1f s: delayed jobs, retries and schedules wait that much longer",
                before_least - most,
            )
            self._watch_all_until = now + 2 * self._longest
        elif least - before_most > slack:
            log.warning(
                "The server's clock went on by %.1f s more than passed here: delayed jobs and retries run that much "
                "earlier, unless this machine stood still",
                least - before_most,
            )
