"""Storing events and submissions: one atomic write, repeated safely until the deadline."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Any, cast

from upnext.broker.failures import FailureKind, backoff, classify
from upnext.broker.job_ids import bucket_of, new_event_id, pack
from upnext.broker.publish_batcher import Message, PublishBatcher, Published, workers_of
from upnext.broker.redis_types import RedisError
from upnext.broker.replies import text
from upnext.broker.scripts import script
from upnext.deadlines import Deadlines
from upnext.errors import BrokerError, BrokerRefusedError, BrokerUnavailableError, SendOutcomeUnknownError
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys
    from upnext.deadlines import Limit

SEND_DEADLINE = 10.0
"""Seconds that a send may take before it is given up."""

_LAST_TRY = 0.25  # seconds that the last try must have left
_ROUTED_TTL = 24 * 3600
_ROUTE_BATCH = 100


class Publisher:
    """Publishes on one partition.

    Args:
        link: The connection.
        keys: The partition's keys.
    """

    def __init__(self, link: PipelinedConnection, keys: Keys) -> None:
        self._link = link
        self._keys = keys
        self._outboxes: dict[str, PublishBatcher] = {}
        self._deadlines = Deadlines(SEND_DEADLINE)

    async def publish(self, event: str, body: bytes, *, delay: float = 0.0, key: str | None = None) -> Published:
        """Store an event with one job for each of its handlers.

        Args:
            event: The event's name.
            body: The payload's JSON.
            delay: Seconds before the jobs may run.
            key: Idempotency key.

        Raises:
            BrokerUnavailableError: If nothing was stored.
            BrokerRefusedError: If the server will not serve this client.
            SendOutcomeUnknownError: If it may have been stored.
        """
        outbox = self._outboxes.get(event)
        if outbox is None:
            outbox = self._outboxes[event] = PublishBatcher(self._link, self._keys, event, event)
        return await self.store(message(body, delay, key, self._keys.partition), outbox)

    async def submit(self, task: str, body: bytes, *, delay: float = 0.0, key: str | None = None) -> Published:
        """Store one job of a task, named by its identity; the rest is as for `publish`."""
        scope = task_scope(task)
        outbox = self._outboxes.get(scope)
        if outbox is None:
            outbox = self._outboxes[scope] = PublishBatcher(self._link, self._keys, "", scope, (task,))
        return await self.store(message(body, delay, key, self._keys.partition), outbox)

    async def store(self, message: Message, outbox: PublishBatcher) -> Published:
        """Store a message, repeating it under its id until the server has it or the deadline has passed."""
        limit = self._deadlines.limit()
        try:
            with limit:
                try:
                    return await outbox.store(message)
                except (RedisError, OSError) as error:
                    return await self._persist(message, outbox, error, limit)
        except TimeoutError:
            if not limit.expired:
                raise
            raise SendOutcomeUnknownError(message.event_id) from None

    async def _persist(self, message: Message, outbox: PublishBatcher, error: Exception, limit: Limit) -> Published:
        failures, lost = 0, False
        while True:
            kind = classify(error)
            lost = lost or kind is FailureKind.LOST
            failures += 1
            pause = backoff(failures)
            # A try that the deadline may cut off would only leave in doubt what is certain now.
            if not kind.passes or pause + _LAST_TRY > limit.left:
                raise (SendOutcomeUnknownError(message.event_id) if lost else refusal(error, kind)) from error
            await asyncio.sleep(pause)
            try:
                return await outbox.store(message)
            except (RedisError, OSError) as again:
                error = again

    async def subscribe(self, event: str, handlers: Sequence[str]) -> None:
        """Subscribe handlers to an event, and move what was sent before its first handler into their queues.

        Raises:
            redis.exceptions.RedisError: Whatever the server makes of it; calling it again is safe.
        """
        keys = self._keys
        handlers = sorted(handlers)
        route = await self._link.call(
            script("subscribe"),
            (keys.versions, keys.subscriptions(event), keys.queues, keys.unrouted(event), keys.routes),
            (event, uuid.uuid4().hex, json.dumps(handlers), *handlers),
        )
        if route and not _is_route(route):
            # Another program's: the next try writes one of ours.
            log.warning("%s is no list of handlers in %s; it is thrown away", repr(bytes(route)), keys.routes)
            await self._link.command("HDEL", keys.routes, event)
            raise RedisError(f"the route of {event!r} was not readable")
        while route:
            batch = await self._link.command("LRANGE", keys.unrouted(event), 0, _ROUTE_BATCH - 1)
            if not batch or not await self._route(event, bytes(route), batch):
                return

    async def _route(self, event: str, route: bytes, batch: list[bytes]) -> bool:
        """Move one batch; False when nothing waits any more."""
        keys = self._keys
        handlers: list[str] = json.loads(route)
        workers = workers_of(handlers)
        left: Any = await self._link.call(
            script("route"),
            [keys.unrouted(event), keys.routes, keys.open, keys.scheduled, keys.queues]
            + [keys.queue(handler) for handler in handlers]
            + [keys.wake(worker) for worker in workers]
            + [keys.routed(text(entry).partition(" ")[0]) for entry in batch],
            (event, route, _ROUTED_TTL, len(handlers), len(workers), *handlers, *batch),
        )
        # -1: another worker moved this batch; look again.
        return bool(left)


def _is_route(route: bytes) -> bool:
    try:
        handlers: Any = json.loads(route)
    except ValueError:
        return False
    return isinstance(handlers, list) and all(isinstance(handler, str) for handler in cast("list[object]", handlers))


def message(body: bytes, delay: float = 0.0, key: str | None = None, partition: int = 0) -> Message:
    """Make a message with an id of its own."""
    event_id = new_event_id(partition)
    return Message(event_id, bucket_of(event_id), pack(body), round(delay * 1000), key)


def task_scope(task: str) -> str:
    """Return what the idempotency keys of a task are unique in."""
    return f"task:{task}"


def refusal(error: Exception, kind: FailureKind) -> BrokerError:
    """Return what a caller is told of a send that was not stored."""
    if kind is FailureKind.REFUSED:
        return BrokerRefusedError(f"The server refuses this client: {error}")
    return BrokerUnavailableError(f"Nothing was stored, the server did not take it: {error}")
