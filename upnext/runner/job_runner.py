"""Runs each claimed job in its own task, and hands its outcome to the settler."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import TYPE_CHECKING, Any

from upnext.broker.failures import backoff
from upnext.broker.handler_id import HandlerId
from upnext.broker.redis_types import RedisError
from upnext.context import current_job
from upnext.instruments import begin_job
from upnext.log import log
from upnext.runner import own_tasks
from upnext.runner.execute import RELEASED, AttemptOutcome, Attempts, execute, failed
from upnext.runner.exiting import STRAY
from upnext.runner.hooked_jobs import run_hooked
from upnext.runner.lease_renewal import LeaseGuard
from upnext.runner.running_jobs import ClaimedJob
from upnext.runner.slots import Slot

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from upnext.broker.claims import Claim, Claims
    from upnext.handler import Handler
    from upnext.instruments import JobEnd
    from upnext.runner.ended_counts import EndedCounts
    from upnext.runner.lease_renewal import LeaseKeeper
    from upnext.runner.running_jobs import RunningJobs
    from upnext.runner.settle import Settler
    from upnext.runner.worker_resources import WorkerResources

_WARN_AFTER = (1, 20)  # failures in a row


class JobRunner:
    """Runs the jobs that one partition's consumer has claimed; each returns its slot at the end.

    Args:
        resources: What the worker's partitions share.
        lease: The lease that the jobs are claimed under.
        settler: Takes the outcome of each attempt.
        running: Where the jobs are listed while they run.
        ended: Where attempts are counted when they have ended.

    Attributes:
        running: As above.
    """

    def __init__(
        self,
        resources: WorkerResources,
        lease: LeaseKeeper,
        settler: Settler,
        running: RunningJobs,
        ended: EndedCounts,
    ) -> None:
        self._resources = resources
        self._handlers = resources.registry.handlers
        self._unique = frozenset(resources.uniqueness)
        self._lease = lease
        self._settler = settler
        self.running = running
        self._ended = ended
        max_result = int(resources.registry.settings.max_result)
        self._attempts = Attempts(resources.threads, resources.deadlines, max_result)
        self._loop = asyncio.get_running_loop()
        self._guard: tuple[Claims, LeaseGuard] | None = None
        self._stopping = False

    def __len__(self) -> int:
        """Return how many jobs are running here."""
        return len(self.running)

    def start(self, claims: Claims, jobs: Sequence[Claim]) -> None:
        """Run jobs, each in its own task."""
        if self._guard is None or self._guard[0] is not claims:
            self._guard = claims, LeaseGuard(self._lease, claims.worker_id)
        lease, slots, loop = self._guard[1], self._resources.slots, self._loop
        for claim in jobs:
            if not claim.started and claim.last_life:
                job = ClaimedJob(claims, claim, lease, None)
                job.isolated_since = time.monotonic()
                run = self._run_alone(job)
            else:
                job = ClaimedJob(claims, claim, lease, Slot(slots, loop))
                run = self._run_and_settle(job)
            self.running.add(loop.create_task(run), job)

    @property
    def unsettled(self) -> int:
        """How many jobs have ended here, but not yet on the server."""
        return self._settler.pending

    def known(self, claims: Claims) -> set[tuple[str, str]]:
        """Return field and fencing token of the jobs that are running or being settled here."""
        return self.running.of(claims) | self._settler.known(claims)

    def hand_back_unstarted(self) -> int:
        """Give jobs that have not taken their first step to other workers; returns how many. Thread-safe."""
        jobs = self.running.take_unstarted()
        for worker_id in {job.claims.worker_id for job in jobs}:
            self._lease.release(worker_id, [job.claim for job in jobs if job.claims.worker_id == worker_id])
        return len(jobs)

    def stop(self) -> None:
        """Stop starting jobs that a worker has died with: each start would first have to be recorded on the server."""
        self._stopping = True

    async def wait(self, seconds: float) -> None:
        """Wait until all jobs have ended, for at most so many seconds."""
        if tasks := self.running.tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def hand_over(self, seconds: float) -> None:
        """Cancel all jobs, so that other workers run them; wait for at most so many seconds."""
        self._attempts.handing_over = True
        for task in self.running.tasks:
            task.cancel()
        await self.wait(seconds)
        self.running.remove_cancelled()
        for task, job in self.running.left():
            # It ignores the cancellation: the log names it when the event loop ends.
            task.set_name(f"{HandlerId.parse(job.claim.handler).in_words} [job {job.claim.shown}]")
            own_tasks.show(task)

    async def _run_alone(self, job: ClaimedJob) -> None:
        async with self._resources.poison_jobs.alone(job.claim.shown) as slot:
            job.slot = slot
            await self._run_and_settle(job)

    async def _run_and_settle(self, job: ClaimedJob) -> None:
        """Run a job, and pass its outcome to the settler whatever goes wrong: a job that has run must not stay claimed.

        Its slot is given back at the end; without one the job is released.
        """
        claims, claim = job.claims, job.claim
        outcome: AttemptOutcome | None = RELEASED
        failures = 0
        try:
            try:
                if job.slot is not None:
                    is_plain = claim.started and claim.handler not in self._unique
                    outcome = await (self._run(job) if is_plain else self._run_marked(job))
            except GeneratorExit as error:
                if not self._is_out_of_an_awaited_task():
                    raise
                await _clean_up(job, error)
                outcome = failed(error, job.handler)
            while outcome is not None and not job.handed_back:
                try:
                    self._settler.settle(claims, claim, self._handlers[claim.handler], outcome, job.surroundings)
                except STRAY as error:  # also a fault of upnext, or a machine that is out of memory
                    failures += 1
                    if failures in _WARN_AFTER:
                        log.log(logging.ERROR, "Cannot settle job %s; retrying", claim.shown, error=error)
                    outcome = AttemptOutcome(outcome.kind, outcome.result, error="it could not be described")
                    await asyncio.sleep(backoff(failures))
                else:
                    # Afterwards, because nothing may come between a job and its end.
                    self._ended.note(claim.handler, outcome.kind)
                    return
        finally:
            if job.slot is not None:
                job.slot.release()
            self.running.remove(job)

    def _run_marked(self, job: ClaimedJob) -> Coroutine[Any, Any, AttemptOutcome | None]:
        """Return the coroutine that runs a job whose start has to be recorded on the server first."""
        return self._run_unique(job) if job.claim.started else self._run_suspect(job)

    def _is_out_of_an_awaited_task(self) -> bool:
        """Whether a GeneratorExit comes from an awaited task: it closes all waiting coroutines but the outermost.

        Otherwise the outermost coroutine is closed as well, as garbage of a loop that has ended.
        """
        return self._loop.is_running()

    async def _run_suspect(self, job: ClaimedJob) -> AttemptOutcome | None:
        """Run a job that a worker died with, after recording its start on the server; no other such job meanwhile."""
        async with self._resources.poison_jobs.starting:
            if not await self._mark_started(job):
                if self._stopping:
                    return RELEASED
                log.info("Job %s was cancelled while it waited for its turn, or is held elsewhere", job.claim.shown)
                return None
            running = asyncio.ensure_future(self._run(job))
            try:
                await asyncio.sleep(0)  # its first step
            except asyncio.CancelledError:
                running.cancel()
        return await running

    async def _run_unique(self, job: ClaimedJob) -> AttemptOutcome | None:
        """Run a unique job, which absorbed equal sends while it waited; from now on they create new jobs."""
        return await self._run(job) if await self._mark_started(job) else RELEASED

    async def _mark_started(self, job: ClaimedJob) -> bool:
        while not self._stopping:
            try:
                return await job.claims.start(job.claim, unique=job.claim.handler in self._unique)
            except (RedisError, OSError):
                await asyncio.sleep(backoff(3))
        return False

    async def _run(self, job: ClaimedJob) -> AttemptOutcome | None:
        """Run a job, unless its lease is lost or it was handed back: then nothing happens here."""
        if not self.running.begin(job):
            return None
        claim = job.claim
        handler: Handler | None = None
        outcome: AttemptOutcome | None = None
        end: JobEnd | None = None
        try:
            handler = job.handler = self._handlers[claim.handler]
            current_job.set(job)
            end = begin_job(claim, handler)
            hooks = self._resources.hooks.of_jobs
            if not hooks:
                outcome = await execute(job, handler, self._attempts)
            else:
                run = functools.partial(execute, job, handler, self._attempts)
                outcome = await run_hooked(hooks, job, run, server=self._resources.server, attempts=self._attempts)
        except STRAY as error:
            # Not the handler's fault, perhaps upnext's; a worker must not keep a job that it does not run.
            log.exception("Cannot run job %s", claim.shown)
            outcome = failed(error, handler)
            return outcome
        except GeneratorExit as error:
            outcome = failed(error, handler) if self._is_out_of_an_awaited_task() else None
            raise
        finally:
            if end is not None:
                end(outcome)
        if outcome is None:
            log.warning("Lost the lease on job %s before it started; it does not start here", claim.shown)
        return outcome


async def _clean_up(job: ClaimedJob, raised: BaseException) -> None:
    """Do what the closed coroutines of a job left undone: close provided values, and leave hooks."""
    while job.cleanups:
        cleanup = job.cleanups[-1]
        try:
            await cleanup(raised)
        except STRAY as error:
            log.log(logging.ERROR, "Cannot clean up after job %s", job.claim.shown, error=error)
        job.cleanups.remove(cleanup)
