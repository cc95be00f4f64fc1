"""A schedule that a release changes: it counts from then on, and not from when it was another one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

import upnext
from upnext.broker.broker import Broker
from upnext.broker.connection import PipelinedConnection
from upnext.broker.keys import Keys
from upnext.broker.schedules import ScheduleStore
from upnext.broker.scripts import Script
from upnext.runner.scheduler import Scheduler
from upnext.transport import use_transport
from upnext_pytest.sends import Sends

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
MISSED: dict[str, Any] = {"catch_up": True}
NIGHT: dict[str, Any] = {"expression": "0 3 * * *"}
NOON: dict[str, Any] = {"expression": "0 12 * * *"}


class Clock(ScheduleStore):
    """What the server knows of schedules, at a time that the test sets."""

    time = MIDNIGHT

    async def now(self) -> datetime:
        await super().now()
        return self.time


class Interrupted:
    """A connection on which something else may happen right after a schedule was read.

    Attributes:
        meanwhile: What happens the next time.
    """

    def __init__(self, link: PipelinedConnection) -> None:
        self._link = link
        self.meanwhile: list[Callable[[], Awaitable[object]]] = []

    async def command(self, *words: Any) -> Any:
        reply = await self._link.command(*words)
        if words[0] == "HGET" and self.meanwhile:
            await self.meanwhile.pop()()
        return reply

    async def call(self, script: Script, keys: Sequence[str], words: Sequence[Any]) -> Any:
        return await self._link.call(script, keys, words)


class Releases:
    """Processes of one worker, of releases that have another schedule for its task each."""

    def __init__(self, broker: Broker) -> None:
        self.link = Interrupted(broker.link)
        first: Any = SimpleNamespace(link=self.link, keys=broker.keys)
        self._clock = Clock(first)
        self.sends = Sends()

    def process(self, **options: Any) -> Scheduler:
        """Start a process of a release."""
        worker = upnext.Worker("shop")
        expression = [options.pop("expression")] if "expression" in options else []

        @worker.cron(*expression, **options)
        async def report() -> None: ...

        return Scheduler(worker.registry, self._clock)

    async def look(self, process: Scheduler, hours: float) -> list[float]:
        """Have a process look so many hours after midnight; returns the ticks that it submits, in hours."""
        self._clock.time = MIDNIGHT + timedelta(hours=hours)
        before = len(self.sends)
        with use_transport(self.sends):
            await process.look()
        keys = [sent.key or "" for sent in self.sends[before:] if not sent.repeated]
        moments = [datetime.fromtimestamp(int(key.removeprefix("tick-")) / 1000, UTC) for key in keys]
        return [(moment - MIDNIGHT) / timedelta(hours=1) for moment in moments]


@asynccontextmanager
async def _releases(url: str) -> AsyncIterator[Releases]:
    broker = Broker(url, Keys("default"))
    try:
        yield Releases(broker)
    finally:
        await broker.close()


@pytest.mark.parametrize("catch_up", [True, False])
@pytest.mark.parametrize(
    ("before", "after", "following"),
    [
        (NIGHT, NOON, 36),
        (NIGHT, NIGHT | {"tz": "America/New_York"}, 32),
        (NIGHT, {"every": timedelta(hours=2)}, 14),
        ({"every": timedelta(hours=7)}, {"every": timedelta(minutes=2)}, 13 + 1 / 30),
    ],
    ids=["expression", "tz", "every", "interval"],
)
async def test_a_schedule_that_is_changed_has_missed_no_tick_from_before_that(
    valkey_url: str,
    caplog: pytest.LogCaptureFixture,
    before: dict[str, Any],
    after: dict[str, Any],
    following: float,
    *,
    catch_up: bool,
) -> None:
    """It neither runs at once at the deployment nor is it said to have been missed; its next tick runs."""
    async with _releases(valkey_url) as releases:
        old = releases.process(**before | {"catch_up": catch_up})
        await releases.look(old, 0)
        for hours in (3, 7):
            await releases.look(old, hours + 0.001)
        for new in (releases.process(**after | {"catch_up": catch_up}) for _ in range(2)):  # it restarts once
            assert await releases.look(new, 13.01) == []
        new = releases.process(**after | {"catch_up": catch_up})
        assert not caplog.messages
        assert await releases.look(new, following + 0.001) == [pytest.approx(following)]


async def test_the_old_and_the_new_release_side_by_side_cost_each_other_no_tick(valkey_url: str) -> None:
    """Processes of both restart while they are rolled out; whichever declared last, each counts since before."""
    async with _releases(valkey_url) as releases:
        night, noon = NIGHT | MISSED, NOON | MISSED
        await releases.look(releases.process(**night), 0)
        await releases.look(releases.process(**noon), 2.5)
        await releases.look(
            releases.process(**night), 2.6
        )  # an old one restarts, and all stand still until after three
        await releases.look(releases.process(**noon), 2.7)
        assert await releases.look(releases.process(**night), 3.2) == [3]
        await releases.look(releases.process(**noon), 11.5)
        await releases.look(releases.process(**night), 11.6)
        assert await releases.look(releases.process(**noon), 12.2) == [12]


async def test_two_releases_that_start_at_the_same_moment_cost_no_tick(valkey_url: str) -> None:
    """One declares its schedule after the other one has read what is there, and before that writes its own.

    All are stopped then, and the new one is back a little after noon.
    """
    async with _releases(valkey_url) as releases:
        night, noon = NIGHT | MISSED, NOON | MISSED
        await releases.look(releases.process(**night), 4)
        releases.link.meanwhile.append(lambda: releases.look(releases.process(**noon), 11.5))
        await releases.look(releases.process(**night), 11.5)
        assert releases.link.meanwhile == []
        assert await releases.look(releases.process(**noon), 12.2) == [12]


@pytest.mark.parametrize(("days", "ran"), [(0, [27]), (5, [])])
async def test_a_schedule_that_is_changed_back_has_missed_nothing_meanwhile(
    valkey_url: str, days: int, ran: list[float]
) -> None:
    """And one that was not changed is made up for after any time."""
    async with _releases(valkey_url) as releases:
        await releases.look(releases.process(**NIGHT | MISSED), 1)
        for day in range(days):
            await releases.look(releases.process(**NOON | MISSED), 24 * day + 12.001)
        hours = 24 * max(days, 1) + 10
        assert await releases.look(releases.process(**NIGHT | MISSED), hours) == ran


async def test_a_clock_that_is_set_back_stops_no_schedule_that_was_changed(valkey_url: str) -> None:
    """By days, which is more than any tick can be ahead."""
    async with _releases(valkey_url) as releases:
        await releases.look(releases.process(**NIGHT), 0)
        process = releases.process(**NOON)
        await releases.look(process, 24 * 30)
        await releases.look(process, 1)
        assert await releases.look(process, 12.001) == [12]
