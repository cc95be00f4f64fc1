"""Storing events and submissions: one atomic write, repeated safely until the deadline."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from upnext.broker import weather
from upnext.broker.scripts import script
from upnext.broker.tickets import bucket_of, new_event_id, pack
from upnext.errors import BrokerError, BrokerRefusedError, BrokerUnavailableError, SendOutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.keys import Keys
    from upnext.broker.link import Link

SEND_DEADLINE = 10.0
"""Seconds that a send may take before it is given up."""

KEY_TTL = 24 * 3600
"""Seconds that an idempotency key is remembered."""

_ID_TTL = 60  # far beyond the deadline, within which a send may be repeated
_ROUTED_TTL = 24 * 3600
_ROUTE_BATCH = 100


@dataclass(frozen=True, slots=True)
class Published:
    """What the server stored.

    Attributes:
        event_id: The event's id, or that of the first send with the same key.
        handlers: The identities of the handlers that each got a job, in the order of the jobs.
        repeated: Whether this send stored nothing, because its key was used before.
    """

    event_id: str
    handlers: tuple[str, ...]
    repeated: bool = False


@dataclass(slots=True)
class _Subscriptions:
    version: str = ""
    handlers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Message:
    """What is sent: `event` is "" for a task, `scope` is what its idempotency key is unique in."""

    event_id: str
    event: str
    scope: str
    envelope: bytes
    delay: float
    key: str | None


class Publisher:
    """Publishes on one partition.

    Args:
        link: The connection.
        keys: The partition's keys.
    """

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys
        self._known: dict[str, _Subscriptions] = {}

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
        known = self._known.setdefault(event, _Subscriptions())
        return await self._store(_Message(new_event_id(), event, event, pack(body), delay, key), known)

    async def submit(self, task: str, body: bytes, *, delay: float = 0.0, key: str | None = None) -> Published:
        """Store one job of a task, named by its identity; the rest is as for `publish`."""
        message = _Message(new_event_id(), "", f"task:{task}", pack(body), delay, key)
        return await self._store(message, _Subscriptions("", (task,)))

    async def _store(self, message: _Message, known: _Subscriptions) -> Published:
        try:
            async with asyncio.timeout(SEND_DEADLINE):
                return await self._persist(message, known)
        except TimeoutError:
            raise SendOutcomeUnknownError(message.event_id) from None

    async def _persist(self, message: _Message, known: _Subscriptions) -> Published:
        give_up = monotonic() + SEND_DEADLINE
        failures, lost = 0, False
        while True:
            try:
                return await self._attempt(message, known)
            except (RedisError, OSError) as error:
                kind = weather.read(error)
                lost = lost or kind is weather.Weather.LOST
                failures += 1
                pause = weather.backoff(failures)
                if not kind.passes or monotonic() + pause > give_up:
                    raise (SendOutcomeUnknownError(message.event_id) if lost else _refusal(error, kind)) from error
                await asyncio.sleep(pause)

    async def _attempt(self, message: _Message, known: _Subscriptions) -> Published:
        """Store a message for the handlers that are known to be subscribed, as often as that turns out to be stale."""
        while True:
            handlers = known.handlers
            remembered, ttl = ("", 0) if message.key is None else (json.dumps([message.event_id, handlers]), KEY_TTL)
            words = (message.event_id, message.event, known.version, message.envelope, round(message.delay * 1000))
            reply = await self._link.call(
                script("publish"),
                self._publish_keys(message, handlers),
                (*words, _ID_TTL, ttl, remembered, len(handlers), *handlers),
            )
            status = bytes(reply[0])
            if status == b"same":
                first_id, first_handlers = json.loads(reply[1])
                return Published(first_id, tuple(first_handlers), repeated=first_id != message.event_id)
            if status != b"stale":
                return Published(message.event_id, handlers)
            known.version = reply[1].decode()
            known.handlers = tuple(sorted(handler.decode() for handler in reply[2:]))

    def _publish_keys(self, message: _Message, handlers: Sequence[str]) -> list[str]:
        keys = self._keys
        return [
            keys.events,
            keys.open,
            keys.sent(bucket_of(message.event_id)),
            keys.versions,
            keys.later,
            keys.unrouted(message.event),
            keys.subscriptions(message.event),
            keys.queues,
            keys.events if message.key is None else keys.idempotency(message.scope, message.key),
            *(keys.queue(handler) for handler in handlers),
            *(keys.wake(worker) for worker in workers_of(handlers)),
        ]

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
            [keys.unrouted(event), keys.routes, keys.open, keys.later, keys.queues]
            + [keys.queue(handler) for handler in handlers]
            + [keys.wake(worker) for worker in workers]
            + [keys.routed(entry.split()[0].decode()) for entry in batch],
            (event, route, _ROUTED_TTL, len(handlers), len(workers), *handlers, *batch),
        )
        # -1: another worker moved this batch; look again.
        return bool(left)


def workers_of(handlers: Sequence[str]) -> list[str]:
    """Return the names of the workers that handlers belong to, each once."""
    return sorted({handler.split("|", 1)[0] for handler in handlers})


def _refusal(error: Exception, kind: weather.Weather) -> BrokerError:
    if kind is weather.Weather.REFUSED:
        return BrokerRefusedError(f"The server refuses this client: {error}")
    return BrokerUnavailableError(f"Nothing was stored, the server did not take it: {error}")
