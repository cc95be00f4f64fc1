"""What a send gives back: the jobs that it made, and the way to their results."""

from __future__ import annotations

import asyncio
import math
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from upnext import transport
from upnext.broker.failures import backoff, classify
from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import age_of
from upnext.broker.redis_types import RedisError
from upnext.broker.results import unkept_reason
from upnext.connect import broker_for, run_blocking
from upnext.errors import (
    BrokerUnavailableError,
    ConfigError,
    JobFailedError,
    ResultError,
    ResultExpiredError,
    ResultTimeoutError,
)
from upnext.payload.results import decode_result

if TYPE_CHECKING:
    from upnext.broker.dead_letters import JobOutcome
    from upnext.broker.publish_batcher import Published
    from upnext.payload.codec import Codec
    from upnext.settings import Settings

R_co = TypeVar("R_co", covariant=True)

_POLL_FIRST = 0.005
_POLL_CAP = 0.25
_LAST_LOOK = 1.0  # seconds that the server has to answer in any case


class Job(Generic[R_co]):
    """One run of one handler for one event, or of one task.

    Attributes:
        id: The job's id; the same over all its attempts.
        handler: The name of its handler or task.
        result_type: What a task's result is read as; None for plain JSON.
    """

    def __init__(self, job_id: str, handler: str, settings: Settings, result_type: Codec | None = None) -> None:
        self.id = job_id
        self.handler = handler
        self.result_type = result_type
        self._settings = settings

    def __repr__(self) -> str:
        """Show the id and the handler."""
        return f"Job(id={self.id!r}, handler={self.handler!r})"

    async def result(self, timeout: float | None = None) -> R_co:  # a deadline of the job, not of I/O
        """Wait for the job to end and return what it returned.

        Args:
            timeout: Seconds to wait; None to wait for ever.

        Raises:
            JobFailedError: If the job became a dead letter.
            ResultTimeoutError: If it has not ended in time; it goes on.
            ResultExpiredError: If it ended so long ago that its result is no longer kept.
            ResultTypeError: If a task returned something else than it says it returns.
        """
        outcome = (await _settled(self._settings, self.id.rpartition(".")[0], [self], timeout))[1][0]
        return _value(self, outcome)

    def result_sync(self, timeout: float | None = None) -> R_co:
        """Do the same as `result`, blocking."""
        return run_blocking(self.result(timeout))


class Receipt:
    """A stored event.

    Attributes:
        event_id: The event's id.
        repeated: Whether this send stored nothing because its `key` was used before; the rest is then the first send's.
    """

    def __init__(self, published: Published, settings: Settings) -> None:
        self.event_id: str = published.event_id
        self.repeated: bool = published.repeated
        self._handlers = published.handlers
        self._settings = settings

    @cached_property
    def jobs(self) -> tuple[Job[Any], ...]:
        """One job for each handler that was subscribed when the event was sent."""
        return _jobs(self.event_id, self._handlers, self._settings)

    def __repr__(self) -> str:
        """Show the id and how many jobs there are."""
        return f"Receipt(event_id={self.event_id!r}, jobs={len(self.jobs)})"

    async def results(self, timeout: float | None = None) -> dict[str, Any]:  # of the jobs, not of I/O
        """Wait until every handler has ended and return what they returned.

        Args:
            timeout: Seconds to wait; None to wait for ever.

        Returns:
            Handler name -> value; `worker.name` where two workers have handlers of one name.

        Raises:
            JobFailedError: Once all have settled, if one became a dead letter; the first one, the others noted in it.
            ResultTimeoutError: If they have not all ended in time; they go on.
            ResultExpiredError: If they ended so long ago that the results are no longer kept.
        """
        jobs, outcomes = await _settled(self._settings, self.event_id, list(self.jobs), timeout)
        dead = [_failure(outcome) for outcome in outcomes if outcome.state == "dead"]
        for other in dead[1:]:
            dead[0].add_note(str(other))
        if dead:
            raise dead[0]
        return {job.handler: _value(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True)}

    def results_sync(self, timeout: float | None = None) -> dict[str, Any]:
        """Do the same as `results`, blocking."""
        return run_blocking(self.results(timeout))


def _jobs(event_id: str, handlers: tuple[str, ...], settings: Settings) -> tuple[Job[Any], ...]:
    ids = [HandlerId.parse(identity) for identity in handlers]
    names = [handler_id.name for handler_id in ids]
    return tuple(
        Job(f"{event_id}.{n}", name if names.count(name) == 1 else f"{worker}.{name}", settings)
        for n, (worker, _, name) in enumerate(ids)
    )


async def _settled(
    settings: Settings, event_id: str, jobs: list[Job[Any]], seconds: float | None
) -> tuple[list[Job[Any]], list[JobOutcome]]:
    """Poll until none of the jobs is open; an event that had no handler when it was sent learns of its jobs here."""
    deadline = _deadline(seconds)
    reader = transport.current() or (await broker_for(settings)).dead_letters
    pause, trouble, looks = _POLL_FIRST, 0, 0
    while True:
        late: tuple[str, ...] | None = ()
        outcomes: list[JobOutcome] = []
        try:
            # A server that does not answer must not keep anybody for longer than was asked for.
            async with asyncio.timeout(None if deadline == math.inf else max(deadline - monotonic(), _LAST_LOOK)):
                late, outcomes = await reader.outcomes(event_id, [job.id for job in jobs])
            trouble = 0
        except (RedisError, OSError) as error:
            trouble += 1
            if not classify(error).passes:
                raise BrokerUnavailableError(str(error)) from error
        if late and not jobs:
            jobs = list(_jobs(event_id, late, settings))
            continue
        if not trouble and late != () and all(outcome.state != "open" for outcome in outcomes):
            if looks == 0:
                _refuse_expired(event_id, outcomes, settings.result_ttl)
            return jobs, outcomes
        looks += 1
        pause = backoff(trouble) if trouble else min(pause * 1.5, _POLL_CAP)
        if monotonic() + pause > deadline:
            msg = f"Event {event_id}: not every job has ended within {seconds} s; they go on."
            raise ResultTimeoutError(msg)
        await asyncio.sleep(pause)


def _deadline(timeout: object) -> float:
    if timeout is None:
        return math.inf
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or math.isnan(timeout):
        raise ConfigError(f"Option timeout={timeout!r} cannot be used: it must be seconds, or None to wait for ever.")
    return monotonic() + timeout


def _refuse_expired(event_id: str, outcomes: list[JobOutcome], result_ttl: float) -> None:
    # Nothing is stored for a job that returned None. Whoever first asks after results have expired cannot be told
    # whether there was one.
    if any(o.state == "done" and o.result is None for o in outcomes) and age_of(event_id) > result_ttl:
        msg = f"Event {event_id} is older than results are kept ({result_ttl:g} s)."
        raise ResultExpiredError(msg)


def _value(job: Job[R_co], outcome: JobOutcome) -> R_co:
    if outcome.state == "dead":
        raise _failure(outcome)
    reason = None if outcome.result is None else unkept_reason(outcome.result)
    if reason is not None:
        raise ResultError(f"Job {job.id} of {job.handler!r} is done, and its result cannot be given: {reason}.")
    value: R_co = decode_result(job.result_type, job.handler, outcome.result)
    return value


def _failure(outcome: JobOutcome) -> JobFailedError:
    letter = outcome.letter
    assert letter is not None, "a dead outcome carries its letter"
    return JobFailedError(letter.job_id, letter.handler, letter.reason, letter.error)
