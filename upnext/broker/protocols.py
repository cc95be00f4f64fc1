"""The interfaces that one partition and a whole namespace share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from upnext.broker.claims import DeadLetter
    from upnext.broker.publish_batcher import Published
    from upnext.broker.status import NamespaceStatus, RemainingWork, UnreachablePartition
    from upnext.broker.uniqueness import Uniqueness


class EventPublisher(Protocol):
    """Stores events and submissions."""

    async def publish(
        self,
        event: str,
        body: bytes,
        *,
        delay: float = 0.0,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        event_id: str | None = None,
    ) -> Published:
        """Store an event with one job for each of its handlers.

        Args:
            event: The event's name.
            body: The payload's JSON.
            delay: Seconds before the jobs may run.
            key: Idempotency key.
            headers: What travels beside the payload; workers of releases that know none take no such event.
            event_id: An id that was made before; what is stored under it is not stored again. None for a new one.

        Raises:
            BrokerUnavailableError: If nothing was stored.
            BrokerRefusedError: If the server rejects this client.
            SendOutcomeUnknownError: If it may have been stored.
        """
        ...

    async def submit(
        self,
        task: str,
        body: bytes,
        *,
        delay: float = 0.0,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        event_id: str | None = None,
        unique: Uniqueness | None = None,
    ) -> Published:
        """Store one job of a task, named by its identity; the rest is as for `publish`.

        `unique` is what its jobs are unique by while they wait; what an event's handlers are, the server knows.
        """
        ...

    def places(self, scope: str, key: str) -> frozenset[int]:
        """Return the partitions that a send involves.

        Args:
            scope: The event's name, or what `task_scope` makes of a task's identity.
            key: Its idempotency key.
        """
        ...


REASONS: Final = ("failed", "timeout", "payload", "crashed", "cancelled", "unsubscribed")
"""Why jobs die."""


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Selects dead letters.

    Attributes:
        event: Only those of this event; None for all.
        handler: Only those of this handler: its name, or its identity `worker|event|name`; None for all.
        died_since: The server's time in ms before which a death does not count.
        died_before: The server's time in ms after which a death does not count any more.
    """

    event: str | None = None
    handler: str | None = None
    died_since: float = -math.inf
    died_before: float = math.inf

    def selects(self, letter: DeadLetter) -> bool:
        """Return whether a dead letter belongs to the selected event and handler."""
        return self.event in {None, letter.event} and self.handler in {None, letter.handler, letter.handler_id}


EVERY_DEAD_LETTER = DeadLetterFilter()
"""Selects all of them."""


class DeadLetterPlace(NamedTuple):
    """The position of a dead letter among all; the most recent is the greatest.

    Attributes:
        died: The server's time of its death in ms.
        job_id: Its job.
    """

    died: float
    job_id: str


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Some dead letters, the newest first.

    Attributes:
        letters: Each with the server's time of its death in ms.
        end: The place of the last one that was looked at, selected or not; None if there are no older ones.
        unseen: Partitions that did not respond.
    """

    letters: Sequence[tuple[DeadLetter, float]]
    end: DeadLetterPlace | None = None
    unseen: Sequence[UnreachablePartition] = ()


class DeadLetterQueue(Protocol):
    """Reads, replays and purges dead letters."""

    async def dead(self) -> list[DeadLetter]:
        """Return all dead letters, oldest first; `dated_pages` takes less memory."""
        return [letter async for page in self.dated_pages() for letter, _ in page]

    def dated_pages(
        self, selection: DeadLetterFilter = EVERY_DEAD_LETTER
    ) -> AsyncIterator[list[tuple[DeadLetter, float]]]:
        """Read dead letters, oldest first, in bounded pages; they may be replayed or purged meanwhile.

        Of several partitions one is read after the other.

        Args:
            selection: Which of them.

        Yields:
            Each dead letter with the server's time of its death in ms.

        Raises:
            PartialResultError: At the end, if some partitions did not respond.
        """
        ...

    async def newest(self, selection: DeadLetterFilter, after: DeadLetterPlace | None, most: int) -> DeadLetterPage:
        """Read a page of dead letters, those that died last first.

        Args:
            selection: Which of them.
            after: Where an earlier page ended; None for the first.
            most: How many to look at, in each partition.
        """
        ...

    async def letter(self, job_id: str) -> tuple[DeadLetter, float] | None:
        """Return one dead letter and the server's time of its death in ms, None if there is none of that id."""
        ...

    async def payload(self, letter: DeadLetter) -> bytes | None:
        """Return the JSON of a dead letter's payload, None if it is gone or of a later version."""
        ...

    async def now(self) -> float:
        """Return the server's time in ms, the latest where there are several servers."""
        ...

    async def purge(self, job_ids: Sequence[str]) -> list[bool]:
        """Delete dead letters for good, each with what only it still needs of its event.

        Args:
            job_ids: The jobs, a page at most.

        Returns:
            For each whether it was a dead letter.
        """
        ...

    async def replay(self, job_id: str) -> bool:
        """Put a dead letter back into its queue, with both budgets full; False if there is none of that id."""
        ...

    async def replay_with(self, job_id: str, body: bytes) -> str | None:
        """Put a dead letter back into its queue with another payload.

        Args:
            job_id: The job.
            body: The payload's JSON.

        Returns:
            The id that it runs under: its own, or a new one where other jobs of its event share the stored payload.
            None if there is none of that id.
        """
        ...


class StatusSource(Protocol):
    """Reads the status."""

    async def read(self) -> NamespaceStatus:
        """Read all of it, in time that grows with partitions, workers and handlers, and not with jobs."""
        ...

    async def left(self) -> RemainingWork:
        """Read what is left to do, at one moment, so that no job is missed on its way."""
        ...
