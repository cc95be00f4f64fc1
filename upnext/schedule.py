"""When a scheduled task runs: by a cron expression in a time zone, or at an interval. Needs no clock or server."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from upnext.errors import ConfigError
from upnext.names import brief

if TYPE_CHECKING:
    from collections.abc import Iterator

LATEST = timedelta(minutes=1)
"""How late a tick may run: a short outage of the server, or of all processes, costs none."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=366)

# How far back to search for the latest tick first: for one every minute only the last few are computed, not all of a
# year in which nothing ran.
_LOOKS_BACK = (timedelta(hours=2), timedelta(days=2), timedelta(days=40), timedelta(days=400))


@dataclass(frozen=True)
class Schedule:
    """The ticks of one scheduled task.

    Attributes:
        expression: Five fields of cron, or six with seconds in front; "" if `every` is given.
        tz: The name of the time zone that the expression is meant in.
        every: The time between two ticks, which are whole multiples of it since 1970 (UTC).
        catch_up: Whether the latest tick of a time in which nothing could run is made up for.
    """

    expression: str = ""
    tz: str = "UTC"
    every: timedelta | None = None
    catch_up: bool = False

    @classmethod
    def of(cls, expression: object, tz: object, every: object, catch_up: object) -> Schedule:
        """Create a schedule from the arguments of `worker.cron`.

        Raises:
            ConfigError: If it cannot be used; the message says what can.
        """
        if not isinstance(catch_up, bool):
            raise ConfigError(f"Option catch_up={brief(catch_up)} cannot be used: it must be True or False.")
        if (expression is None) is (every is None):
            raise ConfigError("worker.cron takes either a cron expression or every=timedelta(...).")
        if expression is None:
            if tz is not None:
                raise ConfigError(f"Option tz={brief(tz)} cannot be used with every=: its ticks follow no local time.")
            return cls(every=_checked_every(every), catch_up=catch_up)
        schedule = cls(_checked_expression(expression), _checked_zone("UTC" if tz is None else tz), None, catch_up)
        if schedule.after(datetime.now(UTC)) is None:
            raise ConfigError(f"The cron expression {expression!r} cannot be used: no moment ever fits it.")
        return schedule

    def __str__(self) -> str:
        """Describe it in a few words."""
        if self.every is not None:
            return f"every {self.every}"
        return self.expression if self.tz == "UTC" else f"{self.expression} ({self.tz})"

    def after(self, moment: datetime) -> datetime | None:
        """Return the first tick after a moment, None if there is none."""
        return next(self._ticks(moment), None)

    def between(self, since: datetime, until: datetime) -> list[datetime]:
        """Return the ticks after `since` up to and including `until`; all are computed, so keep the range short."""
        return list(itertools.takewhile(lambda tick: tick <= until, self._ticks(since)))

    def latest(self, since: datetime, until: datetime) -> datetime | None:
        """Return the last tick after `since` up to and including `until`, None if there is none."""
        if self.every is not None:
            tick = _EPOCH + (until - _EPOCH) // self.every * self.every
            return tick if tick > since else None
        for back in _LOOKS_BACK:
            start = max(since, until - back)
            found = self.between(start, until)
            if found or start == since:
                return found[-1] if found else None
        return next(iter(self.between(since, until)[-1:]), None)

    def _ticks(self, start: datetime) -> Iterator[datetime]:
        """Yield the ticks after a moment, in UTC."""
        if self.every is not None:
            tick = _EPOCH + (start - _EPOCH) // self.every * self.every
            while True:
                tick += self.every
                yield tick
        for local in _parser()(self.expression, start.astimezone(self._zone)):
            tick = local.astimezone(UTC)
            # In the hour that is repeated at the end of summer time, a local time is found a second time.
            if tick > start:
                yield tick

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.tz)


def _parser() -> Any:
    try:
        from cronsim import CronSim  # noqa: PLC0415  # only schedules need it
    except ImportError as error:
        msg = "Cron expressions need cronsim: install upnext[cron]. (every=timedelta(...) does without.)"
        raise ConfigError(msg) from error
    return CronSim


def _checked_expression(expression: object) -> str:
    parser = _parser()
    reason = "it must be text"
    if isinstance(expression, str):
        try:
            parser(expression, _EPOCH)
        except Exception as error:  # noqa: BLE001  # the parser has errors of its own, and a few that it did not mean
            reason = str(error) or type(error).__name__
        else:
            return " ".join(expression.split())
    raise ConfigError(
        f"The cron expression {expression!r} cannot be used: {reason}. Write five fields, minute hour day month "
        "weekday, such as '0 3 * * *'."
    )


def _checked_zone(tz: object) -> str:
    if isinstance(tz, ZoneInfo) and tz.key:
        return tz.key
    if isinstance(tz, str):
        try:
            return ZoneInfo(tz).key
        except (LookupError, ValueError, OSError):
            pass
    raise ConfigError(
        f"Option tz={brief(tz)} cannot be used: it must be a time zone that this machine knows, such as "
        "'Europe/Berlin'. (Where a machine knows none, install tzdata.)"
    )


def _checked_every(every: object) -> timedelta:
    if isinstance(every, timedelta) and _SHORTEST <= every <= _LONGEST and not every.microseconds % 1000:
        return every
    raise ConfigError(
        f"Option every={brief(every)} cannot be used: it must be a timedelta of whole milliseconds, from a second to "
        "a year."
    )
