"""Tasks: functions that are run in the background by name instead of by event."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from upnext.connect import run_blocking
from upnext.handler import Handler, make_handler
from upnext.job_wait import DEFAULT, Timeout, check_timeout, wait_blocking
from upnext.outbox.writing import OutboxJob, check_transaction, write, write_async
from upnext.sending import NOW, When, check_key, check_when, delay_of, submission, submit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime, timedelta

    from upnext.broker.publish_batcher import Published
    from upnext.context import Context
    from upnext.options import Options
    from upnext.outbox.row import Transaction
    from upnext.receipt import Job
    from upnext.registry import Registry
    from upnext.schedule import Schedule

CallP = ParamSpec("CallP")
SubmitP = ParamSpec("SubmitP")
C_co = TypeVar("C_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)
P = ParamSpec("P")
R = TypeVar("R")


class Submitter(Generic[SubmitP, R_co]):
    """Submits a task, perhaps with options."""

    def __init__(
        self,
        handler: Handler,
        registry: Registry,
        *,
        when: When = NOW,
        key: str | None = None,
        wait: Timeout = DEFAULT,
        transaction: Transaction | None = None,
    ) -> None:
        self._handler = handler
        self._registry = registry
        self._when = when
        self._key = key
        self._wait = wait
        self._transaction = transaction

    def within(self, transaction: Transaction, /) -> Self:
        """Return the same, with submissions that take effect once a transaction of your database has committed.

        As `Event.within`; what was submitted so cannot be waited for in that transaction.

        Raises:
            ConfigError: If it is not a transaction of an outbox.
        """
        same = copy.copy(self)
        same._transaction = check_transaction(transaction)  # noqa: SLF001
        return same

    async def submit(self, /, *args: SubmitP.args, **kwargs: SubmitP.kwargs) -> Job[R_co]:
        """Store a job that runs the task in the background.

        Returns:
            The job, once the server has stored it.

        Raises:
            PayloadError: If the task would refuse the arguments, or they cannot travel.
            BrokerUnavailableError: If the server stored nothing.
            BrokerRefusedError: If the server rejects this client.
            SendOutcomeUnknownError: If it may have been stored.
        """
        fields = self._handler.signature.bind(args, kwargs)
        delay = delay_of(self._when)
        if self._transaction is not None:
            message = submission(self._handler, self._registry, fields, delay, self._key)
            return self._outbox_job(await write_async(self._transaction, message, self._registry))
        return await submit(self._handler, self._registry, fields, delay=delay, key=self._key)

    async def wait(self, /, *args: SubmitP.args, **kwargs: SubmitP.kwargs) -> R_co:
        """Submit the task, wait for it to end, and return its result.

        It waits for as long as `options(wait=...)` says, by default the setting UPNEXT_RESULT_TIMEOUT.

        Raises:
            JobFailedError: If it became a dead letter; and what else `submit` and `Job.result` raise.
            ResultTimeoutError: If it has not ended in time; it goes on.
        """
        return await (await self.submit(*args, **kwargs)).result(self._wait)

    def submit_sync(self, /, *args: SubmitP.args, **kwargs: SubmitP.kwargs) -> Job[R_co]:
        """Do the same as `submit`, blocking, from code outside an event loop."""
        if self._transaction is not None:
            fields = self._handler.signature.bind(args, kwargs)
            message = submission(self._handler, self._registry, fields, delay_of(self._when), self._key)
            return self._outbox_job(write(self._transaction, message, self._registry))
        return run_blocking(self.submit(*args, **kwargs))

    def wait_sync(self, /, *args: SubmitP.args, **kwargs: SubmitP.kwargs) -> R_co:
        """Do the same as `wait`, blocking, from code outside an event loop."""
        return wait_blocking(self.wait(*args, **kwargs), "await task.wait()")

    def _outbox_job(self, published: Published) -> Job[R_co]:
        job_id = f"{published.event_id}.0"
        return OutboxJob(job_id, self._handler.name, self._registry.settings, self._handler.signature.result)


class Task(Submitter[SubmitP, R_co], Generic[CallP, SubmitP, C_co, R_co]):
    """A function that a worker runs in the background.

    Attributes:
        name: The task's name.
    """

    def __init__(self, handler: Handler, registry: Registry) -> None:
        super().__init__(handler, registry)
        functools.update_wrapper(self, handler.function)

    @property
    def name(self) -> str:
        """The task's name."""
        return self._handler.name

    def options(
        self,
        /,
        *,
        delay: float | timedelta | None = None,
        at: datetime | None = None,
        key: str | None = None,
        wait: Timeout = DEFAULT,
    ) -> Submitter[SubmitP, R_co]:
        """Return a submitter with options; options never mix with arguments.

        Args:
            delay: Seconds, or a timedelta, before the job may run.
            at: In place of a delay, the moment before which it may not run, as for `Event.options`.
            key: A second submit with the same key within 24 hours stores nothing and gives the first one's job.
            wait: Seconds that `wait` waits for the result, None for ever.

        Raises:
            ConfigError: If one of them cannot be used.
        """
        check_timeout(wait)
        when, key = check_when(delay, at), check_key(key)
        return Submitter(self._handler, self._registry, when=when, key=key, wait=wait, transaction=self._transaction)

    def __call__(self, /, *args: CallP.args, **kwargs: CallP.kwargs) -> C_co:
        """Call the function itself, without a job: for tests, and for other functions."""
        result: C_co = self._handler.function(*args, **kwargs)
        return result


if TYPE_CHECKING:

    class Unsaid:
        """Accepted only by an unannotated parameter, which may or may not be a context: such calls go unchecked."""


class TaskDecorator:
    """Makes a task with options: what `worker.task(...)` and `worker.cron(...)` return."""

    def __init__(self, registry: Registry, options: Options, schedule: Schedule | None = None) -> None:
        self._registry = registry
        self._options = options
        self._schedule = schedule

    @overload
    def __call__(
        self, function: Callable[Concatenate[Unsaid, P], Coroutine[Any, Any, R]], /
    ) -> Task[..., ..., Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Unsaid, P], R], /) -> Task[..., ..., R, R]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> Task[Concatenate[Context, P], P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> Task[Concatenate[Context, P], P, R, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, P, R, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Task[..., ..., Any, Any]:
        """Make the task.

        Raises:
            ConfigError: As `Worker.task` says.
        """
        made = make_handler(function, self._registry.worker, None, self._options)
        self._registry.add(made)
        if self._schedule is not None:
            self._registry.schedules[made.id] = self._schedule
        return Task(made, self._registry)
