"""A worker's transitions of jobs: claim, start, finish, retry, release, bury. Each is one fenced script."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from upnext.broker.ended_jobs import BUCKET, mark
from upnext.broker.foreign_data import naming_foreign_key, warn_foreign
from upnext.broker.handler_id import PATTERN, HandlerId
from upnext.broker.job_failure import FAILURE_TTL
from upnext.broker.job_ids import QueueEntry
from upnext.broker.redis_types import RedisError
from upnext.broker.replies import pairs, parse_json, shown, text
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.job_failure import JobFailure
    from upnext.broker.keys import Keys
    from upnext.broker.limited_claims import LimitedClaims

CRASH_CAP = 3
"""Crash deliveries after which a job is a dead letter."""

_QUEUES = 500  # maximum named by one command
_EPOCH_TTL = 3600  # seconds, longer than anything stays in flight

_SUSPECT = 1  # crash deliveries after which a job is started on its own


@dataclass(slots=True)
class Claim:
    """A job that a worker holds.

    Attributes:
        handler: The identity of its handler.
        job_id: The job.
        fencing_token: Its state as the server wrote it down, `attempt:failures:crashes`. The attempt is the one that
            this claim is for.
        started: Whether the server counts it as started. A job that a worker died under is claimed unstarted, so that
            the one that kills workers is told from its neighbours.
        envelope: What was stored of its payload, or None if it is gone.
    """

    handler: str
    job_id: str
    fencing_token: str
    started: bool
    envelope: bytes | None = field(repr=False)  # logs never contain payloads

    @property
    def field(self) -> str:
        """The job's field among the worker's claims."""
        return f"{self.handler} {self.job_id}"

    @property
    def shown(self) -> str:
        """The job's id in a form that is safe to log."""
        return shown(self.job_id)

    @property
    def last_life(self) -> bool:
        """Whether one more crash makes it a dead letter; it then runs only while no other such job does."""
        return not self.started and self.entry.crashes >= CRASH_CAP - 1

    @property
    def entry(self) -> QueueEntry:
        """The job and its counts, as an entry to put back."""
        return QueueEntry(self.job_id, *map(int, self.fencing_token.split(":")))


_LATER = ("where", "traceback")
"""What letters of earlier releases do not have, and those of jobs that raised nothing."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that will not run again by itself.

    Attributes:
        job_id: The job.
        event_id: Its event, or submission.
        event: The event's name; a task's own.
        handler: The handler's name; a task's own.
        attempts: How often it was started.
        reason: One of `protocols.REASONS`.
        handler_id: The handler's identity.
        error: What was raised last; it may hold what user code put into it.
        where: The type of what was raised and its last place in the user's code, without any message; "" as below.
        traceback: Where it was raised: types, frames and lines of source, without messages; "" if nothing was, or if an
            earlier release wrote the letter.
    """

    job_id: str
    event_id: str
    event: str
    handler: str
    attempts: int
    reason: str
    handler_id: str
    error: str
    where: str = ""
    traceback: str = ""

    def to_json(self) -> str:
        """Write it as it is stored."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(
            {name: value for name, value in fields.items() if value or name not in _LATER}, sort_keys=True
        )

    @classmethod
    def from_json(cls, letter: bytes | str) -> DeadLetter:
        """Read what `to_json` wrote; further keys, of a later version, are left alone.

        Raises:
            ValueError: If it is something else (also KeyError).
        """
        data: Any = parse_json(letter)
        if not isinstance(data, dict):
            raise ValueError("not an object")  # noqa: TRY004  # all that is wrong with it is one kind of error
        data = cast("dict[str, Any]", data)
        kinds = {name: int if name == "attempts" else str for name in cls.__slots__ if name not in _LATER}
        if not all(isinstance(data[name], kind) for name, kind in kinds.items()):
            raise ValueError("a field of another type")
        fields: dict[str, Any] = {name: data[name] for name in kinds}
        for name in _LATER:
            value = data.get(name, "")
            fields[name] = value if isinstance(value, str) else ""
        return cls(**fields)

    @classmethod
    def of(
        cls, handler: str, entry: QueueEntry, reason: str, error: str, *, where: str = "", traceback: str = ""
    ) -> DeadLetter:
        """Make the letter of a job."""
        handler_id = HandlerId.parse(handler)
        return cls(
            job_id=entry.job_id,
            event_id=entry.event_id,
            event=handler_id.subject,
            handler=handler_id.name,
            attempts=entry.attempt,
            reason=reason,
            handler_id=handler,
            error=error,
            where=where,
            traceback=traceback,
        )


class LeaseLostError(Exception):
    """Raised when the server knows no lease of this worker, so that others may run its jobs."""


class Claims:
    """The jobs of one worker process on one partition.

    Args:
        link: The connection.
        keys: The partition's keys.
        worker_id: This worker's id, never used before.
        result_ttl: Seconds that results are kept.
        limits: Claims within limits; None if no handler has any.

    Attributes:
        worker_id: The id that the jobs are held under.
        limits: Claims within limits, if one of the worker's handlers has some.
        epoch: The claim epoch; claims of an earlier one take nothing any more.
        lock: Held while the jobs of a claim's reply are taken in, and while an epoch begins.
        recounting: Whether another thread is handing jobs back that this process does not know: nothing may be claimed.
    """

    def __init__(
        self,
        link: PipelinedConnection,
        keys: Keys,
        worker_id: str,
        result_ttl: float,
        limits: LimitedClaims | None = None,
    ) -> None:
        self._link = link
        self._keys = keys
        self.worker_id = worker_id
        self._result_ttl = max(round(result_ttl), 1)
        self.limits = limits
        self.epoch = 0
        self.lock = threading.Lock()
        self.recounting = False

    async def claim(
        self, worker: str, handlers: Sequence[str], most: int, epoch: int | None = None
    ) -> tuple[list[Claim], list[int]]:
        """Claim up to `most` jobs of these handlers, in the current claim epoch or another one.

        Returns:
            The jobs, and how many each handler's queue still has.

        Raises:
            LeaseLostError: If this worker holds no lease.
        """
        keys, limits = self._keys, self.limits
        names = [keys.leases, keys.claims(self.worker_id), keys.events, keys.wake(worker)]
        names += (keys.claim_epoch(self.worker_id), *map(keys.queue, handlers))
        words = (self.worker_id, most, _SUSPECT, self.epoch if epoch is None else epoch, *handlers)
        if limits is None:
            reply: Any = await self._link.call(script("claim"), names, words)
        else:
            reply = await limits.claim(names, words, handlers)
        if reply[0] == b"lost":
            raise LeaseLostError
        jobs: list[Claim] = []
        envelopes = iter(reply[-1])
        entries: list[bytes]
        for position, entries, started in reply[2:-1]:
            handler = handlers[int(position)]
            for entry, begun in zip(entries, started, strict=True):
                job_id, _, fencing_token = text(entry).rpartition(" ")
                jobs.append(Claim(handler, job_id, fencing_token, begun == _STARTED, next(envelopes)))
        left: list[int] = reply[1]
        if -1 in left:
            for handler in (handler for handler, jobs_left in zip(handlers, left, strict=True) if jobs_left < 0):
                warn_foreign(keys.queue(handler), "the jobs of this handler cannot be claimed; delete the key")
        return jobs, [max(jobs_left, 0) for jobs_left in left]

    async def any_waiting(self, handlers: Sequence[str]) -> bool:
        """Return whether any queue of these handlers has entries; cheaper than claims that find nothing.

        Raises:
            LeaseLostError: If this worker holds no lease.
        """
        queues = list(map(self._keys.queue, handlers))
        pages = (queues[start : start + _QUEUES] for start in range(0, len(queues), _QUEUES))
        lease, *found = await asyncio.gather(
            self._link.command("ZSCORE", self._keys.leases, self.worker_id),
            *(self._link.command("EXISTS", *page) for page in pages),
        )
        if lease is None:
            raise LeaseLostError
        return any(found)

    async def start(self, claim: Claim, *, unique: bool = False) -> bool:
        """Mark a job as started; False if this worker no longer holds it.

        Args:
            claim: The job.
            unique: Whether it stands for sends of an equal value while it waits, which ends here.
        """
        names = [self._keys.leases, self._keys.claims(self.worker_id)]
        if unique:
            names.append(self._keys.unique(claim.handler))
        words = (self.worker_id, claim.field, claim.fencing_token, claim.job_id)
        return bool(await self._link.call(script("start"), names, words))

    async def finish(self, jobs: Sequence[tuple[Claim, bytes | None]]) -> list[bool]:
        """End successful jobs, each with the JSON of its result, or None for null.

        Returns:
            For each job whether this worker still held it.
        """
        keys = self._keys
        # In the order of their ids, so that those whose marks go into one set are adjacent.
        order = sorted(range(len(jobs)), key=[claim.job_id for claim, _ in jobs].__getitem__)
        ended = [jobs[position][0] for position in order]
        fields = [f"{claim.handler} {claim.job_id}" for claim in ended]
        tokens = [claim.fencing_token for claim in ended]
        marks = [mark(claim.job_id, claim.handler) for claim in ended]
        last_of_set = dict(zip([claim.job_id[BUCKET] for claim in ended], itertools.count(1), strict=False))
        result_keys: list[str] = []
        results: list[Any] = []
        for number, position in enumerate(order, 1):
            result = jobs[position][1]
            if result is not None:
                result_keys.append(keys.result(jobs[position][0].job_id))
                results += (number, result)
        names = [keys.leases, keys.claims(self.worker_id), keys.events, keys.open]
        names += map(keys.ended, last_of_set)
        names += result_keys
        words = [self.worker_id, self._result_ttl, len(jobs), len(last_of_set)]
        words += (*fields, *tokens, *("" if each is None else each for each in marks), *last_of_set.values(), *results)
        reply: Any = await self._link.call(script("finish"), names, words)
        held = [False] * len(jobs)
        for position, kept in zip(order, reply, strict=True):
            held[position] = bool(kept)
        return held

    async def retry(self, claim: Claim, delay: float, failure: JobFailure | None = None) -> bool:
        """Put a failed job back, to run again in `delay` seconds; False if it is no longer held.

        Its last failure is kept while it waits, for a day more.
        """
        keys, worker = self._keys, HandlerId.parse(claim.handler).worker
        names = [keys.leases, keys.claims(self.worker_id), keys.scheduled, keys.queue(claim.handler), keys.wake(worker)]
        words = [self.worker_id, claim.field, claim.fencing_token, str(claim.entry.failed()), round(delay * 1000)]
        words.append(claim.handler)
        if failure is not None:
            names += [keys.failure(claim.job_id), keys.traceback(failure.digest)]
            words += [
                failure.to_json(),
                failure.traceback.encode(errors="backslashreplace"),
                round(delay) + FAILURE_TTL,
            ]
        return bool(await self._link.call(script("retry"), names, words))

    async def release(self, claim: Claim) -> bool:
        """Hand a job back for another worker to take at once; False if it is no longer held."""
        keys, worker = self._keys, HandlerId.parse(claim.handler).worker
        names = (keys.leases, keys.claims(self.worker_id), keys.queue(claim.handler), keys.wake(worker))
        words = (self.worker_id, claim.field, claim.fencing_token, str(claim.entry), claim.handler)
        return bool(await self._link.call(script("release"), (*names, keys.scheduled), words))

    async def bury(self, claim: Claim, letter: DeadLetter) -> bool:
        """Turn a job into a dead letter; False if it is no longer held.

        Raises:
            ForeignDataError: If another program's key is in place of the dead letters.
        """
        keys = self._keys
        names = (keys.leases, keys.claims(self.worker_id), keys.dead, keys.dead_index)
        words = (self.worker_id, claim.field, claim.fencing_token, letter.job_id, letter.to_json())
        async with naming_foreign_key(self._link, {keys.dead: "HLEN", keys.dead_index: "ZCARD"}):
            return bool(await self._link.call(script("bury"), names, words))

    async def answered(self) -> bool:
        """Return whether the server answers at all, to tell a command that it refuses from a server that is down."""
        for _ in range(2):  # the server closes a connection that sent such a command: only a new one gives the answer
            with contextlib.suppress(RedisError, OSError):
                await self._link.command("EXISTS", self._keys.leases)
                return True
        return False

    async def held(self) -> list[Claim]:
        """Return everything that this worker holds according to the server.

        A claim from before that has had no answer takes nothing any more, however late it reaches the server.
        """
        return await self.held_in(self.begin_epoch())

    def begin_epoch(self) -> int:
        """Begin an epoch in which replies to earlier claims are ignored; may be called from any thread."""
        with self.lock:
            self.epoch += 1
            return self.epoch

    async def held_in(self, epoch: int) -> list[Claim]:
        """Do what `held` does, in an epoch that was begun elsewhere."""
        keys = (self._keys.claim_epoch(self.worker_id), self._keys.claims(self.worker_id))
        reply: Any = await self._link.call(script("recount"), keys, (epoch, _EPOCH_TTL))
        return [read_claim(field, value) for field, value in pairs(reply) if is_claim(field, value)]


_STARTED = ord("1")
_CLAIM = re.compile(PATTERN + rb" .*\n\d{1,9}:\d{1,9}:\d{1,9}:[01]", re.DOTALL)


def is_claim(field: bytes, value: bytes) -> bool:
    """Return whether an entry was written by a worker and not by another program."""
    return _CLAIM.fullmatch(field + b"\n" + value) is not None


def read_claim(field: bytes, value: bytes) -> Claim:
    """Read an entry of a worker's claims."""
    handler, job_id = text(field).split(" ", 1)
    fencing_token, _, started = text(value).rpartition(":")
    return Claim(handler, job_id, fencing_token, started == "1", None)
