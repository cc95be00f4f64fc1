"""The status of a partition: workers, waiting jobs, leftovers. Reads in bounded pages and writes nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from upnext.broker.claims import is_claim, read_claim
from upnext.broker.foreign_data import is_wrong_type
from upnext.broker.handler_id import HandlerId
from upnext.broker.handler_limits import HandlerLimits
from upnext.broker.job_ids import sent_at
from upnext.broker.protocols import StatusSource
from upnext.broker.redis_types import ResponseError
from upnext.broker.replies import pairs, raw, scored, text
from upnext.broker.scripts import script
from upnext.broker.worker_status import WorkerStatus, by_life, limits_of, read_worker
from upnext.limits import MAX_DELAYED_COUNTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys
    from upnext.broker.outbox_reports import OutboxLag
    from upnext.broker.schedules import ScheduleStatus
    from upnext.broker.uniqueness import Uniqueness

_PAGE = 500


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The jobs of one handler.

    Attributes:
        handler: Its identity.
        waiting: Jobs that a worker could take now.
        delayed: Jobs that were sent with a delay which is not over; None if there are too many to tell them apart.
        retrying: Jobs that wait for their next attempt; None as for `delayed`.
        claimed: Jobs that a worker holds.
        lag: Seconds since the event of the first waiting job was sent; None if none waits.
        served: Whether a living worker has the handler.
        limits: What the handler is limited to, over all processes: of living workers that differ, the greater numbers.
        started: How many of its jobs have started within the time of its rate.
        waits_for: "slot", "rate" or "value" where jobs wait for one of these, in some partition; else "".
        in_line: Jobs that are put off because the value by which they are limited has no room.
        unique: What its jobs are unique by while they wait, as a living worker says; None if they are not.
        subscribed: Whether events queue jobs for it; None for a task, which is called by its name.
    """

    handler: str
    waiting: int
    delayed: int | None
    retrying: int | None
    claimed: int
    lag: float | None
    served: bool
    limits: HandlerLimits = HandlerLimits()  # noqa: RUF009  (which cannot be changed)
    started: int = 0
    waits_for: str = ""
    in_line: int = 0
    unique: Uniqueness | None = None
    subscribed: bool | None = None

    @property
    def is_gone(self) -> bool:
        """Whether its subscription was ended and nothing of it is left here; too many delayed jobs leave that open."""
        return self.subscribed is False and not self.served and self.idle and self.delayed is not None

    @property
    def parked(self) -> int:
        """How many jobs here, due now or later, no living worker will take; for later ones, as far as known."""
        return 0 if self.served else self.waiting + (self.delayed or 0) + (self.retrying or 0)

    @property
    def queues_for_nobody(self) -> bool:
        """Whether every send of its event queues a job here that no living worker will take."""
        return not self.served and self.subscribed is True

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do here."""
        return not (self.waiting or self.delayed or self.retrying or self.claimed)


@dataclass(frozen=True, slots=True)
class UnroutedStatus:
    """Events sent before the first handler connected: name, number, and the seconds since the first one."""

    event: str
    events: int
    lag: float | None


@dataclass(frozen=True, slots=True)
class UnreachablePartition:
    """A partition that could not be read, and why."""

    partition: int
    reason: str


@dataclass(frozen=True, slots=True)
class NamespaceStatus:
    """The status of a namespace; its parts are read one after the other while work continues.

    Attributes:
        workers: Every worker process, dead ones as long as they hold jobs.
        queues: Every handler that ever had a queue, without those that are gone.
        unrouted: Events that wait for a first handler.
        later: How many jobs are delayed or wait for their next attempt, all together.
        dead: How many dead letters there are.
        unseen: The partitions that all of this leaves out.
        now: The server's time, in seconds since 1970.
        paused: Each paused handler, with the server's time in seconds since when it is.
        outboxes: How far behind each outbox was when its relay last said so.
        schedules: Every schedule that was declared and not removed.
        gone: Handlers whose subscription was ended, and of which nothing is left to do.
    """

    workers: tuple[WorkerStatus, ...]
    queues: tuple[QueueStatus, ...]
    unrouted: tuple[UnroutedStatus, ...]
    later: int
    dead: int
    unseen: tuple[UnreachablePartition, ...] = ()
    now: float = 0.0
    paused: Mapping[str, float] = field(default_factory=dict[str, float])
    outboxes: tuple[OutboxLag, ...] = ()
    schedules: tuple[ScheduleStatus, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemainingWork:
    """The remaining work.

    Attributes:
        open: Jobs that wait or are claimed.
        later: `handler ticket` of the next jobs that are put off, each with the seconds until it is due.
    """

    open: int
    later: tuple[tuple[str, float], ...]


class StatusReader(StatusSource):
    """Reads the status of one partition.

    Args:
        link: The connection.
        keys: The partition's keys.
    """

    def __init__(self, link: PipelinedConnection, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def read(self) -> NamespaceStatus:
        """Read it, in time that grows with workers and handlers, and not with jobs."""
        keys = self._keys
        # The time last, and at once: a lease that was renewed after it would seem to have been renewed just then.
        leases, (seconds, micros) = await asyncio.gather(
            self._link.command("ZRANGE", keys.leases, 0, -1, "WITHSCORES"), self._link.command("TIME")
        )
        now = int(seconds) + int(micros) / 1e6
        held: Counter[str] = Counter()
        workers = tuple([worker async for worker in self._workers(leases, now, held)])
        dead, later = await asyncio.gather(
            self._link.command("ZCARD", keys.dead_index), self._link.command("ZCARD", keys.scheduled)
        )
        put_off = await self._put_off() if later <= MAX_DELAYED_COUNTED else None
        served = {handler for worker in workers if worker.alive for handler in worker.handlers}
        queues = tuple([queue async for queue in self._queues(now, held, put_off, served, workers)])
        # Their events still have a version, as if there were a subscriber, unless the subscriptions were ended.
        unheard = {raw(HandlerId.parse(queue.handler).event) for queue in queues if queue.subscribed is False}
        return NamespaceStatus(
            workers=tuple(sorted(workers, key=by_life)),
            queues=queues,
            unrouted=tuple([unrouted async for unrouted in self._unrouted(now, unheard)]),
            later=later,
            dead=dead,
            now=now,
        )

    async def living(self) -> list[WorkerStatus]:
        """Read only the living workers, without what they hold."""
        keys = self._keys
        reply, (seconds, micros) = await asyncio.gather(
            self._link.command("ZRANGE", keys.leases, 0, -1, "WITHSCORES"), self._link.command("TIME")
        )
        now = int(seconds) + int(micros) / 1e6
        left = {text(worker_id): ends / 1000 - now for worker_id, ends in scored(reply)}
        workers: list[WorkerStatus] = []
        for page in _pages(sorted(worker_id for worker_id, seconds in left.items() if seconds > 0)):
            records = await self._link.command("HMGET", keys.workers, *page)
            read = zip(page, records, strict=True)
            workers += [read_worker(worker_id, record, left[worker_id], 0, 0) for worker_id, record in read]
        return workers

    async def left(self) -> RemainingWork:
        """Read the remaining work of few handlers and workers at one moment, so that no moving job is missed."""
        keys = self._keys
        while True:
            handlers = [text(name) for name in await self._link.command("SMEMBERS", keys.queues)]
            leases = await self._link.command("ZRANGE", keys.leases, 0, -1)
            graves = await self._link.command("SMEMBERS", keys.dead_workers)
            later = scored(await self._link.command("ZRANGE", keys.scheduled, 0, _PAGE - 1, "WITHSCORES"))
            claims = [keys.claims(text(worker_id)) for worker_id in (*leases, *graves)]
            names = [keys.queues, keys.leases, keys.dead_workers, keys.scheduled, *claims, *map(keys.queue, handlers)]
            seen = await self._link.call(script("left"), names, (len(claims),))
            if seen[:2] == [len(handlers), len(claims)] and (seen[2] == len(later) or len(later) == _PAGE):
                now = await self._link.command("TIME")
                return RemainingWork(seen[3], tuple((text(member), due / 1000 - int(now[0])) for member, due in later))

    async def _workers(self, reply: Any, now: float, held: Counter[str]) -> AsyncIterator[WorkerStatus]:
        keys = self._keys
        leases = {text(worker_id): ends for worker_id, ends in scored(reply)}
        graves = {text(grave) for grave in await self._link.command("SMEMBERS", keys.dead_workers)}
        for page in _pages(sorted(leases.keys() | graves)):
            records = await self._link.command("HMGET", keys.workers, *page)
            for worker_id, record in zip(page, records, strict=True):
                claimed, running = await self._claims(worker_id, held)
                yield read_worker(worker_id, record, leases.get(worker_id, 0.0) / 1000 - now, claimed, running)

    async def _claims(self, worker_id: str, held: Counter[str]) -> tuple[int, int]:
        claimed = running = 0
        async for name, value in self._scan("HSCAN", self._keys.claims(worker_id)):
            if is_claim(name, value):
                claim = read_claim(name, value)
                held[claim.handler] += 1
                claimed, running = claimed + 1, running + claim.started
        return claimed, running

    async def _put_off(self) -> tuple[Counter[str], Counter[str]]:
        """Count delayed sends and retries by handler."""
        delayed: Counter[str] = Counter()
        retrying: Counter[str] = Counter()
        for start in range(0, MAX_DELAYED_COUNTED, _PAGE):
            members = await self._link.command("ZRANGE", self._keys.scheduled, start, start + _PAGE - 1)
            for member in members:
                handler, _, ticket = member.decode(errors="replace").rpartition(" ")
                (retrying if ":" in ticket else delayed)[handler] += 1
            if len(members) < _PAGE:
                break
        return delayed, retrying

    async def _queues(
        self,
        now: float,
        held: Counter[str],
        put_off: tuple[Counter[str], Counter[str]] | None,
        served: set[str],
        workers: Sequence[WorkerStatus],
    ) -> AsyncIterator[QueueStatus]:
        limits = limits_of(workers)
        uniqueness = {name: unique for each in workers if each.alive for name, unique in each.uniqueness.items()}
        known = {name.decode(errors="replace") async for name, _ in self._scan("SSCAN", self._keys.queues)}
        handlers = sorted({name for name in known | set(held) if HandlerId.matches(name)})
        delayed, retrying = put_off or (Counter[str](), Counter[str]())
        for page in _pages(handlers):
            depths = await self._depths([self._keys.queue(handler) for handler in page])
            for handler, (waiting, head) in zip(page, depths, strict=True):
                yield QueueStatus(
                    handler=handler,
                    waiting=waiting,
                    delayed=None if put_off is None else delayed[handler],
                    retrying=None if put_off is None else retrying[handler],
                    claimed=held[handler],
                    lag=_age(head, now),
                    served=handler in served,
                    limits=limits.get(handler, HandlerLimits()),
                    started=await self._started(handler, limits.get(handler), now),
                    in_line=await self._in_line(handler, limits.get(handler)),
                    unique=uniqueness.get(handler),
                    subscribed=await self._is_subscribed(handler),
                )

    async def _is_subscribed(self, handler: str) -> bool | None:
        identity = HandlerId.parse(handler)
        if identity.is_task:
            return None
        try:
            return bool(await self._link.command("HEXISTS", self._keys.subscriptions(identity.event), handler))
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            return True  # another program's key is in the way: nothing shows that it ended

    async def _started(self, handler: str, limits: HandlerLimits | None, now: float) -> int:
        if limits is None or limits.rate is None or limits.by is not None:
            return 0
        since = f"({(now - limits.rate.seconds) * 1000:.0f}"
        return int(await self._link.command("ZCOUNT", self._keys.starts(handler), since, "+inf"))

    async def _in_line(self, handler: str, limits: HandlerLimits | None) -> int:
        if limits is None or limits.by is None:
            return 0
        return int(await self._link.command("ZCARD", self._keys.line(handler)))

    async def _unrouted(self, now: float, unheard: set[bytes]) -> AsyncIterator[UnroutedStatus]:
        waiting = unheard | {event async for event, version in self._scan("HSCAN", self._keys.versions) if not version}
        waiting |= {event async for event, _ in self._scan("HSCAN", self._keys.routes)}
        for page in _pages(sorted(event.decode(errors="replace") for event in waiting)):
            depths = await self._depths([self._keys.unrouted(event) for event in page])
            for event, (events, head) in zip(page, depths, strict=True):
                if events:
                    yield UnroutedStatus(event, events, _age(head, now))

    async def _depths(self, lists: Sequence[str]) -> list[tuple[int, bytes | None]]:
        lengths = await asyncio.gather(*(self._link.command("LLEN", name) for name in lists))
        heads = await asyncio.gather(*(self._link.command("LINDEX", name, 0) for name in lists))
        return list(zip(lengths, heads, strict=True))

    async def _scan(self, command: str, key: str) -> AsyncIterator[tuple[bytes, bytes]]:
        """Iterate over one hash or set, page by page."""
        cursor = b"0"
        while True:
            cursor, page = await self._link.command(command, key, cursor, "COUNT", _PAGE)
            for entry in pairs(page) if command == "HSCAN" else [(member, b"") for member in page]:
                yield entry
            if int(cursor) == 0:
                return


def _pages(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _PAGE] for start in range(0, len(names), _PAGE)]


def _age(head: bytes | None, now: float) -> float | None:
    sent = None if head is None else sent_at(head.decode(errors="replace"))
    return None if sent is None else max(now - sent, 0.0)
