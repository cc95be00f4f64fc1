"""What living workers do for the rest: promote what is due, expire silent workers, reclaim what they held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upnext.broker.claims import CRASH_CAP, DeadLetter, is_claim, read_claim
from upnext.broker.handler_id import HandlerId
from upnext.broker.replies import pairs, text
from upnext.broker.scripts import script
from upnext.log import log

if TYPE_CHECKING:
    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is to do.

    Attributes:
        now: The server's time in ms.
        due: Members of the sorted set of delayed jobs that are due now, a batch at most.
        next_due: When the next one is due, in ms, or None.
        leases: Worker id -> end of its lease in ms, of those that run out soon.
        graves: Dead workers that still have claims.
        workers: How many workers hold a lease.
        last: The worker whose lease runs out last, "" if there is none.
        partitions: How many partitions of the namespace are to be served, as its first one has it.
    """

    now: int
    due: tuple[str, ...]
    next_due: int | None
    leases: dict[str, float]
    graves: tuple[str, ...]
    workers: int
    last: str
    partitions: int


class Maintenance:
    """Upkeep of one partition; any number of workers may do it at the same time.

    Args:
        link: The connection.
        keys: The partition's keys.
    """

    def __init__(self, link: PipelinedConnection, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def survey(self, within: float = 0.0) -> Survey:
        """Read what there is to do, with the leases that run out within so many seconds."""
        keys = self._keys
        names = (keys.scheduled, keys.leases, keys.dead_workers, keys.partitions)
        reply: Any = await self._link.call(script("survey"), names, (_BATCH, round(within * 1000)))
        now, due, following, leases, graves, workers, last, partitions = reply
        return Survey(
            now=int(now),
            due=tuple(text(member) for member in due),
            next_due=int(float(following)) if following and following != b"inf" else None,
            leases={text(leases[n]): float(leases[n + 1]) for n in range(0, len(leases), 2)},
            graves=tuple(text(grave) for grave in graves),
            workers=int(workers),
            last=text(last),
            partitions=int(partitions or 1),
        )

    async def promote(self, due: tuple[str, ...]) -> int:
        """Move jobs that are due into their queues; returns how many this call moved.

        What another program put there is set aside: it stays, and is never due again.
        """
        keys, names = self._keys, [self._keys.scheduled]
        words: list[str] = []
        for member in due:
            handler, space, entry = member.rpartition(" ")
            if not space:
                log.warning("%r in %s is no job of ours; it is set aside", member, keys.scheduled)
                await self._link.command("ZADD", keys.scheduled, "XX", "+inf", member)
                continue
            names += [keys.queue(handler), keys.wake(HandlerId.parse(handler).worker)]
            words += [member, entry]
        return int(await self._link.call(script("promote"), names, words))

    async def expire(self, worker_id: str, ends: float) -> bool:
        """Take the lease of a worker that did not renew it; False if it has, or if another took it."""
        keys = self._keys
        names = (keys.leases, keys.dead_workers, keys.workers)
        return bool(await self._link.call(script("expire"), names, (worker_id, f"{ends:.0f}")))

    async def reclaim(self, grave: str) -> bool:
        """Take a batch of claims from a dead worker; returns whether there was anything to take.

        A job that had started counts a crash; at the cap it becomes a dead letter. Others go back as they were.
        """
        keys = self._keys
        names = [keys.dead_workers, keys.claims(grave), keys.dead, keys.dead_index]
        words: list[Any] = [grave]
        claimed = await self._claimed(grave)
        for field, value in claimed:
            claim = read_claim(field, value)
            entry = claim.entry.crashed() if claim.started else claim.entry
            dead = entry.crashes >= CRASH_CAP
            letter = DeadLetter.of(claim.handler, entry, "crashed", f"{entry.crashes} workers died under it")
            names += [keys.queue(claim.handler), keys.wake(HandlerId.parse(claim.handler).worker)]
            words += [field, value, entry.job_id, "" if dead else str(entry), letter.to_json() if dead else ""]
        await self._link.call(script("reclaim"), names, words)
        return bool(claimed)

    async def _claimed(self, worker_id: str) -> list[tuple[bytes, bytes]]:
        """Return some of a worker's claims, none only if there are none that can be read."""
        cursor = b"0"
        while True:
            cursor, page = await self._link.command("HSCAN", self._keys.claims(worker_id), cursor, "COUNT", _BATCH)
            entries = [(field, value) for field, value in pairs(page) if is_claim(field, value)]
            if entries or cursor == b"0":
                return entries[:_BATCH]
