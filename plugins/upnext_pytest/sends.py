"""Keeps what the tested code sends in memory, and runs its handlers on request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from pydantic_core import from_json

from upnext.broker.claims import DeadLetter
from upnext.broker.job_ids import QueueEntry, new_event_id
from upnext.broker.publish_batcher import Published
from upnext.broker.results import JobOutcome, discarded
from upnext.connect import run_blocking
from upnext.errors import UpnextError
from upnext.event import Event
from upnext.failure_report import describe, message
from upnext.job_control import Discard
from upnext.payload.results import stored_result
from upnext.task import Task
from upnext_pytest.calling import call

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from upnext.handler import Handler
    from upnext.settings import Settings
    from upnext.transport import OutgoingMessage

_MOST_JOBS = 10_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One send of an event, or one submission of a task.

    Attributes:
        name: The event's name, or the task's.
        fields: The payload, as it was given to `send`.
        delay: Seconds before its jobs may run.
        key: Idempotency key.
        event_id: What its receipt shows.
        handlers: The names of the handlers that this process knows.
        is_task: Whether it is a task.
        repeated: Whether a server would have stored nothing, because the key was used before.
    """

    name: str
    fields: dict[str, Any]
    delay: float
    key: str | None
    event_id: str
    handlers: tuple[str, ...]
    is_task: bool
    repeated: bool


class Sends(Sequence[Sent]):
    """All sends of a test, in order; created by a fixture. Sends are checked as usual, and nothing reaches a server.

    Args:
        inline: Whether each send runs its handlers before it returns.
        threads: Where handlers that are not async run; None for threads of the event loop's own.
    """

    def __init__(self, *, inline: bool = False, threads: Executor | None = None) -> None:
        self._inline = inline
        self._threads = threads
        self._sent: list[Sent] = []
        self._keys: dict[tuple[str, bool, str], Published] = {}
        self._pending: deque[tuple[str, Handler, bytes]] = deque()
        self._waiting: dict[tuple[str, str], str] = {}  # unique handler, digest of a value -> the job that waits
        self._outcomes: dict[str, JobOutcome] = {}
        self._published: dict[str, Published] = {}

    def __len__(self) -> int:
        """Return how many sends there were."""
        return len(self._sent)

    @overload
    def __getitem__(self, index: int) -> Sent: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sent]: ...
    def __getitem__(self, index: int | slice) -> Sent | Sequence[Sent]:
        """Return a send by its position."""
        return self._sent[index]

    def __repr__(self) -> str:
        """Show what was sent; a failed assertion prints it."""
        return f"{type(self).__name__}({self._sent!r})"

    @property
    def names(self) -> list[str]:
        """The names of what was sent, in order."""
        return [sent.name for sent in self._sent]

    def of(self, what: str | Event | Task[..., ..., Any, Any]) -> list[Sent]:
        """Return the sends of one event or task: the object, or its name."""
        if isinstance(what, str):
            return [sent for sent in self._sent if sent.name == what]
        is_task = isinstance(what, Task)
        return [sent for sent in self._sent if sent.name == what.name and sent.is_task is is_task]

    def one(self, what: str | Event | Task[..., ..., Any, Any]) -> Sent:
        """Return the only send of an event or task.

        Raises:
            AssertionError: If there were more or none; the message says what was sent.
        """
        found = self.of(what)
        if len(found) != 1:
            name = what if isinstance(what, str) else what.name
            raise AssertionError(
                f"{name!r} was sent {len(found)} times, not once; sent: {', '.join(self.names) or 'nothing'}"
            )
        return found[0]

    def clear(self) -> None:
        """Forget all sends, without running their handlers."""
        self._sent.clear()
        self._pending.clear()
        self._waiting.clear()

    async def run(self) -> None:
        """Run the handlers of all sends that have not run yet, and of what they send, once each and in order.

        Payloads make the way through JSON, as between a sender and a worker. Delays are not waited for.

        Raises:
            Exception: What a handler raises, as it is; those behind it have not run.
        """
        for _ in range(_MOST_JOBS):
            if not self._pending:
                return
            await self._run(*self._pending.popleft())
        raise UpnextError(
            f"{_MOST_JOBS:,} jobs have run and more were sent: do handlers send each other events for ever?"
        )

    def run_sync(self) -> None:
        """Do the same as `run`, from a synchronous test."""
        run_blocking(self.run())

    async def take(self, message: OutgoingMessage) -> Published:
        """Take one send in the server's place."""
        first = None if message.key is None else self._keys.get((message.name, message.is_task, message.key))
        published = first or Published(new_event_id(), tuple(handler.id for handler in message.handlers))
        names = tuple(handler.name for handler in message.handlers)
        self._sent.append(
            Sent(
                name=message.name,
                fields=dict(message.fields),
                delay=message.delay,
                key=message.key,
                event_id=published.event_id,
                handlers=names,
                is_task=message.is_task,
                repeated=first is not None,
            )
        )
        if first is not None:
            return Published(first.event_id, first.handlers, repeated=True, joined=first.joined)
        if message.key is not None:
            self._keys[message.name, message.is_task, message.key] = published
        published.joined = self._joined(message, published.event_id)
        self._published[published.event_id] = published
        jobs = [
            (f"{published.event_id}.{n}", handler, message.body)
            for n, handler in enumerate(message.handlers)
            if n not in published.joined
        ]
        if not self._inline:
            self._pending.extend(jobs)
            return published
        if len(self._outcomes) > _MOST_JOBS:
            raise UpnextError(f"{_MOST_JOBS:,} jobs have run: do handlers send each other events for ever?")
        for job in jobs:
            await self._run(*job)
        return published

    async def outcomes(
        self,
        settings: Settings,  # noqa: ARG002  # a test sends to one place, whatever its workers' settings
        event_id: str,
        jobs: Sequence[str],
    ) -> tuple[tuple[str, ...] | None, list[JobOutcome]]:
        """Return the states of jobs in the server's place: open until the test runs them, lost if never sent."""
        published = self._published.get(event_id)
        known = () if published is None else published.job_ids()
        otherwise = {job: JobOutcome("open") for job in known}
        outcomes = [self._outcomes.get(job) or otherwise.get(job, JobOutcome("lost")) for job in jobs]
        return () if published is not None and not published.handlers else None, outcomes

    async def job_ids(self, settings: Settings, event_id: str) -> list[str]:  # noqa: ARG002  # as above
        """Return the jobs of an event that was sent here."""
        published = self._published.get(event_id)
        return [] if published is None else published.job_ids()

    async def handlers(
        self,
        settings: Settings,  # noqa: ARG002  # as above
        event_id: str,
        outcomes: Mapping[str, JobOutcome],
    ) -> dict[str, str]:
        """Return the handlers of an event's jobs."""
        published = self._published[event_id]
        known = dict(zip(published.job_ids(), published.handlers, strict=True))
        return {job: known[job] for job in outcomes}

    def check_progress(self, event_id: str) -> None:
        """Raise UpnextError: what has not run never will by itself."""
        raise UpnextError(
            f"Event {event_id} has no result: nothing has run its handlers. `upnext_sent` runs them in "
            "`await upnext_sent.run()`, the fixture `upnext_inline` within each send."
        )

    def _joined(self, message: OutgoingMessage, event_id: str) -> dict[int, str]:
        """Return the waiting jobs that replace some of this event, and will replace others from now on."""
        joined: dict[int, str] = {}
        for n, handler in enumerate(message.handlers):
            unique = handler.uniqueness
            if unique is not None:
                job_id = f"{event_id}.{n}"
                standing = self._waiting.setdefault((handler.id, unique.digest(from_json(message.body))), job_id)
                if standing != job_id:
                    joined[n] = standing
        return joined

    async def _run(self, job_id: str, handler: Handler, body: bytes) -> None:
        if handler.uniqueness is not None:
            self._waiting = {value: job for value, job in self._waiting.items() if job != job_id}
        # A separate task: what the handler leaves in context variables goes with it, as in a worker.
        task = asyncio.create_task(call(job_id, handler, body, self._threads))
        try:
            value = await task
        except Discard as discard:
            self._outcomes[job_id] = JobOutcome("done", result=discarded(message(discard)))
            return
        except BaseException as error:
            letter = DeadLetter.of(handler.id, QueueEntry(job_id, 1, 1), "failed", describe(error))
            self._outcomes[job_id] = JobOutcome("dead", letter=letter)
            error.add_note(f"raised in handler {handler.name!r} of {handler.subject!r}, which the test ran inline")
            raise
        self._outcomes[job_id] = JobOutcome(
            "done", result=stored_result(handler.signature.result, handler.name, value, keep_unset=handler.is_task)
        )
