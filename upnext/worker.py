"""The worker: an application declares its events, handlers and tasks on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, overload

from upnext.errors import ConfigError
from upnext.event import Event
from upnext.names import brief, check_former_names, check_name
from upnext.options import Options, is_whole
from upnext.registry import Registry
from upnext.schedule import Schedule
from upnext.sending import Delivery
from upnext.settings import load
from upnext.task import P, R, Task, TaskDecorator
from upnext_catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    from upnext.context import Context
    from upnext.hooks import Hooks
    from upnext.options import ExceptionTypes
    from upnext.outbox.relay import Relay
    from upnext.task import Unsaid

MOST_AT_ONCE = 10_000
"""The highest concurrency of one process."""


class _WorkerBase:
    """The implementation of a worker.

    It stands behind `Catalog`, so that a generated catalog can tell by a `__new__` of its own which worker is made.
    """

    def __init__(
        self,
        name: str,
        *,
        concurrency: int = 100,
        redis_url: str | None = None,
        lease: float | None = None,
        grace: float | None = None,
        partitions: int | None = None,
    ) -> None:
        name = check_name("worker", name)
        if not is_whole(concurrency, 1, MOST_AT_ONCE):
            raise ConfigError(
                f"Option concurrency={brief(concurrency)} cannot be used: it must be a whole number "
                f"from 1 to {MOST_AT_ONCE}."
            )
        load(redis_url, lease, grace, partitions, environ={})
        self.name = name
        self.concurrency = concurrency
        self.registry: Registry = Registry(name, lambda: load(redis_url, lease, grace, partitions))


# Python's message for a missing argument begins with this: the class that users know.
_WorkerBase.__init__.__qualname__ = "Worker.__init__"


class Worker(Catalog, _WorkerBase):
    """Declares events, handlers and tasks; `upnext run` runs them.

    Making a worker connects to nothing: the server is needed when something is sent, or when the worker is run.

    Args:
        name: The worker's name; processes with the same name share its jobs.
        concurrency: How many jobs one process runs at the same time.
        redis_url: The server; else UPNEXT_REDIS_URL, else the embedded server (development only).
        lease: Seconds after which a silent process is taken for dead; else UPNEXT_LEASE, else 10.
        grace: Seconds that running jobs get when a process stops; else UPNEXT_GRACE, else 10.
        partitions: How many partitions of the namespace are used; else UPNEXT_PARTITIONS, else 1.

    Raises:
        ConfigError: If one of these cannot be used.
    """

    def __repr__(self) -> str:
        """Show the name."""
        return f"{type(self).__name__}({self.name!r})"

    def declare_event(self, name: str, extra: str | None, formerly: tuple[str, ...]) -> Event:
        """Create the event; `event` is the public method, which catalogs type."""
        name = _event_name(name)
        self.registry.declare(name, extra, check_former_names(name, formerly))
        return Event(Delivery(name, self.registry))

    def add_hooks(self, *hooks: Hooks) -> None:
        """Add hooks to this worker: around its sends and jobs, and for its own start and stop.

        `upnext.add_hooks` adds them for all workers of the process.

        Raises:
            ConfigError: If one of them is not an object of a subclass of `upnext.Hooks`.
        """
        for one in hooks:
            self.registry.hooks.add(one)

    def running(self, *others: Worker | Relay) -> AbstractAsyncContextManager[None]:
        """Run this worker in an application's own event loop: `async with worker.running(): ...`, in its lifespan.

        The block begins when the worker takes jobs; at its end running jobs get their grace. `upnext run` is the way
        to run workers in processes of their own.

        Args:
            others: Further workers, and relays of outboxes.

        Raises:
            ConfigError: If a setting or an annotation cannot be used.
            BrokerRefusedError: If the server rejects this client.
        """
        from upnext.runner.in_application import running  # noqa: PLC0415  # few need it, and it loads the runner

        return running(self, *others)

    @overload
    def task(
        self, function: Callable[Concatenate[Unsaid, P], Coroutine[Any, Any, R]], /
    ) -> Task[..., ..., Coroutine[Any, Any, R], R]: ...
    @overload
    def task(self, function: Callable[Concatenate[Unsaid, P], R], /) -> Task[..., ..., R, R]: ...
    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> Task[Concatenate[Context, P], P, Coroutine[Any, Any, R], R]: ...
    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, P, Coroutine[Any, Any, R], R]: ...
    @overload
    def task(self, function: Callable[Concatenate[Context, P], R], /) -> Task[Concatenate[Context, P], P, R, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, P, R, R]: ...
    @overload
    def task(
        self,
        /,
        *,
        name: str | None = None,
        retries: int = 0,
        retry_delay: float = 1.0,
        retry_backoff: float = 2.0,
        timeout: float = 1800.0,
        retry_on: ExceptionTypes | None = None,
        give_up_on: ExceptionTypes | None = None,
        limit: int | None = None,
        rate: str | None = None,
        by: str | None = None,
        unique: bool | str | tuple[str, ...] = False,
    ) -> TaskDecorator: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a task: a function that runs in the background when it is submitted.

        Args:
            function: The function, async or not; functions that are not async run in threads.
            options: As for `Event.on`.

        Raises:
            ConfigError: If an option is unknown or out of range, if the function has parameters that cannot be
                filled, or if another task of this worker has the same name.
        """
        decorator = TaskDecorator(self.registry, Options.of(options))
        return decorator if function is None else decorator(function)

    @overload
    def cron(
        self,
        expression: str,
        /,
        *,
        tz: str | ZoneInfo = "UTC",
        catch_up: bool = False,
        name: str | None = None,
        retries: int = 0,
        retry_delay: float = 1.0,
        retry_backoff: float = 2.0,
        timeout: float = 1800.0,
        retry_on: ExceptionTypes | None = None,
        give_up_on: ExceptionTypes | None = None,
        limit: int | None = None,
        rate: str | None = None,
        by: str | None = None,
        unique: bool | str | tuple[str, ...] = False,
    ) -> TaskDecorator: ...
    @overload
    def cron(
        self,
        /,
        *,
        every: timedelta,
        catch_up: bool = False,
        name: str | None = None,
        retries: int = 0,
        retry_delay: float = 1.0,
        retry_backoff: float = 2.0,
        timeout: float = 1800.0,
        retry_on: ExceptionTypes | None = None,
        give_up_on: ExceptionTypes | None = None,
        limit: int | None = None,
        rate: str | None = None,
        by: str | None = None,
        unique: bool | str | tuple[str, ...] = False,
    ) -> TaskDecorator: ...
    def cron(
        self,
        expression: str | None = None,
        /,
        *,
        tz: str | ZoneInfo | None = None,
        every: timedelta | None = None,
        catch_up: bool = False,
        **options: Any,
    ) -> TaskDecorator:
        """Make a task that runs at scheduled times, once each across all processes; it can be submitted as well.

        Args:
            expression: Five fields of cron: minute, hour, day, month, weekday.
            tz: The time zone that it is meant in, such as "Europe/Berlin"; UTC by default.
            every: In place of an expression: the time between two ticks.
            catch_up: Run once for the latest of the ticks that were missed while everything was down; by default none
                of them is run.
            options: As for `Event.on`.

        Raises:
            ConfigError: If one of them cannot be used; and as `task` says.
        """
        schedule = Schedule.of(expression, tz, every, catch_up)
        return TaskDecorator(self.registry, Options.of(options), schedule)


def _event_name(name: object) -> str:
    """Return the text that names an event.

    Raises:
        ConfigError: With how a handler is attached, if it is a function: `@worker.event` looks like a decorator.
    """
    if callable(name):
        msg = (
            f"worker.event takes the name of an event, not {name!r}. "
            'To attach a handler, write `order_placed = worker.event("order.placed")` and `@order_placed.on` above it.'
        )
        raise ConfigError(msg)
    return check_name("event", name)
