"""Dead letters and results, for whoever asks: callers that wait, the command line, tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upnext.broker.claims import DeadLetter
from upnext.broker.scripts import script
from upnext.broker.tickets import Ticket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.keys import Keys
    from upnext.broker.link import Link

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job stands.

    Attributes:
        state: "open", "done" or "dead".
        result: The JSON of what it returned; None for null, or if it is no longer kept.
        letter: The dead letter.
    """

    state: str
    result: bytes | None = None
    letter: DeadLetter | None = None


class Letters:
    """Reads outcomes and dead letters of one partition.

    Args:
        link: The connection.
        keys: The partition's keys.
    """

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def outcomes(self, event_id: str, jobs: Sequence[str]) -> tuple[tuple[str, ...] | None, list[Outcome]]:
        """Say how jobs of one event stand.

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
        handlers = None if not late else () if late == b"?" else tuple(json.loads(late))
        return handlers, [_outcome(entry) for entry in reply[1:]]

    async def dead(self) -> list[DeadLetter]:
        """Return all dead letters, oldest first."""
        letters: list[DeadLetter] = []
        while page := await self._link.command("ZRANGE", self._keys.dead_index, len(letters), len(letters) + _PAGE - 1):
            stored = await self._link.command("HMGET", self._keys.dead, *page)
            letters += [DeadLetter.from_json(text) for text in stored if text is not None]
            if len(page) < _PAGE:
                break
        return letters

    async def replay(self, job_id: str) -> bool:
        """Put a dead letter back into its queue, with both budgets full; False if there is none of that id."""
        text = await self._link.command("HGET", self._keys.dead, job_id)
        if text is None:
            return False
        letter, keys = DeadLetter.from_json(text), self._keys
        ticket = Ticket(job_id, attempt=letter.attempts)
        worker = letter.handler_id.split("|", 1)[0]
        names = (keys.dead, keys.dead_index, keys.events, keys.queue(letter.handler_id), keys.wake(worker))
        return bool(await self._link.call(script("replay"), names, (job_id, text, letter.event_id, str(ticket))) == 1)


def _outcome(entry: list[bytes]) -> Outcome:
    state = entry[0].decode()
    if state == "dead":
        return Outcome("dead", letter=DeadLetter.from_json(entry[1]))
    return Outcome(state, result=(entry[1] or None) if state == "done" else None)
