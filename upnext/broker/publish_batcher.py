"""Batches events of one name that are waiting to be stored, so that one script stores them all."""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic_core import from_json

from upnext.broker.foreign_data import warn_foreign
from upnext.broker.handler_id import HandlerId
from upnext.broker.idempotency import IdempotencyKey, read_record, write_record
from upnext.broker.job_ids import unpack
from upnext.broker.redis_types import NoScriptError, TryAgainError
from upnext.broker.replies import pairs, text
from upnext.broker.resp import CommandPrefix
from upnext.broker.scripts import script
from upnext.broker.uniqueness import Uniqueness, place_of_payload
from upnext.errors import BrokerRefusedError
from upnext.limits import MAX_STALE_REPLIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

# The most that one script stores: it must be quick, as the server does nothing else meanwhile.
_BATCH = 128
_BATCH_JOBS = 1024
_BATCH_BYTES = 512 * 1024

# Scripts that have no answer yet. More of them would not be faster: the next ones grow instead.
_MOST_IN_FLIGHT = 4


@dataclass(slots=True)
class Published:
    """What the server has stored.

    Attributes:
        event_id: The event's id, or that of the first send with the same key.
        handlers: The identities of the handlers that each got a job, in the order of the jobs.
        repeated: Whether this send stored nothing, because its key was used before.
        joined: Jobs that waited already and stand for some that were not made, by the numbers of these.
    """

    event_id: str
    handlers: tuple[str, ...]
    repeated: bool = False
    joined: dict[int, str] = field(default_factory=dict[int, str])

    def job_ids(self) -> list[str]:
        """Return the jobs of the handlers, in their order."""
        return [self.joined.get(n, f"{self.event_id}.{n}") for n in range(len(self.handlers))]


@dataclass(slots=True)
class Message:
    """A message to send.

    Attributes:
        event_id: Its id.
        bucket: The set of recent sends that the id belongs to.
        envelope: The payload as it is stored.
        delay_ms: How long the jobs have to wait.
        key: Its idempotency key.
        partitions: How many partitions it may be stored in, if its handlers' jobs are unique; 1 for this one only.
        command: The command that it was last put into; None while it waits for one.
    """

    event_id: str
    bucket: str
    envelope: bytes = field(repr=False)  # logs never contain payloads
    delay_ms: int = 0
    key: str | None = None
    partitions: int = 1
    command: bytes | None = field(default=None, repr=False)


_Entry: TypeAlias = "tuple[Message, asyncio.Future[Published], int]"  # the last is its place in the order of sending


class StoredElsewhereError(Exception):
    """Raised when a message belongs in another partition than the one it was given to; nothing was stored.

    Attributes:
        partition: The number of that one.
    """

    def __init__(self, partition: int) -> None:
        super().__init__(f"it belongs in partition {partition}")
        self.partition = partition


class PublishBatcher:
    """Stores the messages of one event, or the submissions of one task.

    A message is sent at once when nothing else is under way, and otherwise together with all that come in the same
    round of the event loop. What is sent together is stored together; each caller gets its own answer. Whatever has to
    be sent once more, messages are stored in the order in which they were given: of those that are equal for a unique
    handler the first gets the job.

    Args:
        link: The connection.
        keys: The partition's keys.
        event: The event's name, "" for a task.
        scope: What an idempotency key is unique in.
        handlers: The task's identity. An event's are read from the server.

    Attributes:
        handlers: Those that messages are stored for now.
        uniqueness: What the jobs of some of them are unique by.
    """

    def __init__(
        self, link: PipelinedConnection, keys: Keys, event: str, scope: str, handlers: tuple[str, ...] = ()
    ) -> None:
        self._link = link
        self._keys = keys
        self._event = event
        self._scope = scope
        self._waiting: deque[_Entry] = deque()
        self._in_flight: dict[int, list[_Entry]] = {}  # id of a command -> what it stores
        self._refused: set[int] = set()  # commands in flight that will turn out to have stored nothing either
        self._order = count()
        self._planned = False
        self._plain, self._plain_bucket = CommandPrefix(()), ""
        self._version, self.handlers = "", handlers
        self.uniqueness: dict[str, Uniqueness] = {}
        self._stale = 0  # replies in a row that the subscriptions have changed

    def store(self, message: Message) -> asyncio.Future[Published]:
        """Store a message for the subscribed handlers.

        Returns:
            What was stored; or what the server or the connection made of it, a `redis.exceptions.RedisError`.

        Raises:
            StoredElsewhereError: If it belongs in another partition.
        """
        if self.uniqueness and (elsewhere := self._belongs_elsewhere(message)) is not None:
            raise elsewhere
        future: asyncio.Future[Published] = asyncio.get_running_loop().create_future()
        if not self._in_flight and not self._waiting:
            self._send([(message, future, next(self._order))])
        else:
            self._waiting.append((message, future, next(self._order)))
            if not self._planned:
                self._plan()
        return future

    def _may_send(self) -> bool:
        return bool(self._waiting) and not self._refused and len(self._in_flight) < _MOST_IN_FLIGHT

    def _plan(self) -> None:
        if not self._planned and self._may_send():
            self._planned = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._planned = False
        while self._may_send():
            batch = self._next()
            if batch:
                self._send(batch)

    def _next(self) -> list[_Entry]:
        """Take the messages at the head that one script can store, leaving out cancelled ones."""
        batch: list[_Entry] = []
        waiting, room = self._waiting, _BATCH_BYTES
        most = max(1, min(_BATCH, _BATCH_JOBS // max(len(self.handlers), 1)))
        while waiting and len(batch) < most:
            message, future, _ = waiting[0]
            if not future.done():
                room -= len(message.envelope)
                if batch and (room < 0 or self.uniqueness or not _together(batch[0][0], message)):
                    break
                batch.append(waiting[0])
            waiting.popleft()
        return batch

    def _send(self, batch: list[_Entry], *, forgotten: bool = False) -> None:
        first = batch[0][0]
        plain = first.key is None and not first.delay_ms and not forgotten and not self.uniqueness
        if plain and first.bucket == self._plain_bucket:
            prefix = self._plain
        else:
            prefix = self._prefix(first, forgotten=forgotten)
            if plain:
                self._plain_bucket, self._plain = first.bucket, prefix
        words: list[Any] = []
        for message, _, _ in batch:
            words.append(message.event_id)
            words.append(message.envelope)
        command = prefix.followed_by(words)
        for message, _, _ in batch:
            message.command = command
        self._in_flight[id(command)] = batch
        self._link.post_packed(command, partial(self._receive, id(command), batch, self.handlers))

    def _again(self, batch: list[_Entry]) -> None:
        """Send messages again for other handlers than before."""
        if not self.uniqueness:
            self._send(batch)
            return
        for message, future, _ in batch:
            elsewhere = self._belongs_elsewhere(message)
            if elsewhere is not None and not future.done():
                future.set_exception(elsewhere)
        self._put_back(batch)

    def _put_back(self, batch: list[_Entry]) -> None:
        """Put messages back in their old places, if they are still waited for."""
        for entry in reversed(batch):
            entry[0].command = None
            insort(self._waiting, entry, key=itemgetter(2))
        self._plan()

    def withdraw(self, message: Message) -> bool:
        """Withdraw a message whose caller gives up; False if it may have been written to the server."""
        command = message.command
        if command is None:
            return True
        if not self._link.withdraw(command):
            return False
        # Events that were to be stored together with it wait for another command.
        self._refused.discard(id(command))
        self._put_back(self._in_flight.pop(id(command)))
        return True

    def _prefix(self, message: Message, *, forgotten: bool) -> CommandPrefix:
        """Return the script's arguments before the ids and envelopes: the same for very many messages."""
        keys, handlers = self._keys, self.handlers
        publish = script("publish_unique" if self.uniqueness else "publish")
        names = [keys.events, keys.open, keys.sent(message.bucket), keys.versions]
        names.append(keys.subscriptions(self._event) if self._event else keys.queues)
        if not handlers:
            names.append(keys.unrouted(self._event))
        elif message.delay_ms:
            names.append(keys.scheduled)
        else:
            names += [*map(keys.queue, handlers), *map(keys.wake, workers_of(handlers))]
        if self.uniqueness:
            names += [keys.scheduled, keys.dead, keys.joined(message.event_id), *map(keys.unique, self.uniqueness)]
        record = owner = ""
        if message.key is not None:
            key = IdempotencyKey(self._scope, message.key)
            names += key.names(keys)
            record, owner = write_record(message.event_id, handlers), key.owner if key.is_exact else ""
        named = handlers if message.delay_ms or not self._event or self.uniqueness else ()
        run = ("EVAL", publish.source) if forgotten else ("EVALSHA", publish.sha)
        settings = (self._event, self._version, len(handlers), message.delay_ms, record, owner)
        values = (len(self.uniqueness), *self._digests(message)) if self.uniqueness else ()
        return CommandPrefix((*run, len(names), *names, *settings, *values, *named))

    def _digests(self, message: Message) -> list[int | str]:
        """Return the number of each unique handler, with the digest of its job's value."""
        payload = _payload(message)
        return [
            word
            for handler, unique in self.uniqueness.items()
            for word in (self.handlers.index(handler), unique.digest(payload))
        ]

    def _belongs_elsewhere(self, message: Message) -> StoredElsewhereError | None:
        if not self.uniqueness or message.partitions == 1:
            return None
        place = place_of_payload(self.uniqueness.values(), _payload(message), message.partitions)
        return None if place == self._keys.partition else StoredElsewhereError(place)

    def _receive(self, command: int, batch: list[_Entry], handlers: tuple[str, ...], reply: Any) -> None:
        del self._in_flight[command]
        was_refused = command in self._refused
        self._refused.discard(command)
        if isinstance(reply, NoScriptError):
            if was_refused and self.uniqueness:  # it may have been assembled for handlers that are not unique
                self._again(batch)
                return
            self._refused = set(self._in_flight)
            self._send(batch, forgotten=True)
            return
        if reply != b"ok" and not isinstance(reply, Exception) and reply[0] == b"stale":
            # Nothing was stored: once more, for the handlers that there are now.
            self._stale += 1
            if self._stale <= MAX_STALE_REPLIES:
                self._refused = set(self._in_flight)
                handlers = tuple(map(text, reply[2]))
                self._use_subscriptions(text(reply[1]), handlers, dict(zip(handlers, reply[3], strict=True)))
                self._again(batch)
                return
            reply = TryAgainError(f"the subscriptions of {self._event!r} keep changing")
        self._stale = 0
        if isinstance(reply, Exception):
            for _, future, _ in batch:
                if not future.done():
                    future.set_exception(reply)
        else:
            for message, future, _ in batch:
                if not future.done():
                    self._resolve(message, future, handlers, reply)
        self._plan()

    def _resolve(
        self, message: Message, future: asyncio.Future[Published], handlers: tuple[str, ...], reply: Any
    ) -> None:
        if reply == b"ok":
            future.set_result(Published(message.event_id, handlers))
            return
        if reply[0] == b"joined":
            future.set_result(Published(message.event_id, handlers, joined=read_joined(reply[1:])))
            return
        try:
            first_id, first_handlers = read_record(reply[1])  # the key was used before
        except ValueError:
            future.set_exception(foreign_record(message.key))
        else:
            joined = read_joined(reply[2]) if len(reply) > 2 else {}
            repeated = first_id != message.event_id
            future.set_result(Published(first_id, first_handlers, repeated=repeated, joined=joined))

    def _use_subscriptions(self, version: str, handlers: Sequence[str], uniqueness: Mapping[str, bytes | None]) -> None:
        """Send to these handlers from now on; entries of another program among them get no jobs."""
        valid = tuple(sorted(handler for handler in handlers if HandlerId.is_of(handler, self._event)))
        if len(valid) < len(handlers):
            warn_foreign(self._keys.subscriptions(self._event), "what is not a handler of the event gets no jobs")
        self._version = version
        self.handlers = valid
        read = {handler: Uniqueness.from_json(uniqueness[handler]) for handler in valid}
        self.uniqueness = {handler: unique for handler, unique in read.items() if unique is not None}
        self._plain_bucket = ""


def workers_of(handlers: Sequence[str]) -> list[str]:
    """Return the names of the workers that handlers belong to, each once."""
    return sorted({HandlerId.parse(handler).worker for handler in handlers})


def read_joined(reply: Any) -> dict[int, str]:
    """Read which jobs replace jobs that were not created, by the numbers of the latter."""
    return {int(number): text(job) for number, job in pairs(reply)}


def _payload(message: Message) -> dict[str, Any]:
    body = unpack(message.envelope)
    assert body is not None, "it was packed here"
    payload: dict[str, Any] = from_json(body)
    return payload


def _together(one: Message, other: Message) -> bool:
    return one.key is None and other.key is None and one.bucket == other.bucket and one.delay_ms == other.delay_ms


def foreign_record(key: str | None) -> BrokerRefusedError:
    """Return the error of a sender whose idempotency key leads to something that upnext did not write."""
    return BrokerRefusedError(
        f"Nothing was stored: another program wrote to the server's record of the idempotency key {key!r}. "
        "Use another key, or delete that record."
    )
