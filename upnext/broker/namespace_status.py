"""The status of a namespace, summed over all of its partitions."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from upnext.broker.activity import Activity, Unstored, summed
from upnext.broker.job_ids import bucket_of
from upnext.broker.outbox_reports import OutboxLag, OutboxReports
from upnext.broker.partial_results import PartialResultError, PartialResults
from upnext.broker.pauses import Pauses
from upnext.broker.protocols import StatusSource
from upnext.broker.redis_types import RedisError
from upnext.broker.schedules import ScheduleStatus, ScheduleStore
from upnext.broker.status import NamespaceStatus, QueueStatus, RemainingWork, UnroutedStatus
from upnext.broker.worker_status import WorkerStatus, by_life

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from upnext.broker.broker import Broker

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class NamespaceStatusReader(StatusSource):
    """Reads the status of a namespace, like `StatusReader` for one partition.

    Args:
        partitions: Finds the partitions.
    """

    def __init__(self, partitions: Callable[[], Awaitable[Sequence[Broker]]]) -> None:
        self._partitions = partitions

    async def read(self) -> NamespaceStatus:
        """Read it, in time that grows with partitions, workers and handlers, and not with jobs.

        Raises:
            PartlyUnseenError: If some partitions give no answer.
        """
        standing = await self.seen()
        if standing.unseen:
            raise PartialResultError(standing.unseen)
        return standing

    async def seen(self) -> NamespaceStatus:
        """Read what can be read; the result lists what cannot."""
        partitions = await self._partitions()
        sight, found = PartialResults(len(partitions)), list[NamespaceStatus]()
        reads = (partition.status_reader.read() for partition in partitions)
        for partition, answer in zip(partitions, await asyncio.gather(*reads, return_exceptions=True), strict=True):
            if isinstance(answer, BaseException):
                sight.miss(partition, answer)
            else:
                found.append(_with_waits(answer, partition.keys.partition, len(partitions)))
        standing = found[0] if len(found) == 1 else merged(found)
        first = partitions[0]
        paused = await _paused(first)
        gone = {queue.handler for queue in standing.queues if queue.is_gone and queue.handler not in paused}
        return replace(
            standing,
            queues=tuple(queue for queue in standing.queues if queue.handler not in gone),
            gone=tuple(sorted(gone)),
            unseen=tuple(sight.unseen),
            paused=paused,
            outboxes=await _outboxes(first),
            schedules=await _schedules(first, standing),
        )

    async def left(self) -> RemainingWork:
        """Read the remaining work at one moment, so that no moving job is missed.

        Where nothing is left in any partition, and none has stored an event since it was looked at, there was a moment
        at which nothing was left in all of them.
        """
        partitions = await self._partitions()
        while True:
            before = await _stored(partitions)
            found = await asyncio.gather(*(partition.status_reader.left() for partition in partitions))
            left = RemainingWork(sum(one.open for one in found), tuple(later for one in found for later in one.later))
            if len(partitions) == 1 or left.open or before == await _stored(partitions):
                return left


async def _paused(first: Broker) -> dict[str, float]:
    try:
        return await Pauses(first).read()
    except (RedisError, OSError):  # the partition is away, which is noted already, or another program's key is there
        return {}


async def _outboxes(first: Broker) -> tuple[OutboxLag, ...]:
    try:
        return await OutboxReports(first).read()
    except (RedisError, OSError):  # as above
        return ()


async def _schedules(first: Broker, standing: NamespaceStatus) -> tuple[ScheduleStatus, ...]:
    try:
        records = await ScheduleStore(first).read()
    except (RedisError, OSError):  # as above
        return ()
    served = {handler for worker in standing.workers if worker.alive for handler in worker.schedules}
    now = datetime.fromtimestamp(standing.now, UTC)
    return tuple(ScheduleStatus(record, record.handler in served, record.overdue(now)) for record in records)


async def _stored(partitions: Sequence[Broker]) -> list[int]:
    """Count recently stored events, by this machine's clock."""
    if len(partitions) == 1:
        return []
    now = int(time.time())
    buckets = sorted({bucket_of(f"{second * 1000:012x}") for second in range(now - 20, now + 20)})
    names = [(partition.link, partition.keys.sent(bucket)) for partition in partitions for bucket in buckets]
    return list(await asyncio.gather(*(link.command("SCARD", name) for link, name in names)))


def merged(parts: Sequence[NamespaceStatus]) -> NamespaceStatus:
    """Return the status of a namespace, merged from those of its partitions."""
    workers = _grouped((worker for part in parts for worker in part.workers), _process)
    queues = _grouped((queue for part in parts for queue in part.queues), lambda queue: queue.handler)
    unrouted = _grouped((waiting for part in parts for waiting in part.unrouted), lambda waiting: waiting.event)
    return NamespaceStatus(
        workers=tuple(sorted(map(_worker, workers), key=by_life)),
        queues=tuple(sorted(map(_queue, queues), key=lambda queue: queue.handler)),
        unrouted=tuple(sorted(map(_unrouted, unrouted), key=lambda waiting: waiting.event)),
        later=sum(part.later for part in parts),
        dead=sum(part.dead for part in parts),
        now=max((part.now for part in parts), default=0.0),
    )


def _grouped(entries: Iterable[T], key: Callable[[T], K]) -> list[list[T]]:
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for entry in entries:
        groups[key(entry)].append(entry)
    return list(groups.values())


def _process(worker: WorkerStatus) -> tuple[Hashable, ...]:
    """Return the parts of a worker's status that are the same in all partitions, each with its own id and lease."""
    # A dead one whose record is gone is counted separately.
    return (worker.worker, worker.host, worker.pid, worker.since) if worker.pid else (worker.id,)


def _worker(of: list[WorkerStatus]) -> WorkerStatus:
    return replace(
        of[0],
        claimed=sum(worker.claimed for worker in of),
        running=sum(worker.running for worker in of),
        renewed=max(worker.renewed for worker in of),
        alive=all(worker.alive for worker in of),
        activity=Activity(
            blocked=next((worker.activity.blocked for worker in of if worker.activity.blocked), None),
            running=tuple(job for worker in of for job in worker.activity.running),
            total=sum(worker.activity.total for worker in of),
            waiting=tuple(job for worker in of for job in worker.activity.waiting),
            ended=summed(worker.activity.ended for worker in of),
            unstored=_unstored([worker.activity.unstored for worker in of if worker.activity.unstored is not None]),
        ),
    )


def _unstored(of: list[Unstored]) -> Unstored | None:
    return Unstored(sum(one.jobs for one in of), of[0].cause) if of else None


def _queue(of: list[QueueStatus]) -> QueueStatus:
    waiting = [queue for queue in of if queue.waiting] or of
    return replace(
        of[0],
        waiting=sum(queue.waiting for queue in of),
        delayed=_total(queue.delayed for queue in of),
        retrying=_total(queue.retrying for queue in of),
        claimed=sum(queue.claimed for queue in of),
        lag=_longest(queue.lag for queue in of),
        served=all(queue.served for queue in waiting),
        subscribed=None if of[0].subscribed is None else any(queue.subscribed for queue in of),
        started=sum(queue.started for queue in of),
        in_line=sum(queue.in_line for queue in of),
        waits_for=next((queue.waits_for for queue in of if queue.waits_for), ""),
    )


def _with_waits(status: NamespaceStatus, partition: int, partitions: int) -> NamespaceStatus:
    """Mark for each queue of a partition whether its jobs wait for that partition's share of a limit."""
    queues = [replace(queue, waits_for=_waits_for(queue, partition, partitions)) for queue in status.queues]
    return replace(status, queues=tuple(queues))


def _waits_for(queue: QueueStatus, partition: int, partitions: int) -> str:
    if queue.limits.by is not None:
        return "value" if queue.in_line else ""
    part = queue.limits.share(partition, partitions)
    if queue.waiting and part.limit is not None and queue.claimed >= part.limit:
        return "slot"
    if queue.waiting and part.rate is not None and queue.started >= part.rate.starts:
        return "rate"
    return ""


def _unrouted(of: list[UnroutedStatus]) -> UnroutedStatus:
    return replace(of[0], events=sum(waiting.events for waiting in of), lag=_longest(waiting.lag for waiting in of))


def _total(numbers: Iterable[int | None]) -> int | None:
    known = list(numbers)
    return None if None in known else sum(number or 0 for number in known)


def _longest(lags: Iterable[float | None]) -> float | None:
    return max((lag for lag in lags if lag is not None), default=None)
