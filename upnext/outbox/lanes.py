"""Sends claimed rows, partition by partition: a partition whose server is down delays only its own rows.

Ordered rows are sent one after the other, and may go to several partitions. So it is decided row by row what has to be
waited for and what is postponed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from upnext.broker.idempotency import task_scope
from upnext.errors import BrokerError, BrokerRefusedError, SendOutcomeUnknownError
from upnext.log import log
from upnext.registry import declarations
from upnext.unheard_events import tell_of_unheard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from upnext.broker.namespace import Namespace
    from upnext.broker.protocols import EventPublisher
    from upnext.broker.publish_batcher import Published
    from upnext.outbox.row import ClaimedRow

Places: TypeAlias = "frozenset[int]"
"""The partitions that a send asks something of: all of them have to answer."""

_PATIENCE = 1.0  # seconds that a batch waits for its slowest rows, while another partition could take the next ones
_FORGET_AFTER = 60.0  # seconds without a failed row after which a partition counts as working


class Lane:
    """Rows that are sent one after the other, until one is not.

    Args:
        rows: The rows.
        places: The partitions of each of them.
        slow: What is waited for already: a row that goes there is put off.
        stored: The partitions that stored rows of the same batch; those of this lane are added.

    Attributes:
        sent: How many of the rows were sent.
        error: Why the next one was not; None if it was put off, or if there is none.
        stored: As above.
        began: When it began, in seconds of the monotonic clock.
    """

    def __init__(
        self, rows: Sequence[ClaimedRow], places: Sequence[Places], slow: set[Places], stored: set[int]
    ) -> None:
        self._rows = rows
        self._places = places
        self._slow = slow
        self.began = time.monotonic()
        self.sent = 0
        self.error: Exception | None = None
        self.stored = stored

    @property
    def ids(self) -> list[int]:
        """The rows that were sent."""
        return [row.id for row in self._rows[: self.sent]]

    @property
    def row(self) -> ClaimedRow | None:
        """The row that is being sent, was not sent, or was postponed; None if all were sent."""
        return self._rows[self.sent] if self.sent < len(self._rows) else None

    @property
    def stored_here(self) -> Places:
        """The partitions that stored rows of this lane."""
        return frozenset[int]().union(*self._places[: self.sent])

    @property
    def places(self) -> Places:
        """The partitions of that row."""
        return self._places[self.sent]

    @property
    def untried(self) -> list[int]:
        """The rows behind it."""
        return [row.id for row in self._rows[self.sent + 1 :]]

    @property
    def is_servers_fault(self) -> bool:
        """Whether the row failed because of the server: nothing else was stored at its destination, either."""
        error = self.error
        is_servers = isinstance(error, BrokerError) and not isinstance(error, BrokerRefusedError)
        return is_servers and not self.places <= self.stored

    async def send(self, namespace: Namespace) -> None:
        """Send as much as possible."""
        for row, places in zip(self._rows, self._places, strict=True):
            if places in self._slow:
                return
            try:
                published = await _send_row(namespace.publisher, row)
            except Exception as error:  # noqa: BLE001  # rows can be edited by hand: what one raises is kept with it
                self.error = error
                return
            if not published.handlers:
                tell_of_unheard(row.row.name, namespace)
            self.sent += 1
            self.stored |= places


class Lanes:
    """The rows that a relay is sending.

    Args:
        name: What the relay is called in the log.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: dict[asyncio.Task[None], Lane] = {}
        self._away: dict[Places, tuple[float, float]] = {}  # since when, and when a row failed there last
        self._stored_at: dict[int, float] = {}  # when each partition stored a row last
        self._partitions = 1

    @property
    def is_sending(self) -> bool:
        """Whether rows of an earlier batch are still being sent."""
        return bool(self._open)

    @property
    def is_any_away(self) -> bool:
        """Whether rows failed in any partition recently."""
        return bool(self._away)

    @property
    def is_all_away(self) -> bool:
        """Whether no partition accepts rows."""
        blamed = (self._blamed(places, since) for places, (since, _) in self._away.items())
        return len(frozenset[int]().union(*blamed)) >= self._partitions

    def begin(self, namespace: Namespace, partitions: int, rows: Sequence[ClaimedRow]) -> list[asyncio.Task[None]]:
        """Begin to send a batch.

        Returns:
            What it is worth waiting for: not that a partition answers that has been away.
        """
        self._partitions = partitions
        lanes: dict[object, list[ClaimedRow]] = defaultdict(list)
        for row in rows:
            lanes[row.id if row.row.ordered_by is None else row.row.ordered_by].append(row)
        slow, stored = {lane.places for lane in self._open.values() if lane.row is not None}, set[int]()
        begun: list[asyncio.Task[None]] = []
        for together in lanes.values():
            places = [namespace.publisher.places(_scope(row), row.row.key) for row in together]
            lane = Lane(together, places, slow, stored)
            task = asyncio.create_task(lane.send(namespace))
            self._open[task] = lane
            if partitions == 1 or places[0] not in self._away:
                begun.append(task)
        return begun

    async def wait(self, begun: Sequence[asyncio.Task[None]], *, patient: bool) -> None:
        """Wait for the current batch, unless that takes long and another partition could take the next rows meanwhile.

        Args:
            begun: What it is.
            patient: Wait all the same.
        """
        if begun:
            await asyncio.wait(begun, timeout=None if patient or self._partitions == 1 else _PATIENCE)
        else:
            await asyncio.sleep(0)  # rows that are put off are done with at once

    async def finish(self) -> None:
        """Wait for everything that is being sent."""
        if self._open:
            await asyncio.wait(self._open)

    def ended(self) -> list[Lane]:
        """Return what has ended since the last call, and remember which partitions work."""
        ended = [self._open.pop(task) for task in list(self._open) if task.done()]
        now = time.monotonic()
        stored = frozenset[int]().union(*(lane.stored_here for lane in ended))
        for places, (since, last) in list(self._away.items()):
            if places <= stored or now - last > _FORGET_AFTER:
                del self._away[places]
                if self._partitions > 1 and places <= stored:
                    where = _named(self._blamed(places, since) or places)
                    log.info("The relay of %s sends to %s again", self._name, where)
        self._stored_at.update(dict.fromkeys(stored, now))
        for lane in ended:
            if lane.error is not None and lane.is_servers_fault:
                self._note_away(lane, now)
        return ended

    def away_for(self, places: Places) -> float:
        """Return the seconds since rows began to fail in a partition, 0 if they do not."""
        since = self._away.get(places)
        return 0.0 if since is None else time.monotonic() - since[0]

    def cancel(self) -> None:
        """Give up whatever is being sent, and forget what is known about partitions."""
        for task in self._open:
            task.cancel()
        self._open.clear()
        self._away.clear()
        self._stored_at.clear()

    def _note_away(self, lane: Lane, now: float) -> None:
        if lane.places not in self._away and self._partitions > 1:
            where = _named(self._blamed(lane.places, lane.began) or lane.places)
            why = str(lane.error).removesuffix(".")
            log.warning("The relay of %s cannot send to %s (%s); retrying", self._name, where, why)
        since, _ = self._away.get(lane.places, (lane.began, now))
        self._away[lane.places] = since, now

    def _blamed(self, places: Places, since: float) -> Places:
        """Return which of these partitions have stored nothing since then."""
        return frozenset(place for place in places if self._stored_at.get(place, since) <= since)


def _named(places: Places) -> str:
    return f"partition{'s' if len(places) > 1 else ''} {', '.join(map(str, sorted(places)))}"


def _scope(claimed: ClaimedRow) -> str:
    return task_scope(claimed.row.name) if claimed.row.is_task else claimed.row.name


async def _send_row(publisher: EventPublisher, claimed: ClaimedRow) -> Published:
    row = claimed.row
    store: Callable[..., Awaitable[Published]] = publisher.publish
    if row.is_task:
        store = partial(publisher.submit, unique=declarations.uniqueness_of(row.name))
    delay = 0.0 if row.due_at is None else max(row.due_at - time.time(), 0.0)
    headers: dict[str, str] | None = json.loads(row.headers) if row.headers else None
    body = row.body.encode()
    try:
        return await store(row.name, body, delay=delay, key=row.key, headers=headers, event_id=row.event_id)
    except SendOutcomeUnknownError:
        # With its key and its id a second try is safe.
        return await store(row.name, body, delay=delay, key=row.key, headers=headers, event_id=row.event_id)
