"""The state and results of jobs, for callers that wait or ask later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from upnext.broker.claims import DeadLetter
from upnext.broker.ended_jobs import BUCKET, ended_positions, handler_hash
from upnext.broker.foreign_data import is_wrong_type
from upnext.broker.job_ids import is_job_id
from upnext.broker.publish_batcher import read_joined
from upnext.broker.redis_types import ResponseError
from upnext.broker.replies import names_in, pairs, parse_json, read_json, text
from upnext.broker.scripts import script
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

MARKS_ENDS = "marks_ends"
"""In the record of a worker: jobs that end there leave a mark. Workers of earlier releases leave none."""

_UNMARKED_TTL = 3600  # seconds
_LOOK_EVERY = 60.0  # seconds, at the workers' records

_REASON_LIMIT = 500  # characters

_UNKEPT = b"\x00{"  # never begins JSON: an earlier release raises and does not take it as a value


def unkept(reason: str) -> bytes:
    """Return the record stored in place of a result that cannot be kept."""
    return b"\x00" + json.dumps({"reason": reason}).encode()


def discarded(reason: str) -> bytes:
    """Return the record stored in place of the result of a discarded job."""
    reason = reason[:_REASON_LIMIT]
    # Earlier releases know only the first of them, and show that.
    words = {"reason": f"its handler discarded it{': ' + reason if reason else ''}", "discarded": reason}
    return b"\x00" + json.dumps(words).encode()


def discard_reason(stored: bytes) -> str | None:
    """Return why a job was discarded, "" if its handler gave no reason; None if it was not discarded."""
    reason = _marked(stored).get("discarded")
    return reason if isinstance(reason, str) else None


def _handlers(record: bytes) -> tuple[str, ...] | None:
    names = names_in(read_json(record))
    return None if names is None else tuple(names)


def unkept_reason(stored: bytes) -> str | None:
    """Return why a result was not kept; None if it was."""
    return str(_marked(stored).get("reason", "it was not kept")) if stored.startswith(_UNKEPT) else None


def _marked(stored: bytes) -> dict[str, Any]:
    """Return the record in place of a result, {} if it cannot be read, or is a real result."""
    if not stored.startswith(_UNKEPT):
        return {}
    try:
        data: dict[str, Any] = parse_json(stored[1:])
    except ValueError:
        return {}
    return data


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """The state of a job.

    Attributes:
        state: "open", "done", "dead", or "lost" if the server knows nothing of it: it lost it, or it was purged.
        result: The JSON of what it returned; None for null, or if it is no longer kept.
        letter: The dead letter.
    """

    state: str
    result: bytes | None = None
    letter: DeadLetter | None = None


class ResultReader:
    """Reads outcomes, results and last failures of one partition.

    Args:
        link: The connection.
        keys: The partition's keys.
    """

    def __init__(self, link: PipelinedConnection, keys: Keys) -> None:
        self._link = link
        self._keys = keys
        self._checked_at: float | None = None

    async def outcomes(self, event_id: str, jobs: Sequence[str]) -> tuple[tuple[str, ...] | None, list[JobOutcome]]:
        """Return the states of jobs of one event.

        Returns:
            The handlers of an event that was sent before its first handler connected: () while none has, None for
            every other event. And the outcome of each job.
        """
        keys = self._keys
        reply: Any = await self._link.call(
            script("outcomes"),
            [keys.events, keys.open, keys.dead, keys.routed(event_id), *map(keys.result, jobs)],
            (event_id, *jobs),
        )
        late = bytes(reply[0])
        handlers = None if not late else () if late == b"?" else _handlers(late)
        outcomes = [_outcome(job, entry) for job, entry in zip(jobs, reply[1:], strict=True)]
        if any(outcome.state == "ended" for outcome in outcomes):
            outcomes = await self._look_for_marks(event_id, jobs, outcomes)
        elif any(outcome.state == "open" for outcome in outcomes):
            await self._look_for_unmarking_workers()
        return handlers, outcomes

    async def job_ids(self, event_id: str) -> list[str]:
        """Return the jobs of an event that the server knows; also [] while it waits for its first handler."""
        keys = self._keys
        digits = await self._link.command("HGET", keys.open, event_id)
        if digits is not None:
            count = 0 if digits == b"?" else len(digits)
        elif await self._link.command("HEXISTS", keys.events, event_id):
            count = 1
        else:
            count = max(await self._marks(event_id), default=-1) + 1
        joined = await self._joined(event_id)
        count = max(count, max(joined, default=-1) + 1)
        return [joined.get(position, f"{event_id}.{position}") for position in range(count)]

    async def handlers(self, event_id: str, outcomes: Mapping[str, JobOutcome]) -> dict[str, str]:
        """Return the identities of the handlers of an event's ended jobs; "" where unknown.

        Args:
            event_id: The event.
            outcomes: How its jobs ended, by their ids.
        """
        marks = await self._marks(event_id)
        known = {
            handler_hash(text(name)): text(name) for name in await self._link.command("SMEMBERS", self._keys.queues)
        }
        return {
            job: known.get(marks.get(_position(job), -1), "") if outcome.letter is None else outcome.letter.handler_id
            for job, outcome in outcomes.items()
        }

    async def handler_of(self, job_id: str) -> str:
        """Return the identity of the handler that has ended a job; "" if unknown."""
        found = await self.handlers(job_id.rpartition(".")[0], {job_id: JobOutcome("done")})
        return found[job_id]

    async def stand_in(self, job_id: str) -> str | None:
        """Return the job that replaces one that was not created, or was replayed under another id; None if none does.

        Another one may stand for that one in turn: it may have been replayed as well.
        """
        passed = [job_id]
        while is_job_id(passed[-1]):
            following = (await self._joined(passed[-1].rpartition(".")[0])).get(_position(passed[-1]))
            if following is None or following in passed:
                break
            passed.append(following)
        return passed[-1] if len(passed) > 1 else None

    async def _joined(self, event_id: str) -> dict[int, str]:
        try:
            return read_joined(await self._link.command("HGETALL", self._keys.joined(event_id)))
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            return {}  # another program's key in the way

    async def _look_for_marks(
        self, event_id: str, jobs: Sequence[str], outcomes: Sequence[JobOutcome]
    ) -> list[JobOutcome]:
        ended = await self._marks(event_id)
        missing = [
            job
            for job, outcome in zip(jobs, outcomes, strict=True)
            if outcome.state == "ended" and _position(job) not in ended
        ]
        joined = await self._joined(event_id) if missing else {}
        stand_ins = {job: joined[_position(job)] for job in missing if _position(job) in joined}
        found = {job: await self._outcome_of(stand_in) for job, stand_in in stand_ins.items()}
        missing = [job for job in missing if job not in found]
        # A worker of an earlier release leaves no mark: a job that it may have ended counts as done, as before.
        lost: set[str] = set() if missing and await self._unmarking_workers() else set(missing)
        return [
            found.get(job, outcome if outcome.state != "ended" else JobOutcome("lost" if job in lost else "done"))
            for job, outcome in zip(jobs, outcomes, strict=True)
        ]

    async def _outcome_of(self, job_id: str) -> JobOutcome:
        return (await self.outcomes(job_id.rpartition(".")[0], [job_id]))[1][0]

    async def _marks(self, event_id: str) -> dict[int, int]:
        try:
            marks = await self._link.command("SMEMBERS", self._keys.ended(event_id[BUCKET]))
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            return {}  # another program's key in the way
        return ended_positions(event_id, marks)

    async def _look_for_unmarking_workers(self) -> None:
        """Record on the server that such workers live, since they may be gone when their jobs are asked about."""
        now = monotonic()
        if self._checked_at is None or now - self._checked_at > _LOOK_EVERY:
            self._checked_at = now
            await self._unmarking_workers()

    async def _unmarking_workers(self) -> bool:
        keys = self._keys
        if await self._link.command("EXISTS", keys.unmarked):
            return True
        records = pairs(await self._link.command("HGETALL", keys.workers))
        if all(f'"{MARKS_ENDS}"'.encode() in record for _, record in records):
            return False
        await self._link.command("SET", keys.unmarked, "1", "EX", _UNMARKED_TTL)
        return True


def readable_letter(stored: bytes | None) -> DeadLetter | None:
    """Return a dead letter; None if there is none, or it cannot be read."""
    try:
        return None if stored is None else DeadLetter.from_json(stored)
    except (ValueError, TypeError, KeyError):
        log.warning("Ignoring an entry among the dead letters that upnext has not written")
        return None


def _position(job_id: str) -> int:
    return int(job_id.rpartition(".")[2])


def _outcome(job_id: str, entry: list[bytes]) -> JobOutcome:
    state = text(entry[0])
    if state == "dead":
        unreadable = DeadLetter(job_id, "", "?", "?", 0, "unreadable", "", "its dead letter cannot be read")
        return JobOutcome("dead", letter=readable_letter(entry[1]) or unreadable)
    return JobOutcome(state, result=entry[1] if state == "done" else None)
