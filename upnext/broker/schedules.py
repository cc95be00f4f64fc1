"""Schedules as the server knows them: their definitions, and the latest tick each has run for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from upnext.broker.replies import pairs, read_json, scored, text
from upnext.broker.scripts import script
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.broker.broker import Broker
    from upnext.schedule import Schedule

SCHEDULES = "schedules"
"""In the record of a worker: which of its tasks it has schedules for. Workers of earlier releases do not say."""

_TIMING = ("expression", "tz", "every")
"""What makes a schedule another one."""

_ROLLOUT = 3_600_000  # milliseconds for which processes of two releases are expected to declare theirs in turn


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """A schedule as a worker declared it.

    Attributes:
        handler: The identity of its task.
        expression: The cron expression; "" for one with `every`.
        tz: The time zone's name.
        every: Seconds between two ticks; None for one with an expression.
        catch_up: Whether a missed tick is made up for.
        last: The latest tick that it has run for, or the moment it was first declared at.
        has_run: Whether it was a tick.
        since: From when its ticks count, if it was another schedule before.
    """

    handler: str
    expression: str
    tz: str
    every: float | None
    catch_up: bool
    last: datetime | None = None
    has_run: bool = False
    since: datetime | None = None

    @property
    def in_words(self) -> str:
        """A description, even if it cannot be used here."""
        if self.every is not None:
            return f"every {self.every:g} s"
        return self.expression if self.tz == "UTC" else f"{self.expression} ({self.tz})"

    def schedule(self) -> Schedule:
        """Return the schedule.

        Raises:
            ConfigError: If it cannot be used here: another machine, or another release, has declared it.
        """
        from upnext.schedule import Schedule  # noqa: PLC0415 - workers and commands that see no schedule need none

        try:
            if self.every is not None:
                return Schedule.of(None, None, timedelta(seconds=self.every), self.catch_up)
            return Schedule.of(self.expression, self.tz, None, self.catch_up)
        except OverflowError:
            raise ConfigError(f"Option every={self.every:g} s cannot be used: it is too long.") from None

    def overdue(self, now: datetime) -> datetime | None:
        """Return the first tick that should have run by now and has not; None if there is none or it is unknown."""
        from upnext.schedule import LATEST  # noqa: PLC0415 - as above

        if self.last is None:
            return None
        try:
            tick = self.schedule().after(self.last if self.since is None else max(self.last, self.since))
        except ConfigError:
            return None
        return tick if tick is not None and tick <= now - LATEST else None


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """A schedule at a moment.

    Attributes:
        record: What it is.
        served: Whether a living worker has it.
        overdue: The first tick that should have run and has not; None if there is none, or none is known.
    """

    record: ScheduleRecord
    served: bool
    overdue: datetime | None


class ScheduleStore:
    """Reads and writes the schedules of a namespace.

    Args:
        first: The namespace's first partition, which keeps them for all.
    """

    def __init__(self, first: Broker) -> None:
        self._link = first.link
        self._keys = first.keys

    async def now(self) -> datetime:
        """Return the server's time."""
        seconds, micros = await self._link.command("TIME")
        return datetime.fromtimestamp(int(seconds) + int(micros) / 1_000_000, UTC)

    async def declare(self, record: ScheduleRecord, now: datetime, *, anew: bool = False) -> datetime | None:
        """Store a schedule; a new one counts from now on, and so does every one that should begin again.

        Returns:
            The moment from which its ticks count, if it was another schedule before.
        """
        keys, timing = self._keys, {name: getattr(record, name) for name in _TIMING}
        while True:
            before = await self._link.command("HGET", keys.schedules, record.handler) or b""
            stored = read_json(before)
            known = cast("dict[str, Any]", stored) if isinstance(stored, dict) and not anew else {}
            history = _history(known, timing, _score(now))
            written = json.dumps({**timing, "catch_up": record.catch_up, **history})
            words = (record.handler, before, written, _score(now) + 0.5, int(anew))
            # Processes of two releases may start together: this one adopts what another one has written since.
            if await self._link.call(script("declare"), [keys.schedules, keys.ticks], words) == 1:
                return None if (since := _number(history.get("since"))) is None else _moment(since)

    async def last(self, handler: str) -> datetime | None:
        """Return the latest tick that a schedule has run for, or when it was first declared; None if unknown."""
        score = await self._link.command("ZSCORE", self._keys.ticks, handler)
        return None if score is None else _moment(float(score))

    async def ran(self, handler: str, tick: datetime) -> None:
        """Record a tick that a schedule has run for; a tick earlier than the recorded one changes nothing."""
        await self._link.command("ZADD", self._keys.ticks, "GT", _score(tick), handler)

    async def remove(self, handler: str) -> bool:
        """Remove the schedule of a removed task; False if it is unknown. A worker that has it declares it again."""
        known = await self._link.command("HDEL", self._keys.schedules, handler)
        await self._link.command("ZREM", self._keys.ticks, handler)
        return bool(known)

    async def read(self) -> list[ScheduleRecord]:
        """Return all declared schedules that were not removed; entries of other programs are left out."""
        if not await self._link.command("HLEN", self._keys.schedules):
            return []
        declared = pairs(await self._link.command("HGETALL", self._keys.schedules))
        latest = scored(await self._link.command("ZRANGE", self._keys.ticks, 0, -1, "WITHSCORES"))
        ticks = {text(name): score for name, score in latest}
        found = (_record(text(name), read_json(value), ticks.get(text(name))) for name, value in declared)
        return sorted((record for record in found if record is not None), key=lambda record: record.handler)


def _history(stored: dict[str, Any], timing: dict[str, Any], now: float) -> dict[str, Any]:
    """Return since when a schedule has its present form, and its previous form, to be kept with it.

    While a release is rolled out, processes of both declare theirs, in any order: the one that was replaced a short
    time ago counts on from where it did.
    """
    if not stored or _timing(stored) == timing:
        return {name: stored[name] for name in ("since", "at", "before") if name in stored}
    before, at = stored.get("before"), _number(stored.get("at"))
    former = cast("dict[str, Any]", before) if isinstance(before, dict) else {}
    is_back = at is not None and now - at < _ROLLOUT and _timing(former) == timing
    return {
        "since": former.get("since") if is_back else now,
        "at": now,
        "before": {**_timing(stored), "since": stored.get("since")},
    }


def _timing(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: fields.get(name) for name in _TIMING}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _score(moment: datetime) -> float:
    return round(moment.timestamp() * 1000)


def _moment(score: float) -> datetime:
    return datetime.fromtimestamp(score / 1000, UTC)


def _record(handler: str, data: object, score: float | None) -> ScheduleRecord | None:
    if not isinstance(data, dict):
        return None
    fields = cast("dict[str, Any]", data)
    expression, tz, every = fields.get("expression"), fields.get("tz"), fields.get("every")
    if not isinstance(expression, str) or not isinstance(tz, str) or not isinstance(every, int | float | None):
        return None
    if every is not None and not every > 0:
        return None
    last = None if score is None else _moment(score)
    # A tick is a whole number of milliseconds, the time of a declaration is not.
    has_run = score is not None and score.is_integer()
    since = _number(fields.get("since"))
    began = None if since is None else _moment(since)
    return ScheduleRecord(handler, expression, tz, every, bool(fields.get("catch_up")), last, has_run, began)
