"""A namespace as a whole: what is asked of it goes to the partition that knows, or to all of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from upnext.broker.backlog import SEND_DEADLINE, Backlog
from upnext.broker.broker import Broker
from upnext.broker.job_ids import partition_of
from upnext.broker.keys import Keys
from upnext.broker.namespace_status import NamespaceStatusReader
from upnext.broker.partial_results import PartialResults
from upnext.broker.partition_count import PartitionCount
from upnext.broker.partitioned_publisher import PartitionedPublisher
from upnext.broker.redis_types import RedisError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from upnext.broker.claims import DeadLetter
    from upnext.broker.publishing import Publisher
    from upnext.broker.results import ResultReader


class Namespace:
    """All partitions of a namespace, each connected when it is first used.

    Args:
        url: The server's address.
        name: The namespace.
        partitions: How many of them are sent to.
        send_deadline: Seconds of the server's silence after which a send is given up.

    Attributes:
        url: The server's address.
        name: The namespace.
        link: The first partition's connection.
        keys: The first partition's keys.
        backlog: What waits to be stored.
        publisher: Stores events and submissions.
        dead_letters: Reads, replays and purges dead letters.
        status_reader: Reads how the namespace stands.
    """

    def __init__(self, url: str, name: str, partitions: int = 1, send_deadline: float = SEND_DEADLINE) -> None:
        self.url = url
        self._least = partitions
        self._partitions: dict[int, Broker] = {}
        self.backlog = Backlog(send_deadline)
        self.name = name
        first = self.partition(0)
        self.link = first.link
        self.keys = first.keys
        self.publisher: Publisher | PartitionedPublisher = (
            first.publisher if partitions == 1 else PartitionedPublisher(partitions, self.partition, send_deadline)
        )
        self.dead_letters = DeadLetters(self)
        self.status_reader = NamespaceStatusReader(self.partitions)

    def partition(self, number: int) -> Broker:
        """Return one of its partitions."""
        found = self._partitions.get(number)
        if found is None:
            found = self._partitions[number] = Broker(self.url, Keys(self.name, number), backlog=self.backlog)
        return found

    async def partitions(self) -> list[Broker]:
        """Return every partition that anything can be in, as far as the first of them can say."""
        try:
            served = (await PartitionCount(self.partition(0)).read()).served
        except (RedisError, OSError):
            if self._least == 1:
                raise
            served = self._least
        return [self.partition(number) for number in range(max(self._least, served))]

    def results_of(self, event_or_job_id: str) -> ResultReader:
        """Return what reads the results of an event's jobs: that of its partition."""
        return self.partition(partition_of(event_or_job_id)).results

    async def close(self) -> None:
        """Close the connections."""
        for partition in self._partitions.values():
            await partition.close()


class DeadLetters:
    """Reads dead letters of a namespace, as `DeadLetterStore` does of one partition.

    Args:
        namespace: The namespace.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def _of(self, event_or_job_id: str) -> Broker:
        return self._namespace.partition(partition_of(event_or_job_id))

    async def dead(self) -> list[DeadLetter]:
        """Return all dead letters, partition by partition, oldest first; `dated_pages` takes less memory."""
        return [letter async for page in self.dated_pages() for letter, _ in page]

    async def dated_pages(
        self,
        event: str | None = None,
        handler: str | None = None,
        *,
        died_since: float = -math.inf,
        died_before: float = math.inf,
    ) -> AsyncIterator[list[tuple[DeadLetter, float]]]:
        """Read dead letters with the times of their deaths in ms, partition by partition, oldest first.

        Raises:
            PartialResultError: At the end, if some partitions did not respond.
        """
        partitions = await self._namespace.partitions()
        sight = PartialResults(len(partitions))
        for partition in partitions:
            try:
                async for page in partition.dead_letters.dated_pages(
                    event, handler, died_since=died_since, died_before=died_before
                ):
                    yield page
            except (RedisError, OSError) as error:
                sight.miss(partition, error)
        sight.close()

    async def letter(self, job_id: str) -> tuple[DeadLetter, float] | None:
        """Return one dead letter and the server's time of its death in ms, None if there is none of that id."""
        return await self._of(job_id).dead_letters.letter(job_id)

    async def payload(self, letter: DeadLetter) -> bytes | None:
        """Return the JSON of a dead letter's payload, None if it is gone or of a later version."""
        return await self._of(letter.job_id).dead_letters.payload(letter)

    async def now(self) -> float:
        """Return the server's time in ms, the latest where there are several servers."""
        return max([await partition.dead_letters.now() for partition in await self._namespace.partitions()])

    async def purge(self, job_ids: Sequence[str]) -> list[bool]:
        """Delete dead letters for good; returns for each whether it was one."""
        gone: dict[str, bool] = {}
        for number in sorted({partition_of(job_id) for job_id in job_ids}):
            there = [job_id for job_id in job_ids if partition_of(job_id) == number]
            gone.update(zip(there, await self._namespace.partition(number).dead_letters.purge(there), strict=True))
        return [gone[job_id] for job_id in job_ids]

    async def replay_with(self, job_id: str, body: bytes) -> str | None:
        """Put a dead letter back into its queue with another payload; returns the id that it runs under."""
        return await self._of(job_id).dead_letters.replay_with(job_id, body)

    async def replay(self, job_id: str) -> bool:
        """Put a dead letter back into its queue, with both budgets full; False if there is none of that id."""
        return await self._of(job_id).dead_letters.replay(job_id)
