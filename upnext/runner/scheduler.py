"""Runs the scheduled tasks of a worker at their ticks: every process tries, and the server stores each tick once.

No process leads. Each tick has an idempotency key, so that of all processes that submit it one does; the latest tick
that has run is kept on the server, which also says what time it is: a process whose clock is wrong runs nothing early.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from upnext.broker.failures import backoff, describe_failure
from upnext.broker.redis_types import RedisError
from upnext.broker.schedules import ScheduleRecord
from upnext.errors import BrokerError, ConfigError
from upnext.log import log
from upnext.sending import submit

if TYPE_CHECKING:
    from upnext.handler import Handler
    from upnext.registry import Registry
    from upnext.schedule import Schedule

LATEST = timedelta(minutes=1)
"""How late a tick may run at which this process was up: a short outage of the server costs none."""

_FUTURE = timedelta(days=1)  # by which no tick can be ahead of the server's clock, unless that was set back
_LONGEST_SLEEP = 30.0  # seconds; a clock that was set is noticed within them
_SHORTEST_SLEEP = 0.001
_WARN_AFTER = (1, 20)  # failures in a row


class Store(Protocol):
    """What the scheduler asks of `ScheduleStore`."""

    async def now(self) -> datetime: ...  # noqa: D102
    async def declare(self, record: ScheduleRecord, now: datetime, *, anew: bool = False) -> None: ...  # noqa: D102
    async def last(self, handler: str) -> datetime | None: ...  # noqa: D102
    async def ran(self, handler: str, tick: datetime) -> None: ...  # noqa: D102


def due(schedule: Schedule, last: datetime, looked: datetime | None, now: datetime) -> list[datetime]:
    """Return the ticks that a schedule is to run for now.

    Those since this process last looked, unless they are too late; if there is none, the latest that was missed, for a
    schedule that catches up.

    Args:
        schedule: The schedule.
        last: The latest tick that it ran for, by whatever process.
        looked: When this process looked before; None at first.
        now: The server's time.
    """
    ticks: list[datetime] = []
    if looked is not None:
        # Ticks before `last` as well: a process that was not up for them may have run `last` before this one looked.
        # What others have submitted is not stored again.
        since = max(looked, now - LATEST, last - LATEST)
        ticks = [tick for tick in schedule.between(since, now) if tick != last]
    if not ticks and schedule.catch_up and (missed := schedule.latest(last, now)) is not None:
        return [missed]
    return ticks


class Scheduler:
    """Submits the scheduled tasks of one worker in this process.

    Args:
        registry: The worker's declarations.
        store: What the server knows.
    """

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry = registry
        self._store = store
        self._told: dict[str, datetime] = {}  # the tick that was last logged as missed
        self._looked: dict[str, tuple[datetime, datetime | None]] = {}  # when it was looked at, and its next tick

    async def run(self) -> None:
        """Submit tasks at their ticks until cancelled. An outage is waited out."""
        declared, failures = False, 0
        while True:
            try:
                if not declared:
                    await self._declare()
                    declared = True
                pause = await self.look()
                failures = 0
            except (RedisError, OSError, BrokerError) as error:
                failures += 1
                if failures in _WARN_AFTER:
                    log.warning("Cannot run schedules now (%s); retrying", describe_failure(error))
                pause = backoff(failures)
            except Exception:  # noqa: BLE001  # whatever it is, other schedules and later ticks are not to be lost
                failures += 1
                if failures in _WARN_AFTER:
                    log.exception("Cannot run schedules now; retrying")
                pause = backoff(failures)
            await asyncio.sleep(pause)

    async def look(self) -> float:
        """Submit what is due; return the seconds until there is more."""
        now = await self._store.now()
        pause = _LONGEST_SLEEP
        for handler, schedule in self._registry.schedules.items():
            looked, following = self._looked.get(handler, (None, now))
            if looked is None or following is None or not looked <= now < following:
                await self._look_at(self._registry.handlers[handler], schedule, looked, now)
                following = schedule.after(now)
                self._looked[handler] = now, following
            if following is not None:
                pause = min(pause, (following - now).total_seconds())
        return max(pause, _SHORTEST_SLEEP)

    async def _look_at(self, handler: Handler, schedule: Schedule, looked: datetime | None, now: datetime) -> None:
        last = await self._store.last(handler.id)
        if last is None or last - now > _FUTURE:
            await self._begin_anew(handler, schedule, last, now)
            return
        ticks = due(schedule, last, looked, now)
        for tick in ticks:
            await submit(handler, self._registry, {}, delay=0.0, key=f"tick-{round(tick.timestamp() * 1000)}")
            await self._store.ran(handler.id, tick)
        missed = None if ticks else schedule.latest(last, now)
        if missed is not None and self._told.get(handler.id) != missed:
            self._told[handler.id] = missed
            log.warning("Schedule %r was not run at %s: nothing could run it then", handler.name, missed.isoformat())

    async def _begin_anew(self, handler: Handler, schedule: Schedule, last: datetime | None, now: datetime) -> None:
        if last is not None:
            log.warning(
                "Schedule %r has run for %s, and the server's clock says %s: it was set back; going on from now",
                handler.name,
                last.isoformat(),
                now.isoformat(),
            )
        await self._store.declare(record_of(handler.id, schedule), now, anew=True)

    async def _declare(self) -> None:
        now = await self._store.now()
        for handler, schedule in self._registry.schedules.items():
            await self._store.declare(record_of(handler, schedule), now)


def check_schedule(handler: Handler) -> None:
    """Refuse a scheduled task that needs arguments: a schedule has none to give.

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
    """Return what is kept of a schedule."""
    every = None if schedule.every is None else schedule.every.total_seconds()
    return ScheduleRecord(handler, schedule.expression, schedule.tz, every, schedule.catch_up)
