"""Watches how far behind an outbox is, for metrics and the worker's record, and logs when it falls behind."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from upnext.log import log

if TYPE_CHECKING:
    from upnext.outbox.row import OutboxBacklog, OutboxStore

LAGS_AFTER: Final = 60.0
"""Seconds that a row has to wait before its outbox is behind."""

_LOOK_EVERY = 10.0  # seconds
_LONGEST_SHARE = 100  # counting takes longer the more rows there are: at most this part of the time


@dataclass(frozen=True, slots=True)
class RelayReading:
    """How a relay stands.

    Attributes:
        outbox: Whose rows it sends.
        backlog: How far behind it was when somebody last looked; None before.
        trouble: Why it sends nothing now, "" while it does.
    """

    outbox: str
    backlog: OutboxBacklog | None
    trouble: str


class BacklogWatch:
    """Looks at one outbox from time to time, and logs when it falls behind and when it has caught up.

    Args:
        store: The rows.
        outbox: Whose rows they are, for the log.

    Attributes:
        latest: How far behind it was when it was last looked at; None before.
    """

    def __init__(self, store: OutboxStore, outbox: str) -> None:
        self._store = store
        self._outbox = outbox
        self._next_look = 0.0
        self._tell_from = LAGS_AFTER
        self._reported_set_aside = 0
        self._fails = False
        self.latest: OutboxBacklog | None = None

    async def look_if_due(self) -> float | None:
        """Look, unless that was done a moment ago.

        Returns:
            The seconds until the next look; None if it was not looked at, or could not be.
        """
        began = time.monotonic()
        if began < self._next_look:
            return None
        try:
            self.latest = await self._store.backlog()
        except Exception as error:  # noqa: BLE001  # a driver may raise anything, such as its limit of time; rows are sent all the same
            if not self._fails:
                log.log(logging.WARNING, "The rows of %s cannot be counted", self._outbox, error=error)
            self._fails = True
        else:
            self._fails = False
            self._tell(self.latest, self.latest.age(time.time()))
        took = time.monotonic() - began
        self._next_look = began + max(_LOOK_EVERY, took * _LONGEST_SHARE)
        return None if self._fails else self._next_look - began

    def _tell(self, backlog: OutboxBacklog, age: float) -> None:
        if age >= self._tell_from:
            log.warning(
                "The relay of %s is behind: %d row(s) wait, the first for %.0f s", self._outbox, backlog.waiting, age
            )
            self._tell_from = age * 2  # so that a whole night takes a few lines
        elif age < LAGS_AFTER < self._tell_from:
            log.info("The relay of %s has caught up: %d row(s) wait", self._outbox, backlog.waiting)
            self._tell_from = LAGS_AFTER
        if backlog.set_aside > self._reported_set_aside:
            log.warning(
                "%d row(s) of %s are set aside and not sent: see `upnext outbox list`", backlog.set_aside, self._outbox
            )
        self._reported_set_aside = backlog.set_aside
