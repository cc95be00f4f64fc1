"""Dead letters of all partitions of a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.job_ids import partition_of
from upnext.broker.partial_results import PartialResults
from upnext.broker.protocols import (
    EVERY_DEAD_LETTER,
    DeadLetterFilter,
    DeadLetterPage,
    DeadLetterPlace,
    DeadLetterQueue,
)
from upnext.broker.redis_types import RedisError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from upnext.broker.broker import Broker
    from upnext.broker.claims import DeadLetter


class NamespaceDeadLetters(DeadLetterQueue):
    """Reads, replays and purges dead letters of a namespace, as `PartitionDeadLetters` does of one partition.

    Args:
        partitions: Finds the partitions.
        partition: Returns one of them.
    """

    def __init__(
        self, partitions: Callable[[], Awaitable[Sequence[Broker]]], partition: Callable[[int], Broker]
    ) -> None:
        self._partitions = partitions
        self._partition = partition

    async def dated_pages(
        self, selection: DeadLetterFilter = EVERY_DEAD_LETTER
    ) -> AsyncIterator[list[tuple[DeadLetter, float]]]:
        """Read dead letters, partition by partition, oldest first."""
        partitions = await self._partitions()
        results, in_part = PartialResults(len(partitions)), False
        for partition in partitions:
            try:
                async for page in partition.dead_letters.dated_pages(selection):
                    in_part = True
                    yield page
            except (RedisError, OSError) as error:
                results.miss(partition, error, in_part=in_part)
        results.close()

    async def newest(self, selection: DeadLetterFilter, after: DeadLetterPlace | None, most: int) -> DeadLetterPage:
        """Read a page of dead letters of all partitions, the most recent first."""
        partitions = await self._partitions()
        results, pages = PartialResults(len(partitions)), list[DeadLetterPage]()
        for partition in partitions:
            try:
                pages.append(await partition.dead_letters.newest(selection, after, most))
            except (RedisError, OSError) as error:
                results.miss(partition, error)
        # Beyond the first end of a page, further ones of that partition may come before those of the others.
        end = max((page.end for page in pages if page.end is not None), default=None)
        places = {
            DeadLetterPlace(died, letter.job_id): (letter, died) for page in pages for letter, died in page.letters
        }
        kept = sorted((place for place in places if end is None or place >= end), reverse=True)
        return DeadLetterPage([places[place] for place in kept], end, results.unseen)

    async def letter(self, job_id: str) -> tuple[DeadLetter, float] | None:
        """Return one dead letter and the server's time of its death in ms, None if there is none with that id."""
        return await self._of(job_id).dead_letters.letter(job_id)

    async def payload(self, letter: DeadLetter) -> bytes | None:
        """Return the JSON of a dead letter's payload, None if it is gone or of a later version."""
        return await self._of(letter.job_id).dead_letters.payload(letter)

    async def now(self) -> float:
        """Return the server's time in ms, the latest where there are several servers."""
        return max([await partition.dead_letters.now() for partition in await self._partitions()])

    async def purge(self, job_ids: Sequence[str]) -> list[bool]:
        """Delete dead letters for good; returns for each whether it was one."""
        gone: dict[str, bool] = {}
        for number in sorted({partition_of(job_id) for job_id in job_ids}):
            there = [job_id for job_id in job_ids if partition_of(job_id) == number]
            gone.update(zip(there, await self._partition(number).dead_letters.purge(there), strict=True))
        return [gone[job_id] for job_id in job_ids]

    async def replay_with(self, job_id: str, body: bytes) -> str | None:
        """Put a dead letter back into its queue with another payload; returns the id that it runs under."""
        return await self._of(job_id).dead_letters.replay_with(job_id, body)

    async def replay(self, job_id: str) -> bool:
        """Put a dead letter back into its queue with full budgets; False if there is none with that id."""
        return await self._of(job_id).dead_letters.replay(job_id)

    def _of(self, job_id: str) -> Broker:
        return self._partition(partition_of(job_id))
