"""A whole namespace: routes each request to the partition that can answer it, or to all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.backlog import SEND_DEADLINE, Backlog
from upnext.broker.broker import Broker
from upnext.broker.job_ids import partition_of
from upnext.broker.keys import Keys
from upnext.broker.namespace_dead_letters import NamespaceDeadLetters
from upnext.broker.namespace_status import NamespaceStatusReader
from upnext.broker.partition_count import PartitionCount
from upnext.broker.partitioned_publisher import PartitionedPublisher
from upnext.broker.redis_types import RedisError

if TYPE_CHECKING:
    from upnext.broker.protocols import DeadLetterQueue, EventPublisher
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
        self.publisher: EventPublisher = (
            first.publisher if partitions == 1 else PartitionedPublisher(partitions, self.partition, send_deadline)
        )
        self.dead_letters: DeadLetterQueue = NamespaceDeadLetters(self.partitions, self.partition)
        self.status_reader = NamespaceStatusReader(self.partitions)

    def partition(self, number: int) -> Broker:
        """Return one of its partitions."""
        found = self._partitions.get(number)
        if found is None:
            found = self._partitions[number] = Broker(self.url, Keys(self.name, number), backlog=self.backlog)
        return found

    async def partitions(self) -> list[Broker]:
        """Return every partition that can contain anything, as far as the first of them knows."""
        try:
            served = (await PartitionCount(self.partition(0)).read()).served
        except (RedisError, OSError):
            if self._least == 1:
                raise
            served = self._least
        return [self.partition(number) for number in range(max(self._least, served))]

    def results_of(self, event_or_job_id: str) -> ResultReader:
        """Return the reader of the results of an event's jobs: that of its partition."""
        return self.partition(partition_of(event_or_job_id)).results

    async def close(self) -> None:
        """Close the connections."""
        for partition in self._partitions.values():
            await partition.close()
