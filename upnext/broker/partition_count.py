"""How many partitions a namespace has, agreed between senders and workers with different settings.

The first partition stores the number. It grows in three steps, so that no send ever misses a handler:

1. A process that needs more partitions records how many have to be served. Workers notice that when they next look. A
   worker that subscribes handlers looks after subscribing in the first partition, and before it counts as ready.
2. The subscriptions of the first partition are copied to the new ones. A worker that subscribes meanwhile has either
   done so before the copy, or finds the record of step 1.
3. The number that senders use is recorded, with the time. Only then is anything sent to the new partitions.

The number never shrinks: a partition that was once used is always served.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upnext.broker.foreign_data import is_wrong_type, warn_foreign
from upnext.broker.handler_id import HandlerId
from upnext.broker.redis_types import ResponseError
from upnext.broker.replies import pairs, shown, text
from upnext.broker.scripts import script
from upnext.broker.uniqueness import Uniqueness
from upnext.limits import MAX_PARTITIONS
from upnext.names import is_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.broker import Broker
    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

_PAGE = 200


@dataclass(frozen=True, slots=True)
class PartitionCounts:
    """The agreed numbers of partitions.

    Attributes:
        served: How many partitions workers have to serve.
        used: How many partitions senders use or used -> the seconds since the first of them began to.
    """

    served: int
    used: dict[int, float]

    @property
    def grown(self) -> int:
        """How many partitions have all subscriptions."""
        return max(self.used, default=1)

    def unsettled(self, takes: float) -> float:
        """Return for how many seconds subscriptions may still be copied to new partitions, if it takes any."""
        return takes if self.served != self.grown else max(takes - self.used.get(self.grown, takes), 0.0)

    def left_behind(self, partitions: int) -> float | None:
        """Return the seconds since senders began to use more than so many; None if they do not."""
        return max((since for number, since in self.used.items() if number > partitions), default=None)


def read_partitions(number: bytes, key: str) -> int:
    """Return the number of partitions to serve; 1 if the record is not a valid number."""
    if len(number) <= len(str(MAX_PARTITIONS)) and number.isdigit() and 1 <= int(number) <= MAX_PARTITIONS:
        return int(number)
    found = shown(text(number))
    warn_foreign(key, f"the number of partitions must be between 1 and {MAX_PARTITIONS}; {found!r} counts as 1")
    return 1


class PartitionCount:
    """Reads and changes the record in a namespace's first partition.

    Args:
        first: That partition.
    """

    def __init__(self, first: Broker) -> None:
        self._first = first

    async def read(self) -> PartitionCounts:
        """Read it."""
        return await self._note()

    async def served(self) -> int:
        """Read how many partitions have to be served, with a read-only command."""
        key = self._first.keys.partitions
        noted: bytes | None = await self._first.link.command("HGET", key, "served")
        return 1 if noted is None else read_partitions(noted, key)

    async def serve(self, partitions: int) -> PartitionCounts:
        """Raise the number of served partitions to at least this one."""
        return await self._note(served=partitions)

    async def use(self, partitions: Sequence[Broker]) -> PartitionCounts:
        """Make sure that these partitions can be used for sends.

        Raises:
            redis.exceptions.RedisError: Whatever a server makes of it; calling it again is safe.
        """
        agreed, number = await self.read(), len(partitions)
        if agreed.grown < number:
            await self.serve(number)
            await self._copy(partitions[1:])
        return agreed if number in agreed.used else await self._note(used=number)

    async def _note(self, *, served: int = 0, used: int = 0) -> PartitionCounts:
        key = self._first.keys.partitions
        reply: Any = await self._first.link.call(script("agree"), (key,), (served, used, MAX_PARTITIONS))
        if reply[3]:
            read_partitions(reply[3], key)
        now, noted, since = int(reply[0]), int(reply[1]), [int(word) for word in reply[2]]
        return PartitionCounts(noted, {n: (now - ms) / 1000 for n, ms in zip(since[::2], since[1::2], strict=True)})

    async def _copy(self, others: Sequence[Broker]) -> None:
        link, keys, cursor = self._first.link, self._first.keys, b"0"
        while True:
            cursor, page = await link.command("HSCAN", keys.versions, cursor, "COUNT", _PAGE)
            events = [event for name, version in pairs(page) if version and is_name(event := text(name))]
            subscribed = await asyncio.gather(*(_subscribed(link, keys.subscriptions(event)) for event in events))
            uniqueness = await _uniqueness(link, keys, [text(handler) for fields in subscribed for handler in fields])
            await asyncio.gather(
                *(
                    other.publisher.subscribe(event, handlers, uniqueness)
                    for other in others
                    for event, fields in zip(events, subscribed, strict=True)
                    if (handlers := [handler for handler in map(text, fields) if HandlerId.is_of(handler, event)])
                )
            )
            if int(cursor) == 0:
                return


async def _uniqueness(link: PipelinedConnection, keys: Keys, handlers: Sequence[str]) -> dict[str, Uniqueness]:
    """Return what the jobs of some handlers are unique by."""
    if not handlers:
        return {}
    stored: list[bytes | None] = await link.command("HMGET", keys.versions, *handlers)
    read = {handler: Uniqueness.from_json(each) for handler, each in zip(handlers, stored, strict=True)}
    return {handler: unique for handler, unique in read.items() if unique is not None}


async def _subscribed(link: PipelinedConnection, key: str) -> list[bytes]:
    """Return an event's handlers; none if a foreign key is in the way: workers subscribe them once it is gone."""
    try:
        return list(await link.command("HKEYS", key))
    except ResponseError as error:
        if not is_wrong_type(error):
            raise
        warn_foreign(key, "the event's handlers cannot be read, and are not subscribed in further partitions")
        return []
