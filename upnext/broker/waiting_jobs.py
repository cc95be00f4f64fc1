"""Looking through the payloads of jobs that wait, as many as there may be, without getting in the way of workers.

Everything is read in pages of a few megabytes at the most, each of commands that only read; while one page is judged
the next one is on its way. Workers go on meanwhile, so that a job may be seen twice, or be missed while it moves.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from upnext.broker.foreign_data import is_wrong_type
from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import unpack
from upnext.broker.redis_types import ResponseError
from upnext.broker.replies import read_json, text
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.broker import Broker
    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

Judge: TypeAlias = Callable[[bytes], str]
"""Says why a payload, as JSON, cannot be taken, "" if it can."""

Judges: TypeAlias = Callable[[str], "Judge | None"]
"""Returns the judge of a handler's payloads, by its identity; None if they are not to be looked at."""

_FIRST_PAGE, _LARGEST_PAGE = 50, 1000  # jobs
_PAGE_BYTES = 4_000_000
_NAMES = 500


@dataclass(slots=True)
class JobCount:
    """The jobs of one handler that wait.

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


_Job: TypeAlias = tuple[_Kind, bytes]
"""What a job is, and the id of its event."""


class WaitingJobReader:
    """Looks through the jobs of one partition.

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

    async def _walk(self, length: int, read: Callable[[int, int], Awaitable[list[_Job]]]) -> None:
        """Go through a queue page by page; the payloads of a page are fetched while the one before is judged.

        Args:
            length: How many there are.
            read: Reads jobs from a place on, and how many.
        """
        at, judging = 0.0, None
        while at < length:
            size = self._page
            jobs = await read(int(at), size)
            payloads = asyncio.ensure_future(self._payloads(jobs))
            if judging is not None:
                self._judge(*judging)
            judging = jobs, await payloads
            at += max(size / self._share, 1.0)
        if judging is not None:
            self._judge(*judging)

    async def _waiting(self, handler: str, at: int, size: int) -> list[_Job]:
        key = self._keys.queue(handler)
        entries = await _reading(self._link, key, "LRANGE", key, at, at + size - 1)
        kind = _Kind(handler, "waiting")
        return [(kind, _event_id(entry)) for entry in entries]

    async def _scheduled(self, at: int, size: int) -> list[_Job]:
        key = self._keys.scheduled
        members = await _reading(self._link, key, "ZRANGE", key, at, at + size - 1)
        jobs: list[_Job] = []
        for member in members:
            name, _, entry = member.rpartition(b" ")
            kind = _Kind(text(name), "retrying" if b":" in entry else "delayed")
            jobs.append((kind, _event_id(entry)))
            self._count(kind.handler).found[kind.state] += 1
        return self._of_interest(jobs)

    async def _dead(self, at: int, size: int) -> list[_Job]:
        keys = self._keys
        ids = await _reading(self._link, keys.dead_index, "ZRANGE", keys.dead_index, at, at + size - 1)
        letters: list[bytes | None] = await _reading(self._link, keys.dead, "HMGET", keys.dead, *ids) if ids else []
        jobs: list[_Job] = []
        for job_id, letter in zip(ids, letters, strict=True):
            match None if letter is None else read_json(letter):
                case {"handler_id": str(handler)}:
                    jobs.append((_Kind(handler, "dead"), _event_id(job_id)))
                    self._count(handler).found["dead"] += 1
                case _:
                    continue
        return self._of_interest(jobs)

    def _of_interest(self, jobs: list[_Job]) -> list[_Job]:
        return [job for job in jobs if self._judges(job[0].handler) is not None]

    async def _payloads(self, jobs: Sequence[_Job]) -> list[bytes | None]:
        if not jobs:
            return []
        ids = [event_id for _, event_id in jobs]
        envelopes: list[bytes | None] = await _reading(self._link, self._keys.events, "HMGET", self._keys.events, *ids)
        size = sum(len(envelope) for envelope in envelopes if envelope is not None) // len(envelopes) + 1
        self._page = max(min(_PAGE_BYTES // size, _LARGEST_PAGE), 1)
        return envelopes

    def _judge(self, jobs: Sequence[_Job], envelopes: Sequence[bytes | None]) -> None:
        kinds = (kind for kind, _ in jobs)
        for kind, group in groupby(zip(kinds, envelopes, strict=True), key=lambda job: job[0]):
            judge = self._judges(kind.handler)
            if judge is None:
                continue
            unpacked = (unpack(envelope) for _, envelope in group if envelope is not None)
            # Others have moved on meanwhile, or a later release wrote them.
            bodies = [body for body in unpacked if body is not None]
            count = self._count(kind.handler)
            count.checked[kind.state] += len(bodies)
            reasons = Counter(reason for body in bodies if (reason := judge(body)))
            for reason, refused in reasons.items():
                count.refused[kind.state, reason] += refused

    def _count(self, handler: str) -> JobCount:
        count = self._counts.get(handler)
        if count is None:
            count = self._counts[handler] = JobCount()
        return count


async def count_waiting(partition: Broker) -> int:
    """Count the jobs of a partition that wait, are put off, or are dead.

    Raises:
        ConfigError: As `WaitingJobReader.read`.
    """
    link, keys = partition.link, partition.keys
    lengths = await _queue_lengths(link, keys)
    scheduled = await _reading(link, keys.scheduled, "ZCARD", keys.scheduled)
    dead = await _reading(link, keys.dead_index, "ZCARD", keys.dead_index)
    return sum(length for _, length in lengths) + int(scheduled) + int(dead)


async def _queue_lengths(link: PipelinedConnection, keys: Keys) -> list[tuple[str, int]]:
    """Return every handler that ever had a queue, and how many jobs wait in it."""
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
    return entry.partition(b":")[0].rpartition(b".")[0]
