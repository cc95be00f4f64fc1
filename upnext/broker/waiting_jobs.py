"""Reads the payloads of any number of waiting jobs without getting in the way of workers.

Payloads are read in pages of a few megabytes at most, by read-only commands; while one page is examined, the next one
is fetched. Workers continue meanwhile, so a job may be seen twice, or missed while it moves.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from upnext.broker.foreign_data import is_wrong_type
from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import unpack
from upnext.broker.redis_types import ResponseError
from upnext.broker.replies import read_json, text
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.broker.broker import Broker
    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

Judge: TypeAlias = Callable[[bytes], str]
"""Says why a payload, as JSON, cannot be taken, "" if it can."""

Judges: TypeAlias = Callable[[str], "Judge | None"]
"""Returns the judge of a handler's payloads, by its identity; None if they are not to be looked at."""

_FIRST_PAGE, _LARGEST_PAGE = 50, 1000  # jobs
_PAGE_BYTES = 4_000_000
_STRETCH = 10_000  # jobs whose ids are read at once: the further into a queue, the longer the server searches
_NAMES = 500


@dataclass(slots=True)
class JobCount:
    """The waiting jobs of one handler.

    Attributes:
        found: How many there are, by state: "waiting", "delayed", "retrying" or "dead".
        checked: How many of them were looked at, by state.
        refused: How many of those the judge refuses, by state and reason.
    """

    found: Counter[str] = field(default_factory=Counter[str])
    checked: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])


class _Kind(NamedTuple):
    handler: str
    state: str


_Stretch: TypeAlias = "Mapping[_Kind, list[bytes]]"
"""Jobs that were read at once: the ids of their events."""

_Page: TypeAlias = "list[tuple[_Kind, list[bytes]]]"
"""Jobs of which the payloads are fetched at once."""


class WaitingJobReader:
    """Reads the waiting jobs of one partition.

    Args:
        partition: The partition.
        judges: Judges their payloads.
        counts: What was counted, by handler; added to.
        share: The part of each queue that is looked at, evenly spread; 1 for all.
    """

    def __init__(self, partition: Broker, judges: Judges, counts: dict[str, JobCount], share: float) -> None:
        self._link = partition.link
        self._keys = partition.keys
        self._judges = judges
        self._counts = counts
        self._share = share
        self._page = _FIRST_PAGE

    async def read(self) -> None:
        """Look through all of it.

        Raises:
            ConfigError: If another program's data is where jobs should be.
        """
        keys = self._keys
        for handler, length in await _queue_lengths(self._link, keys):
            self._count(handler).found["waiting"] += length
            if self._judges(handler) is not None:
                await self._walk(length, partial(self._waiting, handler))
        scheduled = int(await _reading(self._link, keys.scheduled, "ZCARD", keys.scheduled))
        await self._walk(scheduled, self._scheduled)
        dead = int(await _reading(self._link, keys.dead_index, "ZCARD", keys.dead_index))
        await self._walk(dead, self._dead)

    async def _walk(self, length: int, read: Callable[[int, int], Awaitable[_Stretch]]) -> None:
        """Go through a queue; the payloads of a page are fetched while the one before is judged.

        Args:
            length: How many there are.
            read: Reads jobs from a place on, and how many.
        """
        at, judging = 0.0, None
        while at < length:
            size = _STRETCH if self._share == 1.0 else self._page
            stretch = await read(int(at), size)
            for page in self._pages(stretch):
                payloads = asyncio.ensure_future(self._payloads(page))
                if judging is not None:
                    self._judge(*judging)
                judging = page, await payloads
            at += max(size / self._share, 1.0)
        if judging is not None:
            self._judge(*judging)

    def _pages(self, stretch: _Stretch) -> Iterator[_Page]:
        """Divide jobs into as many at a time as payloads are fetched of, which the last payloads decide."""
        page, room = list[tuple[_Kind, list[bytes]]](), self._page
        for kind, ids in stretch.items():
            at = 0
            while at < len(ids):
                part = ids[at : at + room]
                page.append((kind, part))
                at, room = at + len(part), room - len(part)
                if not room:
                    yield page
                    page, room = [], self._page
        if page:
            yield page

    async def _waiting(self, handler: str, at: int, size: int) -> _Stretch:
        key = self._keys.queue(handler)
        entries: list[bytes] = await _reading(self._link, key, "LRANGE", key, at, at + size - 1)
        return {_Kind(handler, "waiting"): list(map(_event_id, entries))}

    async def _scheduled(self, at: int, size: int) -> _Stretch:
        key = self._keys.scheduled
        members = await _reading(self._link, key, "ZRANGE", key, at, at + size - 1)
        found: defaultdict[_Kind, list[bytes]] = defaultdict(list)
        for member in members:
            name, _, entry = member.rpartition(b" ")
            found[_Kind(text(name), "retrying" if b":" in entry else "delayed")].append(_event_id(entry))
        return self._of_interest(found)

    async def _dead(self, at: int, size: int) -> _Stretch:
        keys = self._keys
        ids = await _reading(self._link, keys.dead_index, "ZRANGE", keys.dead_index, at, at + size - 1)
        found: defaultdict[_Kind, list[bytes]] = defaultdict(list)
        for start in range(0, len(ids), _LARGEST_PAGE):  # a letter has a traceback
            some = ids[start : start + _LARGEST_PAGE]
            letters: list[bytes | None] = await _reading(self._link, keys.dead, "HMGET", keys.dead, *some)
            for job_id, letter in zip(some, letters, strict=True):
                match None if letter is None else read_json(letter):
                    case {"handler_id": str(handler)}:
                        found[_Kind(handler, "dead")].append(_event_id(job_id))
                    case _:
                        continue
        return self._of_interest(found)

    def _of_interest(self, stretch: _Stretch) -> _Stretch:
        """Count jobs, and return those that are to be judged."""
        for kind, ids in stretch.items():
            self._count(kind.handler).found[kind.state] += len(ids)
        return {kind: ids for kind, ids in stretch.items() if self._judges(kind.handler) is not None}

    async def _payloads(self, page: _Page) -> list[bytes | None]:
        ids = [event_id for _, part in page for event_id in part]
        envelopes: list[bytes | None] = await _reading(self._link, self._keys.events, "HMGET", self._keys.events, *ids)
        size = sum(len(envelope) for envelope in envelopes if envelope is not None) // len(envelopes) + 1
        self._page = max(min(_PAGE_BYTES // size, _LARGEST_PAGE), 1)
        return envelopes

    def _judge(self, page: _Page, envelopes: list[bytes | None]) -> None:
        at = 0
        for kind, ids in page:
            some, at = envelopes[at : at + len(ids)], at + len(ids)
            judge = self._judges(kind.handler)
            if judge is None:
                continue
            unpacked = [unpack(envelope) for envelope in some if envelope is not None]
            # Other jobs have moved on meanwhile, or a later release wrote them.
            bodies = [body for body in unpacked if body is not None]
            count = self._count(kind.handler)
            count.checked[kind.state] += len(bodies)
            for reason, refused in Counter(reason for reason in map(judge, bodies) if reason).items():
                count.refused[kind.state, reason] += refused

    def _count(self, handler: str) -> JobCount:
        count = self._counts.get(handler)
        if count is None:
            count = self._counts[handler] = JobCount()
        return count


async def count_waiting(partition: Broker) -> int:
    """Count the waiting, delayed and dead jobs of a partition.

    Raises:
        ConfigError: As `WaitingJobReader.read`.
    """
    link, keys = partition.link, partition.keys
    lengths = await _queue_lengths(link, keys)
    scheduled = await _reading(link, keys.scheduled, "ZCARD", keys.scheduled)
    dead = await _reading(link, keys.dead_index, "ZCARD", keys.dead_index)
    return sum(length for _, length in lengths) + int(scheduled) + int(dead)


async def _queue_lengths(link: PipelinedConnection, keys: Keys) -> list[tuple[str, int]]:
    """Return every handler that ever had a queue, with the number of jobs in it."""
    names = {name async for name in _members(link, keys.queues)}
    handlers = sorted(name for name in names if HandlerId.matches(name))
    queues = map(keys.queue, handlers)
    lengths = await asyncio.gather(*(_reading(link, queue, "LLEN", queue) for queue in queues))
    return list(zip(handlers, map(int, lengths), strict=True))


async def _members(link: PipelinedConnection, key: str) -> AsyncIterator[str]:
    cursor = b"0"
    while True:
        cursor, page = await _reading(link, key, "SSCAN", key, cursor, "COUNT", _NAMES)
        for name in page:
            yield text(name)
        if int(cursor) == 0:
            return


async def _reading(link: PipelinedConnection, key: str, *words: Any) -> Any:
    try:
        return await link.command(*words)
    except ResponseError as error:
        if is_wrong_type(error):
            raise ConfigError(f"{key} does not hold what upnext stores there: another program wrote it.") from error
        raise


def _event_id(entry: bytes) -> bytes:
    """Return the id of the event of a queue entry or a job: what stands before its position, and the counts of one."""
    return entry.rpartition(b".")[0]
