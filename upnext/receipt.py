"""The return value of a send: the jobs that it created, and access to their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from upnext.broker.handler_id import HandlerId
from upnext.broker.publish_batcher import Published
from upnext.broker.results import discard_reason, unkept_reason
from upnext.connect import run_blocking
from upnext.errors import ConfigError, JobDiscardedError, JobFailedError, ResultError
from upnext.job_wait import DEFAULT, Timeout, check_id, handlers_of, no_id, outcomes_of, wait_blocking, wait_for_end
from upnext.names import brief
from upnext.payload.results import decode_result
from upnext.registry import declarations
from upnext.settings import load
from upnext.transport import current

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from upnext.broker.results import JobOutcome
    from upnext.payload.codec import Codec
    from upnext.settings import Settings
    from upnext.worker import Worker

R_co = TypeVar("R_co", covariant=True)

JobState = Literal["open", "done", "discarded", "dead", "lost"]
"""open: it waits or runs; done: it has run; discarded: its handler ended it by `upnext.Discard` (within the time that
results are kept; then done); dead: a dead letter; lost: the server knows nothing of it."""


class Job(Generic[R_co]):
    """One run of one handler for one event, or of one task.

    Attributes:
        id: The job's id; the same over all its attempts.
        handler: The name of its handler or task; "" for a job from `Job.of` whose handler was not given.
        result_type: What a task's result is read as; None for plain JSON.
        existing: Whether the job waited already when this was sent, and the send made none: its handler is `unique`.
    """

    def __init__(
        self,
        job_id: str,
        handler: str,
        settings: Settings,
        result_type: Codec | None = None,
        *,
        existing: bool = False,
    ) -> None:
        self.id = job_id
        self.existing = existing
        self.handler = handler
        self.result_type = result_type
        self._settings = settings

    @classmethod
    def of(cls, job_id: str, *, worker: Worker | None = None) -> Job[Any]:
        """Return a job that was sent earlier, perhaps by another process.

        Args:
            job_id: What `Job.id` was.
            worker: The worker whose server and namespace it is in; by default those of the environment.

        Raises:
            ConfigError: If it cannot be the id of a job.
        """
        event_id, _, position = check_id("a job", job_id).rpartition(".")
        if not event_id:
            raise ConfigError(
                f"{brief(job_id)} is not the id of a job: it is that of an event, of which Receipt.of tells; its first "
                f"job is {brief(f'{job_id}.0')}."
            )
        if not position.isdecimal():
            raise no_id("a job", job_id)
        return Job(job_id, "", _settings_of(worker))

    def __repr__(self) -> str:
        """Show the id and the handler."""
        return f"Job(id={self.id!r}, handler={self.handler!r})"

    async def result(self, timeout: Timeout = DEFAULT) -> R_co:  # a deadline of the job, not of I/O
        """Wait for the job to end and return what it returned.

        A job that waits for another one lends its slot to others meanwhile, and goes on when it has one again.

        Args:
            timeout: Seconds to wait; None to wait for ever. By default the setting UPNEXT_RESULT_TIMEOUT, an hour.

        Raises:
            JobFailedError: If the job became a dead letter.
            JobDiscardedError: If its handler discarded it.
            JobLostError: If the server knows nothing of the job: its data were lost, or somebody purged it.
            ResultTimeoutError: If it has not ended in time; it goes on.
            ResultExpiredError: If it ended so long ago that its result is no longer kept.
            ResultTypeError: If a task returned something else than it says it returns.
            ResultError: If it has run and its result cannot be given.
            BrokerRefusedError: If the server rejects this client.
            BrokerUnavailableError: If the server cannot answer.
        """
        event_id = self.id.rpartition(".")[0]

        async def look() -> tuple[bool, dict[str, JobOutcome]]:
            return False, (await outcomes_of(self._settings, event_id, [self.id]))[1]

        outcomes = await wait_for_end(self._settings, event_id, lambda: [self.handler], look, timeout)
        return _value(self, outcomes[self.id])

    def result_sync(self, timeout: Timeout = DEFAULT) -> R_co:
        """Do the same as `result`, blocking."""
        return wait_blocking(self.result(timeout), "await job.result()")

    async def state(self) -> JobState:
        """Return the current state of the job, without waiting for it."""
        outcome = (await outcomes_of(self._settings, self.id.rpartition(".")[0], [self.id]))[1][self.id]
        is_discarded = outcome.result is not None and discard_reason(outcome.result) is not None
        return "discarded" if is_discarded else cast("JobState", outcome.state)

    def state_sync(self) -> JobState:
        """Do the same as `state`, blocking."""
        return run_blocking(self.state())


class Receipt:
    """A stored event.

    Attributes:
        event_id: The event's id.
        repeated: Whether this send stored nothing because its `key` was used before; the rest is then the first send's.
    """

    def __init__(self, published: Published, settings: Settings, *, known: bool = True) -> None:
        self.event_id: str = published.event_id
        self.repeated: bool = published.repeated
        self._settings = settings
        self._known = known
        self._handlers = published.handlers
        self._joined = published.joined
        self._jobs: tuple[Job[Any], ...] | None = None

    @classmethod
    def of(cls, event_id: str, *, worker: Worker | None = None) -> Receipt:
        """Return the receipt of an event that was sent earlier, perhaps by another process.

        Its `jobs` are known once `results` has returned.

        Args:
            event_id: What `Receipt.event_id` was.
            worker: The worker whose server and namespace it is in; by default those of the environment.

        Raises:
            ConfigError: If it cannot be the id of an event.
        """
        return cls(Published(check_id("an event", event_id), ()), _settings_of(worker), known=False)

    @property
    def jobs(self) -> tuple[Job[Any], ...]:
        """One job for each handler that was subscribed when the event was sent.

        Of a `unique` handler it may be one that waited already, from an earlier send: `job.existing` says so.
        """
        if self._jobs is None:
            self._jobs = _jobs(self.event_id, self._handlers, self._joined, self._settings)
        return self._jobs

    def __repr__(self) -> str:
        """Show the id and how many jobs there are."""
        return f"Receipt(event_id={self.event_id!r}, jobs={len(self.jobs)})"

    async def results(self, timeout: Timeout = DEFAULT) -> dict[str, Any]:  # of the jobs, not of I/O
        """Wait until every handler has ended and return what they returned.

        A job that waits for others lends its slot to them meanwhile, and goes on when it has one again.

        Args:
            timeout: Seconds to wait; None to wait for ever. By default the setting UPNEXT_RESULT_TIMEOUT, an hour.

        Returns:
            Handler name -> value; `worker.name` where two workers have handlers of one name.

        Raises:
            JobFailedError: Once all have settled, if one became a dead letter; the first one, the others noted in it.
            JobDiscardedError: Once all have settled, if a handler discarded its job and none became a dead letter.
            JobLostError: If the server knows nothing of a job: its data were lost, or somebody purged it.
            ResultTimeoutError: If they have not all ended in time; they go on.
            ResultExpiredError: If they ended so long ago that the results are no longer kept.
            ResultError: If one has run and its result cannot be given.
            BrokerRefusedError: If the server rejects this client.
            BrokerUnavailableError: If the server cannot answer.
        """
        outcomes = await wait_for_end(self._settings, self.event_id, self._names, self._look, timeout)
        if not self._known:
            self._learn(await handlers_of(self._settings, outcomes))
        dead = [_failure(outcome) for outcome in outcomes.values() if outcome.state == "dead"]
        for other in dead[1:]:
            dead[0].add_note(str(other))
        if dead:
            raise dead[0]
        return {job.handler: _value(job, outcomes[job.id]) for job in self.jobs}

    def results_sync(self, timeout: Timeout = DEFAULT) -> dict[str, Any]:
        """Do the same as `results`, blocking."""
        return wait_blocking(self.results(timeout), "await receipt.results()")

    def _names(self) -> Sequence[str]:
        return [job.handler for job in self.jobs]

    def _learn(self, handlers: Sequence[str]) -> None:
        self._handlers, self._jobs, self._known = tuple(handlers), None, True

    async def _look(self) -> tuple[bool, dict[str, JobOutcome]]:
        """Fetch the outcomes; an event that had no handler when it was sent learns its jobs here."""
        if self._known:
            ids = [job.id for job in self.jobs]
        else:
            ids = await current().job_ids(self._settings, self.event_id)
            self._joined = {n: job_id for n, job_id in enumerate(ids) if job_id != f"{self.event_id}.{n}"}
        late, outcomes = await outcomes_of(self._settings, self.event_id, ids)
        if late and self._known and not self.jobs:
            self._learn(late)
            outcomes = (await outcomes_of(self._settings, self.event_id, [job.id for job in self.jobs]))[1]
        return late == (), outcomes


if TYPE_CHECKING:

    class TypedReceipt(Receipt, Generic[R_co]):
        """The receipt of an event that a generated catalog describes: its results are typed by handler."""

        # A TypedDict is not a dict[str, Any] to a type checker, which it is at run time.
        async def results(self, timeout: Timeout = DEFAULT) -> R_co: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # noqa: D102
        def results_sync(self, timeout: Timeout = DEFAULT) -> R_co: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # noqa: D102

else:
    TypedReceipt = Receipt


def _settings_of(worker: Worker | None) -> Settings:
    return declarations.adjusted(load()) if worker is None else worker.registry.settings


def _jobs(
    event_id: str, handlers: Sequence[str], joined: Mapping[int, str], settings: Settings
) -> tuple[Job[Any], ...]:
    parts = [HandlerId.parse(identity) for identity in handlers]
    names = [handler.name for handler in parts]
    return tuple(
        Job(
            joined.get(n, f"{event_id}.{n}"),
            _key(handler, n, unique=names.count(handler.name) == 1),
            settings,
            existing=n in joined,
        )
        for n, handler in enumerate(parts)
    )


def _key(handler: HandlerId, position: int, *, unique: bool) -> str:
    if not handler.name:
        return str(position)  # of a job by its id whose handler is not recorded any more
    return handler.name if unique else f"{handler.worker}.{handler.name}"


def _value(job: Job[R_co], outcome: JobOutcome) -> R_co:
    if outcome.state == "dead":
        raise _failure(outcome)
    if outcome.result is not None and (why := discard_reason(outcome.result)) is not None:
        raise JobDiscardedError(job.id, job.handler, why)
    reason = None if outcome.result is None else unkept_reason(outcome.result)
    if reason is not None:
        raise ResultError(f"Job {job.id} of {job.handler!r} is done, and its result cannot be given: {reason}.")
    value: R_co = decode_result(job.result_type, job.handler, outcome.result)
    return value


def _failure(outcome: JobOutcome) -> JobFailedError:
    letter = outcome.letter
    assert letter is not None, "a dead outcome carries its letter"
    return JobFailedError(letter.job_id, letter.handler, letter.reason, letter.error)
