"""Where checked sends go: to the server, unless a test puts something else in its place."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from upnext.connect import broker_for, connected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator, Mapping, Sequence

    from upnext.broker.protocols import EventPublisher
    from upnext.broker.publish_batcher import Published
    from upnext.broker.results import JobOutcome
    from upnext.handler import Handler
    from upnext.settings import Settings


@dataclass(slots=True, eq=False)  # one is created for each send: a frozen one takes three times as long
class OutgoingMessage:
    """One send, checked and encoded.

    Attributes:
        settings: Where the server is.
        name: The event's name, or the task's.
        is_task: Whether it is a task.
        handlers: Those that this process knows; a task's own.
        fields: The payload as it was sent.
        body: The payload's JSON.
        delay: Seconds before the jobs may run.
        key: Idempotency key.
        headers: What hooks let travel beside the payload.
    """

    settings: Settings
    name: str
    is_task: bool
    handlers: tuple[Handler, ...]
    fields: Mapping[str, Any] = field(repr=False)  # logs never contain payloads
    body: bytes = field(repr=False)
    delay: float
    key: str | None
    headers: dict[str, str] | None = None


class Transport(Protocol):
    """Takes sends, and knows the outcomes of their jobs."""

    def take(self, message: OutgoingMessage) -> Awaitable[Published]:
        """Take one send, and return what its receipt shows.

        Raises:
            BrokerError: If it was not taken, or perhaps not.
        """
        ...

    async def outcomes(
        self, settings: Settings, event_id: str, jobs: Sequence[str]
    ) -> tuple[tuple[str, ...] | None, list[JobOutcome]]:
        """Return the states of jobs of one event, like `ResultReader.outcomes`."""
        ...

    async def job_ids(self, settings: Settings, event_id: str) -> list[str]:
        """Return the jobs of an event, like `ResultReader.job_ids`."""
        ...

    async def handlers(self, settings: Settings, event_id: str, outcomes: Mapping[str, JobOutcome]) -> dict[str, str]:
        """Return the handlers of an event's jobs, like `ResultReader.handlers`."""
        ...

    def check_progress(self, event_id: str) -> None:
        """Raise UpnextError if open jobs of an event will never run by themselves."""
        ...


class ServerTransport(Transport):
    """Stores sends on the server."""

    def take(self, message: OutgoingMessage) -> Awaitable[Published]:
        """Store the event with a job for each subscribed handler, or the task's job."""
        namespace = connected(message.settings)  # most sends find it, and need no further coroutine
        return _connect_and_store(message) if namespace is None else _store(namespace.publisher, message)

    async def outcomes(
        self, settings: Settings, event_id: str, jobs: Sequence[str]
    ) -> tuple[tuple[str, ...] | None, list[JobOutcome]]:
        """Ask the server."""
        return await (await broker_for(settings)).results_of(event_id).outcomes(event_id, jobs)

    async def job_ids(self, settings: Settings, event_id: str) -> list[str]:
        """Ask the server."""
        return await (await broker_for(settings)).results_of(event_id).job_ids(event_id)

    async def handlers(self, settings: Settings, event_id: str, outcomes: Mapping[str, JobOutcome]) -> dict[str, str]:
        """Ask the server."""
        return await (await broker_for(settings)).results_of(event_id).handlers(event_id, outcomes)

    def check_progress(self, event_id: str) -> None:
        """Raise nothing: a worker may run them."""


async def _connect_and_store(message: OutgoingMessage) -> Published:
    return await _store((await broker_for(message.settings)).publisher, message)


def _store(publisher: EventPublisher, message: OutgoingMessage) -> Awaitable[Published]:
    if message.is_task:
        (task,) = message.handlers
        return publisher.submit(
            task.id, message.body, delay=message.delay, key=message.key, headers=message.headers, unique=task.uniqueness
        )
    return publisher.publish(message.name, message.body, delay=message.delay, key=message.key, headers=message.headers)


_server: Transport = ServerTransport()
_current = _server


def current() -> Transport:
    """Return the transport that takes the sends of this process now."""
    return _current


def is_diverted() -> bool:
    """Return whether sends go somewhere else than to the server."""
    return _current is not _server


@contextmanager
def use_transport(to: Transport | None) -> Generator[None]:
    """Let another transport, or with None the server again, take every send of this process within the block."""
    global _current  # noqa: PLW0603  # the process sends to one place at a time, from all of its threads
    before, _current = _current, _server if to is None else to
    try:
        yield
    finally:
        _current = before
