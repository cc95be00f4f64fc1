"""The jobs of one partition that a process has claimed and not ended; the watchdog thread reads them as well."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from upnext.broker.activity import LISTED_AFTER, LISTED_JOBS, RunningJob, WaitingJob
from upnext.broker.handler_id import HandlerId
from upnext.context import Context, LongWait

if TYPE_CHECKING:
    import asyncio
    import contextvars
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from upnext.broker.claims import Claim, Claims
    from upnext.handler import Handler
    from upnext.runner.lease_renewal import LeaseGuard
    from upnext.runner.slots import Slot

Cleanup: TypeAlias = "Callable[[BaseException | None], Awaitable[object]]"
"""What is done after a handler, and is told what it raised."""

TURN = "its turn: it was running in processes that died"
"""What a record says that an isolated job waits for."""

LONG_TURN = 30.0
"""Seconds that it waits before a record says so."""

LATE_AFTER = 2.0
"""Seconds after its timeout from when a job is late: cleaning up may take a moment."""

_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()  # the latest datetime


@dataclass(eq=False)
class ClaimedJob:
    """A job from its claim to the end of its attempt.

    Attributes:
        claims: What it was claimed with.
        claim: The claim.
        lease: Asked right before user code: whether the job is still this worker's.
        slot: Its slot; None while it waits for one, or if it may not run.
        handler: Its handler, once it has begun.
        task: The task that runs it; None before and after.
        began: When it took its first step, by `time.monotonic`; 0 before.
        handed_back: Whether it went back to its queue without having begun.
        surroundings: The context variables that hooks have set around an attempt which did not do its work, for what is
            logged of it; None without hooks.
        isolated_since: When its wait for its turn began, by `time.monotonic`, if a worker died under it; else 0.
    """

    claims: Claims
    claim: Claim
    lease: LeaseGuard
    slot: Slot | None
    handler: Handler | None = None
    task: asyncio.Task[None] | None = None
    began: float = 0.0
    # On the class until they are set, which few jobs need.
    handed_back: bool = field(default=False, init=False)
    isolated_since: float = field(default=0.0, init=False)
    surroundings: contextvars.Context | None = field(default=None, init=False)
    _context: Context | None = field(default=None, init=False)

    @cached_property
    def cleanups(self) -> list[Cleanup]:
        """The clean-up still to be done, the last one first, if the coroutines that would do it are closed."""
        return []

    def late(self, passed: float) -> float | None:
        """Return how many seconds it is past its timeout without having ended; None while it may run.

        Args:
            passed: The time, by `time.monotonic`.
        """
        since = passed - self.began - (math.inf if self.handler is None else self.handler.options.timeout)
        return since if since >= LATE_AFTER else None

    def context(self) -> Context:
        """Return the context of the job's handler."""
        if self._context is None:
            handler, entry = self.handler, self.claim.entry
            assert handler is not None, "a job that runs has a handler"
            began = time.time() - (time.monotonic() - self.began)
            self._context = Context(
                job_id=entry.job_id,
                event_id=entry.event_id,
                event=handler.subject,
                handler=handler.name,
                attempt=entry.attempt,
                max_attempts=handler.options.retries + 1,
                deadline=datetime.fromtimestamp(min(began + handler.options.timeout, _LATEST), UTC),
                failures=entry.failures,
            )
        return self._context


class RunningJobs:
    """The claimed jobs, each with its task.

    Whether a job starts here or is handed back is decided once: by which of `begin` (in the event loop) and
    `take_unstarted` (in the watchdog's thread) removes it from a dict first.
    """

    def __init__(self) -> None:
        self._jobs: dict[asyncio.Task[None], ClaimedJob] = {}
        self._unstarted: dict[ClaimedJob, None] = {}

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self._jobs)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """Their tasks."""
        return list(self._jobs)

    def left(self) -> list[tuple[asyncio.Task[None], ClaimedJob]]:
        """Return the jobs with their tasks."""
        return list(self._jobs.items())

    def add(self, task: asyncio.Task[None], job: ClaimedJob) -> None:
        """Add a job with the task that runs it."""
        job.task = task
        self._jobs[task] = job
        self._unstarted[job] = None

    def remove(self, job: ClaimedJob) -> None:
        """Remove a job that has ended; the last thing that its task does."""
        if job.task is not None:
            del self._jobs[job.task]
            # The task's context has the job: in a cycle, both and the payload would stay until the next garbage
            # collection, and make it come sooner.
            job.task = None
        if not job.began:
            self._unstarted.pop(job, None)

    def remove_cancelled(self) -> None:
        """Remove jobs whose tasks were cancelled before their first step, when they could not do it themselves."""
        for task, job in list(self._jobs.items()):
            if task.done():
                self.remove(job)

    def begin(self, job: ClaimedJob) -> bool:
        """Record that a job takes its first step now; False if it was handed back."""
        try:
            del self._unstarted[job]
        except KeyError:
            return False
        job.began = time.monotonic()
        return True

    def take_unstarted(self) -> list[ClaimedJob]:
        """Remove and return the jobs that have not taken their first step, which they now will not. Thread-safe."""
        taken: list[ClaimedJob] = []
        for job in list(self._unstarted):
            try:
                del self._unstarted[job]
            except KeyError:  # it began this moment
                continue
            job.handed_back = True
            taken.append(job)
        return taken

    def of(self, claims: Claims) -> set[tuple[str, str]]:
        """Return field and fencing token of those claimed with `claims`."""
        jobs = self._jobs.values()
        return {(job.claim.field, job.claim.fencing_token) for job in jobs if job.claims is claims}

    def find(self, task: asyncio.Task[Any] | None) -> ClaimedJob | None:
        """Return the job that a task runs. Thread-safe."""
        return None if task is None else self._jobs.get(task)

    def started(self) -> list[ClaimedJob]:
        """Return the running jobs, oldest first. Thread-safe."""
        return sorted((job for job in list(self._jobs.values()) if job.began), key=lambda job: job.began)

    def listed(self, now: float) -> tuple[tuple[RunningJob, ...], int]:
        """Return the jobs to list in the worker's record, and how many have run that long.

        Args:
            now: The server's time in seconds since 1970.
        """
        passed = time.monotonic()
        long = [job for job in self.started() if passed - job.began >= LISTED_AFTER]
        long.sort(key=lambda job: job.late(passed) is None)
        return tuple(describe(job, now) for job in long[:LISTED_JOBS]), len(long)

    def waiting(self, waits: Sequence[LongWait], now: float) -> tuple[WaitingJob, ...]:
        """Return the jobs that have long been waiting for others or for their turn, as the worker's record has them."""
        running = {job.claim.job_id: job for job in self.started()} if waits else {}
        found = [(running[wait.job_id], wait) for wait in waits if wait.job_id in running]
        passed = time.monotonic()
        found += [
            (job, LongWait(job.claim.job_id, (TURN,), job.isolated_since))
            for job in list(self._unstarted)
            if job.isolated_since and passed - job.isolated_since >= LONG_TURN
        ]
        return tuple(_describe_wait(job, wait, now) for job, wait in found[:LISTED_JOBS])


def unknown(held: Iterable[Claim], known: set[tuple[str, str]]) -> tuple[list[Claim], bool]:
    """Return which claims are of jobs that this process does not know, so that others have to run them.

    Args:
        held: What the server says is claimed here.
        known: Field and fencing token of the jobs that run here or are being settled.

    Returns:
        These claims, and whether there are others of jobs that run here by a claim which the server has lost: those
        are to be handed back when the job has ended, as two attempts of one job never run in one process.
    """
    fields = {field for field, _ in known}
    strange = [claim for claim in held if (claim.field, claim.fencing_token) not in known]
    idle = [claim for claim in strange if claim.field not in fields]
    return idle, len(idle) < len(strange)


def describe(job: ClaimedJob, now: float) -> RunningJob:
    """Return a job in the form of a worker's record; `now` is the server's time."""
    passed = time.monotonic()
    since, late = now - (passed - job.began), job.late(passed)
    return RunningJob(
        job.claim.shown,
        HandlerId.parse(job.claim.handler).local,
        round(since, 1),
        None if late is None else round(now - late, 1),
    )


def _describe_wait(job: ClaimedJob, wait: LongWait, now: float) -> WaitingJob:
    since = round(now - (time.monotonic() - wait.began), 1)
    return WaitingJob(job.claim.shown, HandlerId.parse(job.claim.handler).local, since, wait.waits_for[:LISTED_JOBS])
