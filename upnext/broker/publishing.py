"""Storing events and submissions: one atomic write, repeated safely until the deadline."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING

from upnext.broker.backlog import Backlog, SendDeadlines, silence
from upnext.broker.failures import FailureKind, backoff, classify, describe_failure, describe_refusal
from upnext.broker.foreign_data import naming_foreign_key, warn_foreign
from upnext.broker.handler_id import HandlerId
from upnext.broker.idempotency import task_scope
from upnext.broker.job_ids import bucket_of, in_partition, new_event_id, pack
from upnext.broker.protocols import EventPublisher
from upnext.broker.publish_batcher import Message, PublishBatcher, Published, read_joined, workers_of
from upnext.broker.redis_types import RedisError, TryAgainError
from upnext.broker.replies import names_in, read_json, shown, text
from upnext.broker.scripts import script
from upnext.broker.uniqueness import Uniqueness, written
from upnext.errors import BrokerError, BrokerRefusedError, BrokerUnavailableError, SendOutcomeUnknownError
from upnext.limits import MAX_HANDLERS, MAX_ROUTE_RACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

_LAST_TRY = 0.25  # seconds that must be left for the last try
_ROUTED_TTL = 24 * 3600
_ROUTE_BATCH = 100


class Publisher(EventPublisher):
    """Publishes on one partition.

    Args:
        link: The connection.
        keys: The partition's keys.
        backlog: Counts what waits to be stored; None for a partition on its own.
    """

    def __init__(self, link: PipelinedConnection, keys: Keys, backlog: Backlog | None = None) -> None:
        self._link = link
        self._keys = keys
        self._backlog = backlog or Backlog()
        self._batchers: dict[str, PublishBatcher] = {}
        self._deadlines = SendDeadlines(self._backlog.deadline, link.moved)

    async def publish(
        self,
        event: str,
        body: bytes,
        *,
        delay: float = 0.0,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        event_id: str | None = None,
        partitions: int = 1,
    ) -> Published:
        """Store an event with one job for each of its handlers.

        With more than one of `partitions` to choose from, a `StoredElsewhereError` says that it belongs in another one,
        because of what its handlers' jobs are unique by.
        """
        batcher = self._batchers.get(event)
        if batcher is None:
            batcher = self._batchers[event] = PublishBatcher(self._link, self._keys, event, event)
        return await self.store(
            message(body, delay, key, self._keys.partition, headers=headers, made_id=event_id, partitions=partitions),
            batcher,
        )

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
        partitions: int = 1,
    ) -> Published:
        """Store one job of a task, named by its identity; the rest is as for `publish`."""
        scope = task_scope(task)
        batcher = self._batchers.get(scope)
        if batcher is None or batcher.uniqueness.get(task) != unique:
            batcher = self._batchers[scope] = PublishBatcher(self._link, self._keys, "", scope, (task,))
            batcher.uniqueness = {} if unique is None else {task: unique}
        return await self.store(
            message(body, delay, key, self._keys.partition, headers=headers, made_id=event_id, partitions=partitions),
            batcher,
        )

    def places(self, scope: str, key: str) -> frozenset[int]:  # noqa: ARG002
        """Return this partition."""
        return frozenset((self._keys.partition,))

    async def joined(self, event_id: str) -> dict[int, str]:
        """Return the jobs that replace those of an event that were not created, by the numbers of the latter."""
        return read_joined(await self._link.command("HGETALL", self._keys.joined(event_id)))

    async def store(self, message: Message, batcher: PublishBatcher) -> Published:
        """Store a message, repeating it under its id until the server has it or has been silent for too long."""
        limit, size, stored = self._deadlines.limit(), len(message.envelope), False
        self._backlog.add(size)
        in_doubt = False
        try:
            with limit:
                failures = 0
                while True:
                    try:
                        published = await batcher.store(message)
                    except (RedisError, OSError) as error:
                        kind = classify(error)
                        in_doubt = in_doubt or kind.leaves_doubt
                        failures, limit.failed = failures + 1, True
                        pause = backoff(failures)
                        # A try that the deadline may cut off would only make a certain outcome uncertain.
                        if not kind.passes or pause + _LAST_TRY > limit.left:
                            raise (
                                SendOutcomeUnknownError(message.event_id) if in_doubt else refusal(error, kind)
                            ) from error
                        await asyncio.sleep(pause)
                    else:
                        if published.repeated and batcher.uniqueness:
                            published.joined = await self.joined(published.event_id)
                        stored = True
                        self._deadlines.stored = asyncio.get_running_loop().time()
                        return published
        except TimeoutError:
            if not limit.expired:
                raise
            if batcher.withdraw(message) and not in_doubt:
                raise silence(self._backlog.deadline) from None
            raise SendOutcomeUnknownError(message.event_id) from None
        finally:
            self._backlog.remove(size, stored=stored)

    async def subscribe(
        self, event: str, handlers: Sequence[str], uniqueness: Mapping[str, Uniqueness] | None = None
    ) -> None:
        """Subscribe handlers to an event, and move what was sent before its first handler into their queues.

        Args:
            event: The event's name.
            handlers: Their identities.
            uniqueness: What the jobs of some of them are unique by.

        Raises:
            ForeignDataError: If another program's key is in the way.
            redis.exceptions.RedisError: Whatever the server makes of it; calling it again is safe.
        """
        handlers = sorted(handlers)
        for _ in range(MAX_ROUTE_RACES):
            route = await self._subscribe(event, handlers, uniqueness or {})
            if not route or await self._route_all(event, route):
                return
        raise TryAgainError(f"what was sent before the first handler of {event!r} keeps changing")

    async def _subscribe(self, event: str, handlers: Sequence[str], uniqueness: Mapping[str, Uniqueness]) -> bytes:
        """Subscribe handlers; returns the route of events that wait for a first handler, b"" if there are none."""
        keys = self._keys
        names = (keys.versions, keys.subscriptions(event), keys.queues, keys.unrouted(event), keys.routes)
        words = (event, uuid.uuid4().hex, json.dumps(handlers), *written(handlers, uniqueness))
        async with naming_foreign_key(self._link, dict.fromkeys((names[1], keys.versions, keys.routes), "HLEN")):
            route: bytes = await self._link.call(script("subscribe"), names, words)
        if route and not _is_route(route, event):
            warn_foreign(keys.routes, f"{shown(text(route))!r} is not a list of handlers; it is deleted")
            await self._link.command("HDEL", keys.routes, event)
            raise TryAgainError(f"the route of {event!r} was not readable")
        return bytes(route)

    async def _route_all(self, event: str, route: bytes) -> bool:
        """Move everything that waits for a first handler; False if that was changed concurrently."""
        while True:
            batch = await self._link.command("LRANGE", self._keys.unrouted(event), 0, _ROUTE_BATCH - 1)
            if not batch:
                return True
            left = await self._route(event, route, batch)
            if left <= 0:
                return left == 0

    async def _route(self, event: str, route: bytes, batch: list[bytes]) -> int:
        """Move one batch; returns how many still wait, -1 if another process has moved it or changed the route."""
        keys = self._keys
        handlers: list[str] = json.loads(route)
        workers = workers_of(handlers)
        return int(
            await self._link.call(
                script("route"),
                [keys.unrouted(event), keys.routes, keys.open, keys.scheduled, keys.queues]
                + [keys.queue(handler) for handler in handlers]
                + [keys.wake(worker) for worker in workers]
                + [keys.routed(text(entry).partition(" ")[0]) for entry in batch],
                (event, route, _ROUTED_TTL, len(handlers), len(workers), *handlers, *batch),
            )
        )


def _is_route(route: bytes, event: str) -> bool:
    handlers = names_in(read_json(route)) or ()
    return 0 < len(handlers) <= MAX_HANDLERS and all(HandlerId.is_of(handler, event) for handler in handlers)


def message(
    body: bytes,
    delay: float = 0.0,
    key: str | None = None,
    partition: int = 0,
    *,
    headers: Mapping[str, str] | None = None,
    made_id: str | None = None,
    partitions: int = 1,
) -> Message:
    """Create a message, with a new id or an existing one, perhaps for another number of partitions."""
    event_id = new_event_id(partition) if made_id is None else in_partition(made_id, partition)
    return Message(event_id, bucket_of(event_id), pack(body, headers), round(delay * 1000), key, partitions)


def refusal(error: Exception, kind: FailureKind) -> BrokerError:
    """Return the error of a send that was not stored."""
    if kind is FailureKind.REFUSED:
        return BrokerRefusedError(f"The server rejects this client: {describe_refusal(error)}")
    if kind is FailureKind.FULL:
        return BrokerUnavailableError(
            "Nothing was stored, the server's memory is full (maxmemory): raise it, or let the workers catch up."
        )
    if kind is FailureKind.PASSING:
        return BrokerUnavailableError(f"Nothing was stored, {describe_failure(error)}: {error}")
    return BrokerUnavailableError(f"Nothing was stored, the server did not take it: {error}")
