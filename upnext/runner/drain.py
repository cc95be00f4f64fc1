"""Stops a partition in order: running jobs get their grace, the rest is handed over, the lease is given back."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from upnext.broker.redis_types import RedisError
from upnext.log import log

if TYPE_CHECKING:
    from upnext.broker.claims import Claims
    from upnext.runner.job_runner import JobRunner
    from upnext.runner.lease_renewal import LeaseKeeper
    from upnext.runner.settle import Settler

LAST_WORDS = 1.5
"""Seconds that a stopping worker gives the server to store what it has to say."""


class Drain:
    """The shutdown of one partition's consumer, once it no longer claims.

    Args:
        worker: The worker's name, for the log.
        jobs: The jobs that run.
        settler: What the server has still to be told.
        lease: Kept while jobs run, and given back at the end.
    """

    def __init__(self, worker: str, jobs: JobRunner, settler: Settler, lease: LeaseKeeper) -> None:
        self._worker = worker
        self._jobs = jobs
        self._settler = settler
        self._lease = lease

    async def run(self, claims: Claims | None, grace: float) -> None:
        """Drain.

        Args:
            claims: What the worker holds under its current lease; None if it never had one.
            grace: Seconds that running jobs get to end by themselves.
        """
        if self._jobs:
            log.info("Worker %r is stopping: %d running job(s) have %g s to end", self._worker, len(self._jobs), grace)
            await self._jobs.wait(grace)
        deadline = monotonic() + LAST_WORDS
        await self._jobs.hand_over(LAST_WORDS / 3)
        try:
            async with asyncio.timeout(max(deadline - monotonic(), 0.0)):
                await self._settler.drained()
                if claims is not None:
                    if claims.limits is not None:
                        await claims.limits.given_back()
                    await _release_all(claims)
        except (TimeoutError, RedisError, OSError):
            log.warning("Cannot tell the server about the last jobs; they run elsewhere when the lease runs out")
        await self._lease.leave(max(deadline - monotonic(), 0.2))


async def _release_all(claims: Claims) -> None:
    for claim in await claims.held():
        await claims.release(claim)
