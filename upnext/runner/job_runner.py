"""Runs claimed jobs, each in a task of its own, and hands their outcomes to the settler."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from upnext.broker.failures import backoff
from upnext.broker.redis_types import RedisError
from upnext.context import current_slot
from upnext.log import log
from upnext.runner.execute import AttemptOutcome, execute, failed
from upnext.runner.lease import LeaseGuard
from upnext.runner.slots import Slot

if TYPE_CHECKING:
    from upnext.broker.claims import Claim, Claims
    from upnext.handler import Handler
    from upnext.runner.lease import LeaseKeeper
    from upnext.runner.settle import Settler
    from upnext.runner.worker_resources import WorkerResources

_WARN_AFTER = (1, 20)  # failures in a row


class JobRunner:
    """Runs the jobs that one partition's consumer has claimed; each gives its slot back at its end.

    Args:
        resources: What the worker's partitions share.
        lease: The lease that the jobs are claimed under.
        settler: Takes the outcome of each attempt.
    """

    def __init__(self, resources: WorkerResources, lease: LeaseKeeper, settler: Settler) -> None:
        self._resources = resources
        self._handlers = resources.registry.handlers
        self._lease = lease
        self._settler = settler
        self._running: dict[asyncio.Task[None], tuple[Claims, Claim]] = {}
        self._max_result = int(resources.registry.settings.max_result)
        self._stopping = False
        self._handing_over = False

    def __len__(self) -> int:
        """Return how many jobs are running here."""
        return len(self._running)

    def start(self, claims: Claims, claim: Claim) -> None:
        """Run a job in a task of its own."""
        task = asyncio.create_task(self._run_and_settle(claims, claim))
        self._running[task] = (claims, claim)
        task.add_done_callback(self._forget)

    @property
    def unsettled(self) -> int:
        """How many jobs have ended here, but not yet on the server."""
        return self._settler.pending

    def known(self, claims: Claims) -> set[tuple[str, str]]:
        """Return field and fencing token of the jobs that run here or are being settled."""
        known = {(claim.field, claim.fencing_token) for held, claim in self._running.values() if held is claims}
        return known | self._settler.known(claims)

    def stop(self) -> None:
        """Start nothing more that a worker has died under: it would have to be marked on the server first."""
        self._stopping = True

    async def wait(self, seconds: float) -> None:
        """Wait until all jobs have ended, for so many seconds at the most."""
        if self._running:
            await asyncio.wait(list(self._running), timeout=seconds)

    async def hand_over(self, seconds: float) -> None:
        """Cancel all jobs, so that other workers run them; wait for so many seconds at the most."""
        self._handing_over = True
        for task in list(self._running):
            task.cancel()
        await self.wait(seconds)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)

    async def _run_and_settle(self, claims: Claims, claim: Claim) -> None:
        if claim.last_life:
            async with self._resources.poison_jobs.alone() as slot:
                await self._run_in(slot, claims, claim)
            return
        slot = Slot(self._resources.slots)
        try:
            await self._run_in(slot, claims, claim)
        finally:
            slot.release()

    async def _run_in(self, slot: Slot | None, claims: Claims, claim: Claim) -> None:
        """Run a job, and hand its outcome to the settler whatever goes wrong: what has run must not stay claimed."""
        outcome: AttemptOutcome | None = AttemptOutcome("released")
        if slot is not None:
            current_slot.set(slot)
            outcome = await (self._run(claims, claim) if claim.started else self._run_suspect(claims, claim))
        failures = 0
        while outcome is not None:
            try:
                self._settler.settle(claims, claim, self._handlers[claim.handler], outcome)
            except Exception as error:  # noqa: BLE001  # a fault of upnext, or a machine that is out of memory
                failures += 1
                if failures in _WARN_AFTER:
                    log.log(logging.ERROR, "Cannot settle job %s; retrying", claim.shown, error=error)
                outcome = AttemptOutcome(outcome.kind, outcome.result, error="it could not be described")
                await asyncio.sleep(backoff(failures))
            else:
                return

    async def _run_suspect(self, claims: Claims, claim: Claim) -> AttemptOutcome | None:
        """Run a job that a worker died under, marked as started on the server first, and no other one meanwhile."""
        async with self._resources.poison_jobs.starting:
            if not await self._mark_started(claims, claim):
                return AttemptOutcome("released")
            running = asyncio.ensure_future(self._run(claims, claim))
            try:
                await asyncio.sleep(0)  # its first step
            except asyncio.CancelledError:
                running.cancel()
        return await running

    async def _mark_started(self, claims: Claims, claim: Claim) -> bool:
        while not self._stopping:
            try:
                return await claims.start(claim)
            except (RedisError, OSError):
                await asyncio.sleep(backoff(3))
        return False

    async def _run(self, claims: Claims, claim: Claim) -> AttemptOutcome | None:
        """Run a job, unless its lease is lost: then nothing of it happens here."""
        handler: Handler | None = None
        try:
            handler = self._handlers[claim.handler]
            outcome = await execute(
                claim,
                handler,
                self._resources.threads,
                self._resources.deadlines(handler.options.timeout),
                LeaseGuard(self._lease, claims.worker_id),
                handing_over=lambda: self._handing_over,
                max_result=self._max_result,
            )
        except Exception as error:  # noqa: BLE001  # it is logged, with its traceback
            # A fault of upnext, not of the handler; a worker must not keep a job claimed that it does nothing with.
            log.exception("Cannot run job %s", claim.shown)
            return failed(error, handler)
        if outcome is None:
            log.warning("Lost the lease on job %s before it started; it does not start here", claim.shown)
        return outcome
