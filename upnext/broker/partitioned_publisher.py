"""Sends to a namespace with several partitions; the id of an event names its partition."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from upnext.broker.backlog import SEND_DEADLINE
from upnext.broker.failures import backoff, classify
from upnext.broker.idempotency import IdempotencyKey, read_record, task_scope, write_record
from upnext.broker.job_ids import partition_of
from upnext.broker.partition_count import PartitionCount
from upnext.broker.protocols import EventPublisher
from upnext.broker.publish_batcher import Published, StoredElsewhereError, foreign_record
from upnext.broker.publishing import refusal
from upnext.broker.redis_types import RedisError, TryAgainError
from upnext.limits import MAX_STALE_REPLIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from upnext.broker.broker import Broker
    from upnext.broker.publishing import Publisher
    from upnext.broker.uniqueness import Uniqueness

T = TypeVar("T")

_TOGETHER = 128  # as many as one script stores
_KEY_TTL = 24 * 3600  # as long as a key is remembered where it was used


class PartitionedPublisher(EventPublisher):
    """Publishes on several partitions, as `Publisher` does on one.

    Events without a key go to the partitions in turn, one with a key to the partition that follows from it. Where jobs
    of its handlers are unique, an event goes to the one that follows from what they are unique by.

    Args:
        partitions: How many there are.
        partition: Gives one of them by its number, also one beyond those that are sent to.
        deadline: Seconds after which a question that comes before a send is given up.
    """

    def __init__(self, partitions: int, partition: Callable[[int], Broker], deadline: float = SEND_DEADLINE) -> None:
        self._count = partitions
        self._deadline = deadline
        self._partition = partition
        self._turn = itertools.cycle(range(partitions))
        for _ in range(random.randrange(partitions)):  # noqa: S311  # short-lived senders must not all begin with one
            next(self._turn)
        self._here: Broker | None = None
        self._room = 0
        self._agreeing: asyncio.Task[None] | None = None
        self._agreed = False
        self._elsewhere: dict[int, float] = {}

    async def publish(
        self,
        event: str,
        body: bytes,
        *,
        delay: float = 0.0,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        event_id: str | None = None,
    ) -> Published:
        """Store an event, as `Publisher.publish` does."""
        partitions = self._choice(event_id)
        return await self._send(
            event,
            key,
            lambda to: to.publish(
                event, body, delay=delay, key=key, headers=headers, event_id=event_id, partitions=partitions
            ),
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
    ) -> Published:
        """Store one job of a task, as `Publisher.submit` does."""
        partitions = self._choice(event_id)
        return await self._send(
            task_scope(task),
            key,
            lambda to: to.submit(
                task,
                body,
                delay=delay,
                key=key,
                headers=headers,
                event_id=event_id,
                unique=unique,
                partitions=partitions,
            ),
        )

    def places(self, scope: str, key: str) -> frozenset[int]:
        """Return where a send is stored, and where senders with other numbers of partitions look for its key."""
        numbers = [self._count, *self._other_counts()]
        return frozenset(place_of(scope, key, number) for number in numbers)

    async def _send(self, scope: str, key: str | None, store: Callable[[Publisher], Awaitable[Published]]) -> Published:
        if not self._agreed:
            await self._agree()
        to = self._next() if key is None else self._partition(place_of(scope, key, self._count))
        for _ in range(MAX_STALE_REPLIES):
            try:
                return await self._store(to, scope, key, store)
            except StoredElsewhereError as elsewhere:
                to = self._partition(elsewhere.partition)
        error = TryAgainError(f"what the jobs of {scope!r} are unique by keeps changing")
        raise refusal(error, classify(error))

    async def _store(
        self, to: Broker, scope: str, key: str | None, store: Callable[[Publisher], Awaitable[Published]]
    ) -> Published:
        if key is None:
            return await store(to.publisher)
        home = self._partition(place_of(scope, key, self._count))
        others = [other for other in {home: None} | dict.fromkeys(self._other_places(scope, key)) if other is not to]
        idempotency_key = IdempotencyKey(scope, key)
        for other in others:
            record = await retry_until_deadline(partial(_find_record, other, idempotency_key), self._deadline)
            if record is not None:
                return await self._first_send(record, key)
        published = await store(to.publisher)
        record_text = write_record(published.event_id, published.handlers)
        for other in others:
            # For senders that still use another number. Without it the send is stored all the same.
            with suppress(RedisError, OSError):
                await _write_record(other, idempotency_key, record_text)
        return published

    async def _first_send(self, record: bytes, key: str) -> Published:
        try:
            event_id, handlers = read_record(record)
        except ValueError:
            raise foreign_record(key) from None
        there = self._partition(partition_of(event_id))
        joined = await retry_until_deadline(partial(there.publisher.joined, event_id), self._deadline)
        return Published(event_id, handlers, repeated=True, joined=joined)

    def _choice(self, event_id: str | None) -> int:
        """Return how many partitions a send can be stored in: an id made before decides by itself."""
        return self._count if event_id is None else 1

    def _next(self) -> Broker:
        """Return the partition for this iteration of the event loop, so that concurrent sends are stored together."""
        if self._here is None or self._room == 0:
            if self._here is None:
                asyncio.get_running_loop().call_soon(self._move_on)
            self._here, self._room = self._partition(next(self._turn)), _TOGETHER
        self._room -= 1
        return self._here

    def _move_on(self) -> None:
        self._here = None

    def _other_places(self, scope: str, key: str) -> list[Broker]:
        """Return where senders with other numbers of partitions look for this key, or did within its time."""
        places = {place_of(scope, key, number) for number in self._other_counts()}
        return [self._partition(place) for place in sorted(places)]

    def _other_counts(self) -> list[int]:
        now = monotonic()
        return [number for number, until in self._elsewhere.items() if now < until]

    async def _agree(self) -> None:
        """Let all waiting callers share a single agreement."""
        if self._agreeing is None:
            self._agreeing = asyncio.create_task(self._learn())
            self._agreeing.add_done_callback(self._forget)
        await asyncio.shield(self._agreeing)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._agreeing = None
        self._agreed = not task.cancelled() and task.exception() is None

    async def _learn(self) -> None:
        partitions = [self._partition(number) for number in range(self._count)]
        agreed = await retry_until_deadline(lambda: PartitionCount(partitions[0]).use(partitions), self._deadline)
        now = monotonic()
        for number in {1, *agreed.used} - {self._count}:
            left = agreed.left_behind(number)
            self._elsewhere[number] = math.inf if left is None else now + _KEY_TTL - left


def place_of(scope: str, key: str, partitions: int) -> int:
    """Return the partition of a key: the same in every process."""
    digest = blake2b(f"{scope}\n{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % partitions


async def _find_record(partition: Broker, key: IdempotencyKey) -> bytes | None:
    *shared, own = key.names(partition.keys)
    record: bytes | None = await partition.link.command("GET", own)
    if record is None and shared:
        plain: bytes | None = await partition.link.command("GET", shared[0])
        return plain if plain is not None and key.owns(plain) else None
    return record


async def _write_record(partition: Broker, key: IdempotencyKey, record: str) -> None:
    *shared, own = key.names(partition.keys)
    await partition.link.command("SET", own, record, "NX", "EX", _KEY_TTL)
    if shared:
        await partition.link.command("SET", shared[0], f" {record}", "NX", "EX", _KEY_TTL)


async def retry_until_deadline(ask: Callable[[], Awaitable[T]], deadline: float) -> T:
    """Ask before anything is stored, repeatedly until the deadline of a send.

    Raises:
        BrokerUnavailableError: If there is no answer; nothing was stored.
        BrokerRefusedError: If the server rejects this client.
    """
    give_up, failures = monotonic() + deadline, 0
    while True:
        try:
            return await ask()
        except (RedisError, OSError) as error:
            kind = classify(error)
            failures += 1
            pause = backoff(failures)
            if not kind.passes or monotonic() + pause > give_up:
                raise refusal(error, kind) from error
            await asyncio.sleep(pause)
