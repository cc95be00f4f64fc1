"""Runs the scheduled tasks of a worker: every process submits each tick, and the server stores it once.

No process leads. Each tick has an idempotency key, so only one of the processes' submissions is stored. The server
keeps the latest tick that has run, and its clock decides: a process whose clock is wrong runs nothing early.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from upnext.broker.failures import backoff, describe_failure
from upnext.broker.redis_types import RedisError
from upnext.broker.schedules import ScheduleRecord
from upnext.errors import BrokerError, ConfigError
from upnext.log import log
from upnext.schedule import LATEST
from upnext.sending import submit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upnext.handler import Handler
    from upnext.registry import Registry
    from upnext.schedule import Schedule

_FUTURE = timedelta(days=1)  # ticks are never further ahead of the server's clock, unless that was set back
_MOMENT = timedelta(microseconds=1)
_LONGEST_SLEEP = 30.0  # seconds; a clock that was set is noticed within them
_SHORTEST_SLEEP = 0.001
_WARN_AFTER = (1, 20)  # failures in a row


class Store(Protocol):
    """The part of `ScheduleStore` that the scheduler uses."""

    async def now(self) -> datetime: ...  # noqa: D102
    async def declare(  # noqa: D102
        self, record: ScheduleRecord, now: datetime, *, anew: bool = False
    ) -> datetime | None: ...
    async def last(self, handler: str) -> datetime | None: ...  # noqa: D102
    async def ran(self, handler: str, tick: datetime) -> None: ...  # noqa: D102


def due(schedule: Schedule, last: datetime, now: datetime) -> list[datetime]:
    """Return the ticks that a schedule has to run for now.

    Those since `last`, unless they are too late; if there is none, the latest that was missed, for a schedule that
    catches up. `last` advances only after every earlier tick was submitted, so nothing before it is due.

    Args:
        schedule: The schedule.
        last: The latest tick that it ran for, by whatever process.
        now: The server's time.
    """
    ticks = schedule.between(max(last, now - LATEST), now)
    if not ticks and schedule.catch_up and (missed := schedule.latest(last, now)) is not None:
        return [missed]
    return ticks


class Scheduler:
    """Submits the scheduled tasks of one worker in this process.

    Args:
        registry: The worker's declarations.
        store: What the server knows.
        schedules: The schedules, by the identity of their task; by default all that are declared now.
    """

    def __init__(self, registry: Registry, store: Store, schedules: Mapping[str, Schedule] | None = None) -> None:
        self._registry = registry
        self._schedules = dict(registry.schedules) if schedules is None else schedules
        self._store = store
        self._declared = False
        self._since: dict[str, datetime] = {}  # since when a changed schedule applies
        self._reported: dict[str, datetime] = {}  # the tick that was last logged as missed
        self._seen_ticks: dict[str, tuple[datetime, datetime | None]] = {}  # when it was read, and its next tick
        self._failures = Counter[str]()  # in a row; of a handler, or of all ("")

    async def run(self) -> None:
        """Submit tasks at their ticks until cancelled. Outages are waited out."""
        while True:
            try:
                pause = await self.look()
                self._worked("", "schedules")
            except Exception as error:  # noqa: BLE001  # whatever it is, later ticks are not to be lost
                pause = self._failed("", "schedules", error)
            await asyncio.sleep(pause)

    async def look(self) -> float:
        """Submit what is due; return the seconds until the next tick or retry.

        What fails for one schedule, such as a send to a partition whose server is away, holds up no other one.
        """
        now = await self._store.now()
        if not self._declared:
            for handler, schedule in self._schedules.items():
                await self._declare(handler, schedule, now)
            self._declared = True
        pauses = await asyncio.gather(*(self._keep(*each, now) for each in self._schedules.items()))
        return max(min(pauses), _SHORTEST_SLEEP)

    async def _keep(self, handler_id: str, schedule: Schedule, now: datetime) -> float:
        """Handle one schedule; return the seconds until it has to be handled again."""
        seen_at, following = self._seen_ticks.get(handler_id, (now, now))
        if following is None or not seen_at <= now < following:
            handler = self._registry.handlers[handler_id]
            try:
                await self._look_at(handler, schedule, now)
            except Exception as error:  # noqa: BLE001  # it is logged, and tried again
                return self._failed(handler_id, f"schedule {handler.name!r}", error)
            self._worked(handler_id, f"schedule {handler.name!r}")
            following = schedule.after(now)
            self._seen_ticks[handler_id] = now, following
        return _LONGEST_SLEEP if following is None else min(_LONGEST_SLEEP, (following - now).total_seconds())

    async def _look_at(self, handler: Handler, schedule: Schedule, now: datetime) -> None:
        last = await self._store.last(handler.id)
        if last is not None:
            last = max(last, self._since.get(handler.id, last))
        if last is None or last - now > _FUTURE:
            await self._begin_again(handler, schedule, last, now)
            return
        ticks = due(schedule, last, now)
        for tick in ticks:
            await submit(handler, self._registry, {}, delay=0.0, key=f"tick-{round(tick.timestamp() * 1000)}")
            await self._store.ran(handler.id, tick)
        # A schedule that catches up has covered all of them.
        before = ticks[0] - _MOMENT if ticks else now
        missed = None if schedule.catch_up else schedule.latest(last, before)
        if missed is not None and self._reported.get(handler.id) != missed:
            self._reported[handler.id] = missed
            log.warning("Schedule %r was not run at %s: nothing could run it then", handler.name, missed.isoformat())

    def _failed(self, of: str, what: str, error: Exception) -> float:
        """Log a failure, but not each time; return the seconds until the next try."""
        self._failures[of] += 1
        if self._failures[of] in _WARN_AFTER:
            say = log.warning if isinstance(error, (RedisError, OSError, BrokerError)) else log.exception
            say("Cannot run %s now (%s); retrying", what, describe_failure(error))
        return backoff(self._failures[of])

    def _worked(self, of: str, what: str) -> None:
        if self._failures.pop(of, 0):
            log.info("Runs %s again", what)

    async def _begin_again(self, handler: Handler, schedule: Schedule, last: datetime | None, now: datetime) -> None:
        if last is not None:
            log.warning(
                "Schedule %r has run for %s, and the server's clock says %s: it was set back; going on from now",
                handler.name,
                last.isoformat(),
                now.isoformat(),
            )
        await self._declare(handler.id, schedule, now, anew=True)

    async def _declare(self, handler_id: str, schedule: Schedule, now: datetime, *, anew: bool = False) -> None:
        since = await self._store.declare(record_of(handler_id, schedule), now, anew=anew)
        if since is None:
            self._since.pop(handler_id, None)
        else:
            self._since[handler_id] = since


def check_schedule(handler: Handler) -> None:
    """Refuse a scheduled task that requires arguments, because a schedule has none.

    Raises:
        ConfigError: If it does.
    """
    for name, (_, required) in handler.signature.fields.items():
        if required:
            raise ConfigError(
                f"Task {handler.name!r} cannot run on a schedule: its parameter {name!r} has no default, and a "
                "schedule has no value to give it."
            )


def record_of(handler: str, schedule: Schedule) -> ScheduleRecord:
    """Return the record of a schedule."""
    every = None if schedule.every is None else schedule.every.total_seconds()
    return ScheduleRecord(handler, schedule.expression, schedule.tz, every, schedule.catch_up)
