"""Finds the jobs of one partition in any state, and cancels those that wait.

Everything is read in bounded pages while workers continue, so a job may be seen twice, or missed while it moves. Pages
that are counted from the front also skip jobs that do not move, because workers remove others before them. A search
for particular jobs therefore counts from the end: jobs that are added there can only make it see a job twice.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from upnext.broker.activity import Activity
from upnext.broker.claims import DeadLetter, is_claim, read_claim
from upnext.broker.foreign_data import is_wrong_type
from upnext.broker.handler_id import HandlerId
from upnext.broker.job_failure import JobFailure
from upnext.broker.job_ids import QueueEntry, is_job_id
from upnext.broker.redis_types import ResponseError
from upnext.broker.replies import pairs, parse_json, raw, scored, text
from upnext.broker.results import discard_reason
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Container

    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

CANCELLED = "cancelled"
"""The reason of the dead letters of jobs that were cancelled."""

_PAGE = 500
_NEAR = 500  # places that a job may have moved in its queue since it was seen
_ENTRY = re.compile(r"([^:]+)(?::(\d{1,9}):(\d{1,9}):(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as it was seen.

    Attributes:
        entry: The job and its counts.
        handler: Its handler's identity, "" if that is not known any more.
        state: "running", "isolated", "waiting", "delayed", "retrying", "done", "discarded" or "dead". An isolated job
            was running in processes that died: a worker holds it until it can run with no other such job beside it.
        since: When it began to run, in seconds since 1970 by the server's clock, if its worker says so.
        due: When it may run, in seconds since 1970 by the server's clock, if it is delayed or retrying.
        process: The worker process that holds it, `worker (host pid)`.
        failure: Why its last attempt failed, as long as that is kept.
        place: Where in its queue it stands, from 0; -1 elsewhere.
        written: How it stands there, or among those that are not due, or what its worker holds it under.
        holder: The id of the worker that holds it, if it is isolated.
    """

    entry: QueueEntry
    handler: str
    state: str
    since: float | None = None
    due: float | None = None
    process: str = ""
    failure: JobFailure | None = None
    place: int = -1
    written: str = ""
    holder: str = ""


class JobReader:
    """Finds the jobs of one partition.

    Args:
        link: The connection.
        keys: The partition's keys.
    """

    def __init__(self, link: PipelinedConnection, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def running(
        self, wanted: Callable[[str], bool], *, only: Container[bytes] | None = None
    ) -> AsyncIterator[list[JobView]]:
        """Read the jobs that workers hold of the wanted handlers; only those with certain ids, if given."""
        keys = self._keys
        leases = await self._link.command("ZRANGE", keys.leases, 0, -1)
        graves = await self._link.command("SMEMBERS", keys.dead_workers)
        workers = sorted({text(worker_id) for worker_id in (*leases, *graves)})
        for worker_id in workers:
            process, since = _process(await self._link.command("HGET", keys.workers, worker_id))
            async for page in self._scan(keys.claims(worker_id)):
                if only is not None:
                    page = [pair for pair in page if pair[0].rpartition(b" ")[2] in only]  # noqa: PLW2901
                claims = [(read_claim(field, value), value) for field, value in page if is_claim(field, value)]
                yield [
                    JobView(
                        claim.entry, claim.handler, "isolated", process=process, written=text(value), holder=worker_id
                    )
                    if claim.last_life
                    else JobView(claim.entry, claim.handler, "running", since=since.get(claim.job_id), process=process)
                    for claim, value in claims
                    if wanted(claim.handler)
                ]

    async def scheduled(
        self,
        wanted: Callable[[str], bool],
        *,
        state: str | None = None,
        from_end: bool = False,
        only: Container[bytes] | None = None,
    ) -> AsyncIterator[list[JobView]]:
        """Read the jobs that are delayed or wait for a retry, page by page, those due first at the front.

        Args:
            wanted: Says whether a handler's jobs are.
            state: "delayed" or "retrying", if only those are wanted.
            from_end: Whether to begin with those that are due last.
            only: The ids of those that are wanted, if it is known.
        """
        start = 0
        while True:
            first, last = _bounds(start, from_end=from_end)
            reply = await self._link.command("ZRANGE", self._keys.scheduled, first, last, "WITHSCORES")
            found = scored(reply)
            views: list[JobView] = []
            for member, due in found:
                if only is not None and _id_in(member.rpartition(b" ")[2]) not in only:
                    continue
                handler, _, written = text(member).partition(" ")
                if state == "retrying" and ":" not in written:  # it never ran; there may be a million of these
                    continue
                entry = _entry(written)
                if entry is not None and HandlerId.matches(handler) and wanted(handler):
                    seen = "retrying" if entry.failures else "delayed"
                    if state in (None, seen):
                        views.append(JobView(entry, handler, seen, due=due / 1000, written=text(member)))
            yield await self._with_failures(views)
            if len(found) < _PAGE:
                return
            start += _PAGE

    async def waiting(
        self, wanted: Callable[[str], bool], *, from_end: bool = False, only: Container[bytes] | None = None
    ) -> AsyncIterator[list[JobView]]:
        """Read the jobs that a worker could take now, queue by queue and page by page, the oldest of each first.

        Arguments are those of `scheduled`.
        """
        handlers = [text(name) async for page in self._scan(self._keys.queues, "SSCAN") for name, _ in page]
        for handler in sorted(name for name in handlers if HandlerId.matches(name) and wanted(name)):
            start = 0
            while True:
                key, (first, last) = self._keys.queue(handler), _bounds(start, from_end=from_end)
                length, page = await asyncio.gather(
                    self._link.command("LLEN", key), self._link.command("LRANGE", key, first, last)
                )
                at = max(length + first, 0) if from_end else first
                views = [
                    JobView(entry, handler, "waiting", place=place, written=text(written))
                    for place, written in enumerate(page, at)
                    if (only is None or _id_in(written) in only) and (entry := _entry(text(written))) is not None
                ]
                yield await self._with_failures(views)
                if len(page) < _PAGE:
                    break
                start += _PAGE

    async def done(self) -> AsyncIterator[list[JobView]]:
        """Read the jobs whose results are kept; their handlers are no longer known.

        This goes through the whole database, a page at a time, and needs the right to do so (SCAN).
        """
        prefix, cursor = self._keys.result(""), b"0"
        pattern = re.sub(r"([*?\[\]\\^])", r"\\\1", prefix) + "*"
        while True:
            cursor, page = await self._link.command("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)
            names = [text(name).removeprefix(prefix) for name in page]
            yield [JobView(QueueEntry(name), "", "done") for name in names if is_job_id(name)]
            if int(cursor) == 0:
                return

    async def find(self, job_ids: Collection[str]) -> dict[str, JobView]:
        """Find jobs wherever they are, in one pass over everything; jobs that are not found are left out."""
        found = await self._settled([job_id for job_id in job_ids if is_job_id(job_id)])
        left = {job_id for job_id in job_ids if is_job_id(job_id)} - found.keys()
        sought = frozenset(map(raw, left))
        # As jobs move: a job that is claimed meanwhile is seen where it began, or in the second look at those that run.
        waiting = partial(self.waiting, from_end=True)
        for read in (waiting, partial(self.scheduled, from_end=True), self.running, waiting):
            if not left:
                break
            async for page in read(lambda _: True, only=sought):
                for view in page:
                    if view.entry.job_id in left:
                        found[view.entry.job_id] = view
                        left.discard(view.entry.job_id)
                if not left:
                    break
        return found | await self._settled(list(left))

    async def traceback(self, failure: JobFailure) -> str:
        """Return the traceback of a failure, "" if there is none, or it is no longer kept."""
        stored = await self._link.command("GET", self._keys.traceback(failure.digest)) if failure.digest else None
        return "" if stored is None else stored.decode(errors="replace")

    async def payload(self, job: JobView) -> bytes | None:
        """Return the stored payload of a job, None if it is gone."""
        envelope: bytes | None = await self._link.command("HGET", self._keys.events, job.entry.event_id)
        return envelope

    async def cancel(self, job: JobView) -> bool:
        """Turn a waiting, isolated, delayed or retrying job into a dead letter; False if it has gone."""
        keys = self._keys
        letter = DeadLetter.of(job.handler, job.entry, CANCELLED, "")
        if job.holder:
            names = (keys.claims(job.holder), keys.dead, keys.dead_index, keys.unique(job.handler))
            held = (f"{job.handler} {job.entry.job_id}", job.written, job.entry.job_id, letter.to_json())
            return bool(await self._link.call(script("cancel_held"), names, held))
        queued = job.place >= 0
        places = (keys.queue(job.handler), keys.scheduled, keys.dead, keys.dead_index, keys.unique(job.handler))
        words = (job.written, "") if queued else ("", job.written)
        ended = (job.entry.job_id, letter.to_json(), max(job.place, 0), _NEAR)
        return bool(await self._link.call(script("cancel"), places, (*words, *ended)))

    async def _settled(self, job_ids: list[str]) -> dict[str, JobView]:
        """Find the jobs that have ended."""
        keys, found = self._keys, dict[str, JobView]()
        for start in range(0, len(job_ids), _PAGE):
            page = job_ids[start : start + _PAGE]
            letters: list[bytes | None] = await self._link.command("HMGET", keys.dead, *page)
            found |= {
                job_id: _dead(job_id, letter)
                for job_id, letter in zip(page, letters, strict=True)
                if letter is not None
            }
            others = [job_id for job_id in page if job_id not in found]
            results = await asyncio.gather(*map(self._result, others))
            found |= {
                job_id: _ended(job_id, result)
                for job_id, result in zip(others, results, strict=True)
                if result is not None
            }
        return found

    async def _result(self, job_id: str) -> bytes | None:
        try:
            result: bytes | None = await self._link.command("GET", self._keys.result(job_id))
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            return None  # another program's key in the way
        return result

    async def _with_failures(self, views: list[JobView]) -> list[JobView]:
        """Add the failures of those that failed."""
        failed = [view for view in views if view.entry.failures]
        if not failed:
            return views
        names = [self._keys.failure(view.entry.job_id) for view in failed]
        stored = await asyncio.gather(*(self._link.command("GET", name) for name in names))
        failures = {view.entry.job_id: _failure(record) for view, record in zip(failed, stored, strict=True)}
        return [replace(view, failure=failures.get(view.entry.job_id)) for view in views]

    async def _scan(self, key: str, command: str = "HSCAN") -> AsyncIterator[list[tuple[bytes, bytes]]]:
        cursor = b"0"
        while True:
            cursor, page = await self._link.command(command, key, cursor, "COUNT", _PAGE)
            yield pairs(page) if command == "HSCAN" else [(member, b"") for member in page]
            if int(cursor) == 0:
                return


def _bounds(start: int, *, from_end: bool) -> tuple[int, int]:
    """Return the first and the last place of the page after so many places."""
    return (-start - _PAGE, -start - 1) if from_end else (start, start + _PAGE - 1)


def _id_in(written: bytes) -> bytes:
    """Return the id of a job in the form it has in a queue."""
    return written.partition(b":")[0]


def _ended(job_id: str, result: bytes) -> JobView:
    reason = discard_reason(result)
    if reason is None:
        return JobView(QueueEntry(job_id), "", "done")
    return JobView(QueueEntry(job_id), "", "discarded", failure=JobFailure(reason, "", "discarded", 0))


def _entry(written: str) -> QueueEntry | None:
    """Read an entry of a queue; None for another program's."""
    found = _ENTRY.fullmatch(written)
    if found is None or not is_job_id(found[1]):
        return None
    return QueueEntry(found[1], *(int(count or 0) for count in found.groups()[1:]))


def _dead(job_id: str, stored: bytes) -> JobView:
    try:
        letter = DeadLetter.from_json(stored)
        return JobView(QueueEntry(job_id, letter.attempts), letter.handler_id, "dead")
    except (ValueError, TypeError, KeyError):
        return JobView(QueueEntry(job_id), "", "dead")


def _failure(record: bytes | None) -> JobFailure | None:
    try:
        return None if record is None else JobFailure.from_json(record)
    except (ValueError, TypeError, KeyError):
        return None


def _process(record: bytes | None) -> tuple[str, dict[str, float]]:
    """Return the identity of a worker process, and since when it runs those of its jobs that it reports."""
    try:
        data: Any = {} if record is None else parse_json(record)
        name = f"{data.get('worker', '?')} ({data.get('host', '?')} {data.get('pid', '?')})"
        activity = Activity.from_record(data)
    except (ValueError, TypeError, AttributeError):
        return "?", {}
    return name, {job.job: job.since for job in activity.running}
