"""What living workers do for everyone: promote due jobs, expire silent workers, reclaim their jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upnext.broker.claims import CRASH_CAP, DeadLetter, is_claim, read_claim
from upnext.broker.foreign_data import ForeignDataError, is_wrong_type, naming_foreign_key, warn_foreign
from upnext.broker.handler_id import HandlerId
from upnext.broker.partition_count import read_partitions
from upnext.broker.redis_types import ResponseError
from upnext.broker.replies import pairs, shown, text
from upnext.broker.scripts import script
from upnext.limits import MAX_CLAIM_PAGES, MAX_LEASES_READ
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.job_ids import QueueEntry
    from upnext.broker.keys import Keys

_BATCH = 200
_NEVER = 10**15  # ms


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is to do.

    Attributes:
        now: The server's time in ms.
        due: Members of the sorted set of delayed jobs that are due now, a batch at most.
        next_due: When the next one is due, in ms, or None.
        leases: Worker id -> end of its lease in ms, of those that run out soon.
        dead_workers: Dead workers that still have claims.
        workers: How many workers hold a lease.
        last: The worker whose lease runs out last, "" if there is none.
        partitions: The number of partitions of the namespace to serve, as its first one has it.
    """

    now: int
    due: tuple[str, ...]
    next_due: int | None
    leases: dict[str, float]
    dead_workers: tuple[str, ...]
    workers: int
    last: str
    partitions: int


@dataclass(frozen=True, slots=True)
class _Reclaimed:
    """A dead worker's claim, and the fate of its job."""

    handler: str
    field: bytes
    value: bytes
    entry: QueueEntry
    letter: DeadLetter | None

    @classmethod
    def of(cls, field: bytes, value: bytes) -> _Reclaimed:
        claim = read_claim(field, value)
        entry = claim.entry.crashed() if claim.started else claim.entry
        letter = None
        if entry.crashes >= CRASH_CAP:
            letter = DeadLetter.of(claim.handler, entry, "crashed", f"{entry.crashes} workers died under it")
        return cls(claim.handler, field, value, entry, letter)


class Maintenance:
    """Upkeep of one partition; any number of workers may do it at the same time.

    Args:
        link: The connection.
        keys: The partition's keys.

    Attributes:
        buried: Called with each job that this process makes a dead letter because its workers died under it.
    """

    def __init__(self, link: PipelinedConnection, keys: Keys) -> None:
        self.buried: Callable[[DeadLetter], None] = lambda _: None
        self._link = link
        self._keys = keys
        self._cursor: bytes | str = "0"  # where the next survey continues among dead workers
        self._claim_cursors: dict[str, bytes] = {}  # dead worker -> where to continue among foreign claims

    async def survey(self, within: float | None = 0.0, beyond: float | None = None) -> Survey:
        """Read what has to be done.

        Args:
            within: Seconds; leases that end within them are read, all leases if it is None.
            beyond: Seconds; leases that end later than that are read as well, none if it is None.
        """
        keys = self._keys
        names = (keys.scheduled, keys.leases, keys.dead_workers, keys.partitions)
        soon = _NEVER if within is None else round(within * 1000)
        late = _NEVER if beyond is None else round(beyond * 1000)
        words = (_BATCH, soon, MAX_LEASES_READ, self._cursor, late)
        reply: Any = await self._link.call(script("survey"), names, words)
        now, due, following, leases, dead_workers, self._cursor, workers, last, partitions, foreign = reply
        for number in map(int, foreign):
            warn_foreign(names[number - 1], "what depends on it stands still; delete the key")
        return Survey(
            now=int(now),
            due=tuple(text(member) for member in due),
            next_due=int(float(following)) if following and following != b"inf" else None,
            leases={text(leases[n]): float(leases[n + 1]) for n in range(0, len(leases), 2)},
            dead_workers=tuple(map(text, dead_workers)),
            workers=int(workers),
            last=text(last),
            partitions=read_partitions(partitions or b"1", keys.partitions),
        )

    async def promote(self, due: tuple[str, ...]) -> int:
        """Move due jobs into their queues; returns how many this call moved.

        What another program put there is set aside: it stays, and is never due again.
        """
        keys, names = self._keys, [self._keys.scheduled]
        words: list[str] = []
        for member in due:
            handler, _, entry = member.rpartition(" ")
            if HandlerId.matches(handler):
                names += [keys.queue(handler), keys.wake(HandlerId.parse(handler).worker)]
                words += [member, handler, entry]
            else:
                names += [keys.scheduled, keys.scheduled]  # never touched
                words += [member, "", ""]
        reply: Any = await self._link.call(script("promote"), names, words)
        for number in map(int, reply[1]):
            if words[3 * number - 2]:
                warn_foreign(names[2 * number - 1], "jobs that are due there are put off; delete the key")
            else:
                warn_foreign(keys.scheduled, f"{shown(words[3 * number - 3])!r} is not a job; it is set aside")
        return int(reply[0])

    async def expire(self, worker_id: str, ends: float, *, outlived: bool = False) -> bool:
        """End the lease of a worker that did not renew it; False if it has, or if another worker was first.

        Args:
            worker_id: The worker.
            ends: The end of its lease in ms, as it was read.
            outlived: Whether it was watched not to renew for the lease's whole length: then the clock does not matter.
        """
        keys = self._keys
        names = (keys.leases, keys.dead_workers, keys.workers)
        return bool(
            await self._link.call(script("expire"), names, (worker_id, f"{ends:.0f}", *["outlived"] * outlived))
        )

    async def reclaim(self, dead_worker: str) -> bool:
        """Take a batch of claims from a dead worker; returns whether anything was taken.

        A job that had started counts a crash; at the cap it becomes a dead letter. Others go back as they were.
        """
        claimed = [_Reclaimed.of(field, value) for field, value in await self._claimed(dead_worker)]
        try:
            await self._reclaim(dead_worker, claimed[:_BATCH])
        except ForeignDataError as error:
            warn_foreign(error.key, "jobs that killed their workers stay where they are until the key is deleted")
            claimed = [claim for claim in claimed if claim.letter is None]
            await self._reclaim(dead_worker, claimed[:_BATCH])
        return bool(claimed)

    async def _reclaim(self, dead_worker: str, claimed: Sequence[_Reclaimed]) -> None:
        keys = self._keys
        names = [keys.dead_workers, keys.claims(dead_worker), keys.dead, keys.dead_index, keys.scheduled]
        words: list[Any] = [dead_worker]
        for claim in claimed:
            names += [keys.queue(claim.handler), keys.wake(HandlerId.parse(claim.handler).worker)]
            names.append(keys.unique(claim.handler))
            words += [claim.field, claim.value, claim.entry.job_id, claim.handler]
            words += [str(claim.entry), ""] if claim.letter is None else ["", claim.letter.to_json()]
        async with naming_foreign_key(self._link, {keys.dead: "HLEN", keys.dead_index: "ZCARD"}):
            await self._link.call(script("reclaim"), names, words)
        for letter in (claim.letter for claim in claimed if claim.letter is not None):
            log.error(
                "Job %s of handler %s is a dead letter (crashed): %s",
                shown(letter.job_id),
                shown(letter.handler),
                letter.error,
            )
            self.buried(letter)

    async def _claimed(self, worker_id: str) -> list[tuple[bytes, bytes]]:
        """Return some of a worker's claims; none if none can be read within one look."""
        key, cursor = self._keys.claims(worker_id), self._claim_cursors.pop(worker_id, b"0")
        for _ in range(MAX_CLAIM_PAGES):
            try:
                cursor, page = await self._link.command("HSCAN", key, cursor, "COUNT", _BATCH)
            except ResponseError as error:
                if not is_wrong_type(error):
                    raise
                warn_foreign(key, "nothing of what this worker held can be taken over")
                return []
            entries = [(field, value) for field, value in pairs(page) if is_claim(field, value)]
            if len(entries) < len(page) // 2:
                warn_foreign(key, "what is not a claim is left alone")
            if entries or int(cursor) == 0:
                return entries
        if len(self._claim_cursors) < MAX_LEASES_READ:
            self._claim_cursors[worker_id] = cursor
        return []
