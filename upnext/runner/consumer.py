"""Claims jobs of one partition while slots are free, and has them run."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from upnext.broker.claims import LeaseLostError
from upnext.broker.failures import backoff
from upnext.log import log
from upnext.runner.queue_rotation import QueueRotation
from upnext.runner.running_jobs import unknown
from upnext.runner.trouble_log import TroubleLog

if TYPE_CHECKING:
    from upnext.broker.claims import Claims
    from upnext.runner.job_runner import JobRunner
    from upnext.runner.lease_renewal import LeaseKeeper
    from upnext.runner.wake_ups import WakeUps
    from upnext.runner.worker_resources import WorkerResources

_WAVE = 10
_RECOUNT_PAUSE = 0.02  # seconds between checks whether the recount is done
_BATCH = 100  # jobs that one claim takes at most


class PartitionConsumer:
    """Claims jobs of one partition.

    Args:
        resources: What the worker's partitions share.
        lease: The lease to claim under.
        ready: Set while the handlers are subscribed.
        jobs: Runs what was claimed; nothing more is while the ends of very many jobs wait to be stored.
        wake_ups: Waited on when the queues are empty.

    Attributes:
        claims: What is held under the current lease; None before the first one.
        trouble: Reason that nothing can be claimed now, or an empty string.
        last_claim: When the server last answered a claim, in seconds since 1970; 0 before.
        changed: Set when something that claiming waits for may have changed.
    """

    def __init__(
        self,
        resources: WorkerResources,
        lease: LeaseKeeper,
        ready: asyncio.Event,
        jobs: JobRunner,
        wake_ups: WakeUps,
    ) -> None:
        self._resources = resources
        self._lease = lease
        self._ready = ready
        self._jobs = jobs
        self._wake_ups = wake_ups
        self._claiming = TroubleLog("Cannot claim jobs now (%s); retrying", "Claims jobs again")
        self._rotation = QueueRotation(sorted(resources.handlers))
        self._stopping = False
        self._is_unsure = False
        self.claims: Claims | None = None
        self.trouble = ""
        self.last_claim = 0.0
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Claim until `stop` is called."""
        slots = self._resources.slots
        failures, is_idle = 0, False
        while not self._stopping:
            self.changed.clear()
            claims = self.claims
            may_look = self._is_unsure or not self._full
            if claims is None or not self._ready.is_set() or claims.recounting or not may_look:
                slots.leave(self.changed)
                await self._wait_to_claim(claims)
                continue
            await self._resources.paused.known()
            try:
                if self._is_unsure:
                    slots.leave(self.changed)
                    await self._hand_back_unknown(claims)
                is_quiet = is_idle and not await self._any_waiting(claims)
                if not is_quiet:
                    if not await self._claim_some(claims, 1 if failures else self._wave):
                        await self.changed.wait()
                        continue
                    is_quiet = self._rotation.quiet
                failures, self.trouble, self.last_claim = 0, "", time.time()
                self._claiming.worked()
            except LeaseLostError:
                failures = 0
                if claims is self.claims:
                    self._ready.clear()
                    self._lease.lose(claims.worker_id)
                continue
            except Exception as error:  # noqa: BLE001  # whatever another program put there must not end a worker
                failures, self._is_unsure = failures + 1, True
                self.trouble = f"no jobs can be claimed: {self._claiming.failed(error)}"
                await asyncio.sleep(backoff(failures))
                continue
            is_idle = False
            if is_quiet:
                # Jobs that came since those queues were seen empty have left a token.
                is_idle = not await self._wake_ups.wait()
                self._rotation.woken()

    def compare(self) -> None:
        """Hand back, soon, the jobs that the server lists as claimed here and that this process does not know.

        Replies may have been lost with a connection, so that it gave jobs that this process never heard of; or it went
        back in time, to where jobs were claimed that have ended since.
        """
        self._is_unsure = True
        self.changed.set()

    def stop(self) -> None:
        """Stop claiming."""
        self._stopping = True
        self.changed.set()
        self._wake_ups.stop()

    async def _wait_to_claim(self, claims: Claims | None) -> None:
        if claims is not None and claims.recounting:
            await asyncio.sleep(_RECOUNT_PAUSE)  # by a thread, which takes milliseconds
        else:
            await self.changed.wait()

    async def _any_waiting(self, claims: Claims) -> bool:
        """Return whether to claim without a wake-up token: with limits always, because claims also free slots."""
        paused = self._resources.paused.identities
        handlers = [handler for handler in self._resources.handlers if handler not in paused]
        return claims.limits is not None or await claims.any_waiting(handlers)

    @property
    def _full(self) -> bool:
        resources = self._resources
        return self._jobs.unsettled > resources.slots.total or resources.poison_jobs.crowded(self.changed)

    @property
    def _wave(self) -> int:
        """How many jobs to claim at once: while half of the slots are working, the server fills the other half."""
        return min(_BATCH, max(_WAVE, (self._resources.slots.total + 1) // 2))

    async def _claim_some(self, claims: Claims, most: int) -> bool:
        """Claim jobs for free slots; False if there is no room."""
        free = 0 if self._full else self._resources.slots.take(self.changed, most)
        if free:
            await self._claim(claims, free)
        return free > 0

    async def _claim(self, claims: Claims, most: int) -> None:
        checked, paused, unused = self._rotation.next(), self._resources.paused.identities, most
        queues = [handler for handler in checked if handler not in paused] if paused else checked
        worker, epoch = self._resources.registry.worker, claims.epoch
        try:
            with claims.lock:  # a recount that begins later makes this claim take nothing, or hands back what it took
                epoch = claims.epoch
                if claims.recounting:
                    return
            jobs, left = await claims.claim(worker, queues, most, epoch) if queues else ([], [])
            with claims.lock:
                if claims.epoch != epoch:  # the event loop was blocked, and these jobs were handed back
                    return
                self._jobs.start(claims, jobs)
            if paused:  # such a queue counts as empty: waiting for the pause to end costs nothing
                depths = dict(zip(queues, left, strict=True))
                left = [depths.get(handler, 0) for handler in checked]
            self._rotation.note(checked, left, {claim.handler for claim in jobs})
            if claims.limits is not None and claims.limits.again_in is not None:
                self._wake_ups.look_in(claims.limits.again_in)
            unused -= len(jobs)
        except LeaseLostError:
            if claims.epoch == epoch:
                raise
        finally:
            self._resources.slots.give(unused)

    async def _hand_back_unknown(self, claims: Claims) -> None:
        # Nothing is claimed meanwhile, and all claims are listed, so an unknown one is not on its way either.
        self._is_unsure, known = False, self._jobs.known(claims)
        idle, is_more = unknown(await claims.held(), known)
        for claim in idle:
            await claims.release(claim)
        if idle:
            log.info("%d job(s) that the server says are claimed here do not run here: they are handed back", len(idle))
            if claims.limits is not None:
                claims.limits.note_ended(idle)
        if is_more:
            self._is_unsure = True
