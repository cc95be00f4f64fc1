"""Dead letters of one partition: read page by page, replayed, purged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import QueueEntry, new_event_id, pack, unpack
from upnext.broker.protocols import (
    EVERY_DEAD_LETTER,
    DeadLetterFilter,
    DeadLetterPage,
    DeadLetterPlace,
    DeadLetterQueue,
)
from upnext.broker.replies import raw, scored, text
from upnext.broker.results import readable_letter
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from upnext.broker.claims import DeadLetter
    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

_PAGE = 500
_REMEMBERED = 86_400  # seconds, as long as a receipt knows which jobs replace others


class PartitionDeadLetters(DeadLetterQueue):
    """Reads, replays and purges dead letters of one partition.

    Args:
        link: The connection.
        keys: The partition's keys.
    """

    def __init__(self, link: PipelinedConnection, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def dated_pages(
        self, selection: DeadLetterFilter = EVERY_DEAD_LETTER
    ) -> AsyncIterator[list[tuple[DeadLetter, float]]]:
        """Read the current dead letters, oldest first, in bounded pages, whatever happens to them meanwhile.

        Pages go on behind a time of death, and those of the same time that were read. A place among all letters would
        stand for another one as soon as some are taken away; so would a member, whose job may have died again.
        """
        before = min(selection.died_before, await self.now())
        died, read = selection.died_since, frozenset[bytes]()  # the latest death that was read, and whose it was
        while True:
            most = len(read) + _PAGE
            words = (repr(died), repr(before), "BYSCORE", "LIMIT", 0, most, "WITHSCORES")
            found = scored(await self._link.command("ZRANGE", self._keys.dead_index, *words))
            page = [(job, moment) for job, moment in found if job not in read][:_PAGE]
            if page:
                yield await self._letters(page, selection)
                latest = frozenset(job for job, moment in page if moment == page[-1][1])
                read = read | latest if died == page[-1][1] else latest
                died = page[-1][1]
            if len(found) < most:
                return

    async def _letters(
        self, page: Sequence[tuple[bytes, float]], selection: DeadLetterFilter
    ) -> list[tuple[DeadLetter, float]]:
        stored: list[bytes | None] = await self._link.command("HMGET", self._keys.dead, *(job for job, _ in page))
        letters = [(readable_letter(text), died) for text, (_, died) in zip(stored, page, strict=True)]
        return [(letter, died) for letter, died in letters if letter is not None and selection.selects(letter)]

    async def newest(self, selection: DeadLetterFilter, after: DeadLetterPlace | None, most: int) -> DeadLetterPage:
        """Read a page of dead letters, the most recent first."""
        older = await self._places_before(after, most + 1)
        places = older[:most]
        wanted = [place for place in places if selection.died_since <= place.died <= selection.died_before]
        page = [(raw(place.job_id), place.died) for place in wanted]
        selected = await self._letters(page, selection) if page else []
        is_last = len(older) <= most or older[most].died < selection.died_since
        return DeadLetterPage(selected, None if is_last else places[-1])

    async def _places_before(self, after: DeadLetterPlace | None, most: int) -> list[DeadLetterPlace]:
        """Return the places of the next dead letters, read at once; many may share the millisecond of `after`."""
        count, latest = most + _PAGE, "+inf" if after is None else repr(after.died)
        while True:
            words = (latest, "-inf", "BYSCORE", "REV", "LIMIT", 0, count, "WITHSCORES")
            found = scored(await self._link.command("ZRANGE", self._keys.dead_index, *words))
            places = [DeadLetterPlace(died, text(job)) for job, died in found]
            older = [place for place in places if after is None or place < after]
            if len(older) >= most or len(found) < count:
                return older[:most]
            count *= 2

    async def letter(self, job_id: str) -> tuple[DeadLetter, float] | None:
        """Return one dead letter and the server's time of its death in ms, None if there is none with that id."""
        text = await self._link.command("HGET", self._keys.dead, job_id)
        died = await self._link.command("ZSCORE", self._keys.dead_index, job_id)
        letter = readable_letter(text)
        return None if letter is None else (letter, float(died or 0))

    async def payload(self, letter: DeadLetter) -> bytes | None:
        """Return the JSON of a dead letter's payload, None if it is gone or of a later version."""
        envelope = await self._link.command("HGET", self._keys.events, letter.event_id)
        return None if envelope is None else unpack(envelope)

    async def now(self) -> float:
        """Return the server's time in ms."""
        seconds, micros = await self._link.command("TIME")
        return int(seconds) * 1000 + int(micros) / 1000

    async def purge(self, job_ids: Sequence[str]) -> list[bool]:
        """Delete dead letters for good, each with the parts of its event that only it still needs."""
        keys = self._keys
        names = (keys.dead, keys.dead_index, keys.events, keys.open)
        return [reply == 1 for reply in await self._link.call(script("purge"), names, job_ids)]

    async def replay(self, job_id: str) -> bool:
        """Put a dead letter back into its queue with full budgets; False if there is none with that id."""
        text = await self._link.command("HGET", self._keys.dead, job_id)
        letter, keys = readable_letter(text), self._keys
        if letter is None:
            return False
        entry = QueueEntry(job_id, attempt=letter.attempts)
        worker = HandlerId.parse(letter.handler_id).worker
        names = (keys.dead, keys.dead_index, keys.events, keys.queue(letter.handler_id), keys.wake(worker), keys.queues)
        words = (job_id, text, letter.event_id, str(entry), letter.handler_id)
        return bool(await self._link.call(script("replay"), names, words) == 1)

    async def replay_with(self, job_id: str, body: bytes) -> str | None:
        """Put a dead letter back into its queue with another payload; returns the id that it runs under."""
        text = await self._link.command("HGET", self._keys.dead, job_id)
        letter, keys = readable_letter(text), self._keys
        if letter is None:
            return None
        event_id = new_event_id(keys.partition)
        own, new = QueueEntry(job_id, attempt=letter.attempts), QueueEntry(f"{event_id}.0")
        worker = HandlerId.parse(letter.handler_id).worker
        places = (keys.queue(letter.handler_id), keys.wake(worker), keys.joined(letter.event_id), keys.queues)
        names = (keys.dead, keys.dead_index, keys.events, keys.open, *places)
        words = (job_id, text, letter.event_id, str(own), event_id, str(new), pack(body), new.job_id, _REMEMBERED)
        reply = await self._link.call(script("replay_edited"), names, (*words, letter.handler_id))
        return {1: job_id, 2: new.job_id}.get(int(reply))
