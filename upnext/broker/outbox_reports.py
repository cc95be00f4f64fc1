"""What relays say on the server of how far behind their outboxes are, whatever else runs in their processes.

A report outlives its relay by a day: rows that nobody sends any more are worse than rows that wait.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upnext.broker.replies import read_json, text

if TYPE_CHECKING:
    from upnext.broker.broker import Broker

_KEPT = 24 * 3600  # seconds
_MOST = 1000  # outboxes; more of them are another program's
_PATIENCE = 60.0  # seconds by which a report may be late
_FOREVER = 1e11  # seconds; what is later than that is another program's


@dataclass(frozen=True, slots=True)
class OutboxLag:
    """How far behind an outbox is, as its relay last said.

    Attributes:
        outbox: Which one.
        waiting: How many rows are still to be sent.
        set_aside: How many were refused so often that nobody sends them any more.
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
        """Say whether no relay has reported although one should have; `now` is the server's time."""
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
        """Return those of the last day, by outbox."""
        if await self._link.command("HLEN", self._key) > _MOST:
            return ()
        outboxes: list[bytes] = sorted(await self._link.command("HKEYS", self._key))
        if not outboxes:
            return ()
        reports: list[bytes | None] = await self._link.command("HMGET", self._key, *outboxes)
        now = await self._now()
        entries = zip(outboxes, reports, strict=True)
        found = [_read(text(outbox), report) for outbox, report in entries if report is not None]
        return tuple(lag for lag in found if lag is not None and lag.reported > now - _KEPT)

    async def write(self, outbox: str, *, waiting: int, set_aside: int, age: float | None, again_in: float) -> None:
        """Write how far behind an outbox is now.

        Args:
            outbox: Which one.
            waiting: How many rows are still to be sent.
            set_aside: How many were refused so often that nobody sends them any more.
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

    async def _now(self) -> float:
        seconds, micros = await self._link.command("TIME")
        return int(seconds) + int(micros) / 1e6


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
