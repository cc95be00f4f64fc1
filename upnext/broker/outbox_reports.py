"""Reports of relays on the server: how far behind their outboxes are.

A report outlives its relay by a day, because rows that no relay sends any more are worse than rows that wait.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upnext.broker.replies import pairs, read_json, text
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from upnext.broker.broker import Broker

_KEPT = 24 * 3600  # seconds
_MOST = 1000  # outboxes that are shown
_PAGE = 1000  # fields
_MOST_PAGES = 20  # more were written by another program
_PATIENCE = 60.0  # seconds by which a report may be late
_FOREVER = 1e11  # seconds; anything later was written by another program

_warned: set[str] = set()


@dataclass(frozen=True, slots=True)
class OutboxLag:
    """How far behind an outbox is, by its relay's last report.

    Attributes:
        outbox: Which one.
        waiting: How many rows are still to be sent.
        set_aside: How many were refused so often that they are no longer sent.
        since: When the first of those that wait was written, in seconds since 1970 by the server's clock, or None.
        reported: When the relay said so, by the same clock.
        again_by: When it was to say so again at the latest.
    """

    outbox: str
    waiting: int
    set_aside: int
    since: float | None
    reported: float
    again_by: float

    def is_unattended(self, now: float) -> bool:
        """Return whether no relay has reported although one should; `now` is the server's time."""
        return now > self.again_by + _PATIENCE


class OutboxReports:
    """Reads and writes the reports.

    Args:
        first: The namespace's first partition, which keeps them for all.
    """

    def __init__(self, first: Broker) -> None:
        self._link = first.link
        self._key = first.keys.outboxes

    async def read(self) -> tuple[OutboxLag, ...]:
        """Return the reports of the last day by outbox; of more than a thousand, any thousand, which is logged."""
        now = await self._now()
        found: dict[str, OutboxLag] = {}
        async for page in self._pages():
            fresh = (lag for lag in page if lag.reported > now - _KEPT)
            found |= {lag.outbox: lag for lag in fresh}
            if len(found) > _MOST:
                _warn_of_too_many(self._key)
                break
        return tuple(found[outbox] for outbox in sorted(found)[:_MOST])

    async def write(self, outbox: str, *, waiting: int, set_aside: int, age: float | None, again_in: float) -> None:
        """Write how far behind an outbox is now.

        Args:
            outbox: Which one.
            waiting: How many rows are still to be sent.
            set_aside: How many were refused so often that they are no longer sent.
            age: Seconds since the first of those that wait was written; None if none waits.
            again_in: Seconds within which it will be said again.
        """
        now = await self._now()
        report = {
            "waiting": waiting,
            "set_aside": set_aside,
            "since": None if age is None else round(now - age, 1),
            "reported": round(now, 1),
            "again_by": round(now + again_in, 1),
        }
        await self._link.command("HSET", self._key, outbox, json.dumps(report))
        await self._link.command("EXPIRE", self._key, _KEPT)

    async def prune(self) -> None:
        """Delete those that are no longer shown: the hash lives as long as any of its relays does."""
        until = await self._now() - _KEPT
        stale = [lag.outbox async for page in self._pages() for lag in page if lag.reported <= until]
        for start in range(0, len(stale), _PAGE):
            await self._link.command("HDEL", self._key, *stale[start : start + _PAGE])

    async def _pages(self) -> AsyncIterator[list[OutboxLag]]:
        cursor = 0
        for _ in range(_MOST_PAGES):
            following, fields = await self._link.command("HSCAN", self._key, cursor, "COUNT", _PAGE)
            yield [lag for name, report in pairs(fields) if (lag := _read(text(name), report)) is not None]
            cursor = int(following)
            if not cursor:
                return

    async def _now(self) -> float:
        seconds, micros = await self._link.command("TIME")
        return int(seconds) + int(micros) / 1e6


def _warn_of_too_many(key: str) -> None:
    if key not in _warned:
        _warned.add(key)
        log.warning("More than %d outboxes report to %s: only %d of them are shown", _MOST, key, _MOST)


def _read(outbox: str, report: bytes) -> OutboxLag | None:
    match read_json(report):
        case {
            "waiting": int(waiting),
            "set_aside": int(set_aside),
            "since": float() | int() | None as since,
            "reported": float() | int() as reported,
            "again_by": float() | int() as again_by,
        } if all(abs(moment or 0) < _FOREVER for moment in (since, reported, again_by)):
            return OutboxLag(outbox, waiting, set_aside, since, reported, again_by)
        case _:
            return None
