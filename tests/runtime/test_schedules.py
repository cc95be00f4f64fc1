"""Scheduled tasks: each tick once, over all processes, whatever clocks and processes do."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from redis import Redis

import upnext
from tests.runtime.running import ServiceFile, running
from tests.waiting import wait_until, wait_until_async
from upnext.broker.keys import Keys
from upnext.broker.schedules import ScheduleRecord
from upnext.runner.scheduler import Scheduler
from upnext.schedule import Schedule
from upnext.transport import use_transport
from upnext_pytest.sends import Sends, Sent

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def in_zone(schedule: Schedule, zone: str, begin: datetime, end: datetime) -> list[str]:
    return [f"{tick.astimezone(ZoneInfo(zone)):%m-%d %H:%M%z}" for tick in schedule.between(begin, end)]


@pytest.mark.parametrize(
    ("expression", "zone", "day", "ticks"),
    [
        # 02:00 to 03:00 does not exist: what was to run then runs right after it.
        ("30 2 * * *", "Europe/Berlin", (3, 29), ["03-29 03:00+0200"]),
        ("0 3 * * *", "Europe/Berlin", (3, 29), ["03-29 03:00+0200"]),
        # 02:00 to 03:00 comes twice: what runs once a day runs once.
        ("30 2 * * *", "Europe/Berlin", (10, 25), ["10-25 02:30+0200"]),
        ("0 * * * *", "Europe/Berlin", (3, 29), [f"03-29 0{hour}:00+0{offset}00" for hour, offset in ((1, 1), (3, 2))]),
        ("30 1 * * *", "America/New_York", (11, 1), ["11-01 01:30-0400"]),
        ("30 2 * * *", "America/New_York", (3, 8), ["03-08 03:00-0400"]),
        # What is not at a fixed hour follows the time that passes: none in the hour that is left out, two in the other.
        ("0 */2 * * *", "Europe/Berlin", (3, 29), ["03-29 04:00+0200"]),
        ("0 */2 * * *", "Europe/Berlin", (10, 25), ["10-25 02:00+0200", "10-25 02:00+0100"]),
        ("*/30 2,4 * * *", "Europe/Berlin", (3, 29), ["03-29 04:00+0200"]),
        ("0 30 2,4 * * *", "Europe/Berlin", (3, 29), ["03-29 04:30+0200"]),
        ("0 30 2 * * *", "Europe/Berlin", (10, 25), ["10-25 02:30+0200", "10-25 02:30+0100"]),
        # Half an hour, in the southern hemisphere.
        ("15 2 * * *", "Australia/Lord_Howe", (10, 4), ["10-04 02:30+1100"]),
        ("45 1 * * *", "Australia/Lord_Howe", (4, 5), ["04-05 01:45+1100"]),
    ],
)
def test_a_day_on_which_the_clocks_change_has_each_tick_once(
    expression: str, zone: str, day: tuple[int, int], ticks: list[str]
) -> None:
    """As Debian's cron has it, which tells fixed times from others."""
    schedule = Schedule.of(expression, zone, None, False)
    begin = datetime(2026, *day, 0, 30, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert in_zone(schedule, zone, begin, begin + timedelta(hours=3, minutes=45))[: len(ticks)] == ticks
    assert len(in_zone(schedule, zone, begin, begin + timedelta(hours=20))) >= len(ticks)


class Server:
    """A server's clock and records; the clock is set by the test."""

    def __init__(self, now: datetime) -> None:
        self.time = now
        self.lasts: dict[str, datetime] = {}

    async def now(self) -> datetime:
        return self.time

    async def declare(self, record: ScheduleRecord, now: datetime, *, anew: bool = False) -> None:
        if anew or record.handler not in self.lasts:
            self.lasts[record.handler] = now

    async def last(self, handler: str) -> datetime | None:
        return self.lasts.get(handler)

    async def ran(self, handler: str, tick: datetime) -> None:
        self.lasts[handler] = max(self.lasts[handler], tick)


def ticks_sent(sends: Sequence[Sent]) -> list[datetime]:
    keys = [sent.key or "" for sent in sends if not sent.repeated]
    return [datetime.fromtimestamp(int(key.removeprefix("tick-")) / 1000, UTC) for key in keys]


@pytest.mark.parametrize("zone", ZONES)
async def test_a_year_in_a_zone_with_summer_time_runs_each_day_once(zone: str) -> None:
    """Three processes look at moments of their own; the server's clock jumps back and forth by minutes meanwhile."""
    worker = upnext.Worker("shop")

    @worker.cron("30 2 * * *", tz=zone)
    async def nightly() -> None: ...

    @worker.cron("0 */6 * * *", tz=zone)
    async def often() -> None: ...

    server, chance = Server(YEAR), random.Random(zone)
    await server.declare(ScheduleRecord("shop||nightly", "", "", None, False), YEAR)
    await server.declare(ScheduleRecord("shop||often", "", "", None, False), YEAR)
    processes = [Scheduler(worker.registry, server) for _ in range(3)]
    with use_transport(sends := Sends()):
        moment = YEAR
        while moment < YEAR + timedelta(days=364):
            # A scheduler sleeps until the next tick at most, so it looks within a second after each.
            nexts = [schedule.after(moment) for schedule in worker.registry.schedules.values()]
            moment = min(tick for tick in nexts if tick is not None)
            for process in chance.sample(processes, 2):
                server.time = moment + timedelta(milliseconds=chance.randrange(1000))
                await process.look()
                if chance.random() < 0.2:  # the clock is set back, and right again
                    server.time -= timedelta(minutes=chance.randrange(600))
                    await process.look()
    nights = [f"{tick.astimezone(ZoneInfo(zone)):%Y-%m-%d}" for tick in ticks_sent(sends.of("nightly"))]
    days = {f"{YEAR + timedelta(days=day):%Y-%m-%d}" for day in range(1, 364)}
    assert len(nights) == len(set(nights))
    assert days <= set(nights)
    hours = ticks_sent(sends.of("often"))
    assert len(hours) == len(set(hours))
    assert {tick.astimezone(ZoneInfo(zone)).hour for tick in hours} == {0, 6, 12, 18}
    assert {f"{tick.astimezone(ZoneInfo(zone)):%Y-%m-%d}" for tick in hours} >= days
    assert 4 * 364 - 1 <= len(hours) <= 4 * 364 + 1


@pytest.mark.parametrize(("catch_up", "runs"), [(True, 1), (False, 0)])
async def test_ticks_that_were_missed_are_run_once_or_not_at_all(catch_up: bool, runs: int) -> None:
    """All that were missed are made up for by the latest; without that the log says what was not run."""
    worker = upnext.Worker("shop")

    @worker.cron("0 3 * * *", catch_up=catch_up)
    async def nightly() -> None: ...

    server = Server(YEAR)
    await server.declare(ScheduleRecord("shop||nightly", "", "", None, catch_up), YEAR)
    with use_transport(sends := Sends()):
        server.time = YEAR + timedelta(days=40, hours=12)
        for _ in range(3):
            await Scheduler(worker.registry, server).look()
        assert ticks_sent(sends) == [YEAR + timedelta(days=40, hours=3)] * runs
        process = Scheduler(worker.registry, server)
        await process.look()
        # The server was away for an hour while this process was up, and later for some seconds.
        server.time = YEAR + timedelta(days=41, hours=4)
        await process.look()
        assert len(sends) == 2 * runs
        server.time = YEAR + timedelta(days=42, hours=2)
        await process.look()
        server.time = YEAR + timedelta(days=42, hours=3, seconds=20)
        await process.look()
        assert ticks_sent(sends)[-1] == YEAR + timedelta(days=42, hours=3)


@pytest.mark.parametrize(("every", "missed"), [(timedelta(hours=1), "11:00:00"), (timedelta(seconds=20), "11:59:40")])
async def test_ticks_that_were_missed_before_one_that_can_still_run_are_told_of(
    every: timedelta, missed: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, with the latest of them: after that one, nothing on the server says that others were not run."""
    worker = upnext.Worker("shop")

    @worker.cron(every=every)
    async def often() -> None: ...

    server = Server(YEAR)
    await server.declare(ScheduleRecord("shop||often", "", "", every.total_seconds(), catch_up=False), YEAR)
    with use_transport(sends := Sends()):
        server.time = YEAR + timedelta(hours=12, seconds=59)
        process = Scheduler(worker.registry, server)
        for _ in range(2):
            await process.look()
        server.time += every
        await process.look()
    assert len(sends) > 1
    (line,) = [record.getMessage() for record in caplog.records if "was not run" in record.getMessage()]
    assert f"T{missed}" in line


async def test_a_clock_that_was_set_back_by_days_stops_no_schedule(caplog: pytest.LogCaptureFixture) -> None:
    """Its latest tick lies in the future then; by hours each tick still runs once."""
    worker = upnext.Worker("shop")

    @worker.cron(every=timedelta(hours=1))
    async def hourly() -> None: ...

    server = Server(YEAR)
    process = Scheduler(worker.registry, server)
    with use_transport(sends := Sends()):
        for hours in (0, 1, 2, 1, 2, 3, 24 * 300, 24 * 300 + 1, 4, 5):
            server.time = YEAR + timedelta(hours=hours, milliseconds=5)
            await process.look()
    hours_run = [(tick - YEAR) / timedelta(hours=1) for tick in ticks_sent(sends)]
    assert hours_run == [1, 2, 3, 7200, 7201, 5]
    assert any("it was set back; going on from now" in record.getMessage() for record in caplog.records)


async def test_a_process_that_starts_runs_what_is_not_a_minute_late() -> None:
    """A slow one that is up still has to run the first tick, and a third one that starts later finds nothing to do."""
    worker = upnext.Worker("shop")

    @worker.cron(every=timedelta(seconds=1))
    async def tick() -> None: ...

    server = Server(YEAR)
    await server.declare(ScheduleRecord("shop||tick", "", "", 1.0, False), YEAR)
    slow, newcomer, late = (Scheduler(worker.registry, server) for _ in range(3))
    with use_transport(sends := Sends()):
        for process, seconds in ((slow, 0.5), (newcomer, 2.1), (slow, 2.2), (newcomer, 3.1), (late, 3.2), (late, 66.5)):
            server.time = YEAR + timedelta(seconds=seconds)
            await process.look()
    assert [(tick - YEAR) / timedelta(seconds=1) for tick in ticks_sent(sends)] == [1, 2, 3, *range(7, 67)]


async def test_a_schedule_that_cannot_run_holds_up_no_other_and_is_named(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Another program's key stands where the first one's jobs are to be."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    runs: list[str] = []

    @worker.cron(every=timedelta(seconds=1))
    async def refused() -> None:
        runs.append("refused")

    @worker.cron(every=timedelta(seconds=1))
    async def poll() -> None:
        runs.append("poll")

    with Redis.from_url(valkey_url) as server:
        server.set(Keys("default").queue("shop||refused"), "of another program")
        async with running(worker):
            await wait_until_async(lambda: runs.count("poll") >= 2)
            assert "refused" not in runs
            server.delete(Keys("default").queue("shop||refused"))
            await wait_until_async(lambda: "refused" in runs)
    assert any(record.getMessage().startswith("Cannot run schedule 'refused' now (") for record in caplog.records)


def test_processes_that_are_killed_run_each_tick_once(valkey_url: str, tmp_path: Path) -> None:
    """Each second has one event, whoever is killed when; a job may run again when it was killed with its worker."""
    service = ServiceFile(
        tmp_path,
        valkey_url,
        """
        from datetime import timedelta
        worker = upnext.Worker("shop")

        class Started(upnext.Hooks):
            def worker_started(self, worker):
                note("started")

        worker.add_hooks(Started())

        @worker.cron(every=timedelta(seconds=1))
        async def tick():
            note("tick", upnext.get_current_context().event_id)
        """,
    )

    def ran() -> set[str]:
        return {line.split()[1] for line in service.ledger.lines if line.startswith("tick")}

    def wait_for_another_tick() -> None:
        before = len(ran())
        wait_until(lambda: len(ran()) > before, 30)

    with ExitStack() as stack:
        processes = [stack.enter_context(service.process()) for _ in range(5)]
        # A tick at which none is up is missed, so none is killed before all are, nor the last of the first five.
        service.ledger.wait_for("started", 5)
        for newcomers in (1, 1, 0, 0):
            wait_for_another_tick()
            victim = processes.pop()
            victim.kill()
            victim.wait()
            for _ in range(newcomers):
                stack.enter_context(service.process())
        for _ in range(3):
            wait_for_another_tick()
    with Redis.from_url(valkey_url) as server:
        keys = sorted(key.decode() for key in server.keys("upnext:*:key:*tick-*"))
        events = [json.loads(server.get(key) or b"")[0] for key in keys]
    ticks = [int(key.rpartition("tick-")[2]) // 1000 for key in keys]
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    assert len(events) == len(set(events))
    assert ran() <= set(events)
    assert len(ran()) >= len(events) - 1  # the last one may be killed with its process


async def test_a_scheduled_task_runs_with_the_options_of_a_task_and_can_be_submitted(
    valkey_url: str, command: Callable[..., tuple[int, str, str]]
) -> None:
    """And `upnext schedules` shows when it has run, and when it runs next."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    order_placed = worker.event("order.placed")
    runs: list[int] = []

    @worker.cron(every=timedelta(seconds=1), retries=1, retry_delay=0, name="poll")
    def poll_orders(context: upnext.Context, limit: int = 10) -> int:
        runs.append(context.attempt)
        if context.attempt == 1:
            raise ConnectionError
        order_placed.send_sync(order_id=str(limit))
        return limit

    @worker.cron("0 3 * * 1-5", tz="Europe/Berlin", catch_up=True)
    async def nightly() -> None: ...

    assert poll_orders.name == "poll"
    async with running(worker):
        assert await poll_orders.wait(limit=3) == 3
        await wait_until_async(lambda: runs.count(2) >= 3)
        code, out, _ = await asyncio.to_thread(command, "schedules", "--format", "json", url=valkey_url)
        assert code == 0
        text = (await asyncio.to_thread(command, "schedules", url=valkey_url))[1]
    found = {one["task"]: one for one in json.loads(out)["schedules"]}
    assert found["poll"] | {"next_run": None, "last_tick": None} == {
        "worker": "shop",
        "task": "poll",
        "schedule": "every 0:00:01",
        "expression": None,
        "tz": None,
        "every": 1.0,
        "catch_up": False,
        "next_run": None,
        "last_tick": None,
        "served": True,
        "fault": None,
    }
    assert found["poll"]["last_tick"] < found["poll"]["next_run"]
    assert (found["nightly"]["last_tick"], found["nightly"]["expression"]) == (None, "0 3 * * 1-5")
    following = datetime.fromisoformat(found["nightly"]["next_run"]).astimezone(ZoneInfo("Europe/Berlin"))
    assert (following.hour, following.minute, following.weekday() < 5) == (3, 0, True)
    assert "0 3 * * 1-5 (Europe/Berlin)" in text


def test_schedules_of_a_file_are_shown_before_any_worker_has_run(
    valkey_url: str, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    """And a namespace without any says so."""
    assert command("schedules", url=valkey_url)[1] == "No schedules.\n"
    file = tmp_path / "planned_service.py"
    file.write_text(
        f"""
import upnext
worker = upnext.Worker("planned", redis_url={valkey_url!r})
@worker.cron("*/5 * * * *")
async def sweep(): ...
"""
    )
    code, out, _ = command("schedules", str(file), "--format", "json", url=valkey_url)
    (found,) = json.loads(out)["schedules"]
    assert (code, found["task"], found["expression"], found["served"]) == (0, "sweep", "*/5 * * * *", False)
    assert datetime.fromisoformat(found["next_run"]).minute % 5 == 0


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("0 3 * *",), {}, "The cron expression '0 3 * *' cannot be used: Wrong number of fields. Write five fields"),
        (("61 * * * *",), {}, "The cron expression '61 * * * *' cannot be used: Bad minute"),
        (("",), {}, "The cron expression '' cannot be used"),
        ((3,), {}, "The cron expression 3 cannot be used: it must be text."),
        (("0 0 30 2 *",), {}, "The cron expression '0 0 30 2 *' cannot be used"),
        (("0 3 * * *",), {"tz": "Europe/Berln"}, "Option tz='Europe/Berln' cannot be used: it must be a time zone"),
        (("0 3 * * *",), {"tz": 3}, "Option tz=3 cannot be used"),
        (("0 3 * * *",), {"tz": "../etc/passwd"}, "Option tz='../etc/passwd' cannot be used"),
        (("0 3 * * *",), {"catch_up": 1}, "Option catch_up=1 cannot be used: it must be True or False."),
        (("0 3 * * *",), {"every": timedelta(days=1)}, "worker.cron takes either a cron expression or every="),
        ((), {}, "worker.cron takes either a cron expression or every="),
        ((), {"every": 5}, "Option every=5 cannot be used: it must be a timedelta"),
        ((), {"every": timedelta(0)}, "Option every=datetime.timedelta(0) cannot be used"),
        ((), {"every": timedelta(seconds=1, microseconds=1)}, "Option every=datetime.timedelta(seconds=1"),
        ((), {"every": timedelta(days=1), "tz": "UTC"}, "Option tz='UTC' cannot be used with every="),
        (("0 3 * * *",), {"retrys": 3}, "Option 'retrys' is unknown. Did you mean 'retries'?"),
    ],
)
def test_what_is_no_schedule_is_refused(arguments: tuple[Any, ...], options: dict[str, Any], words: str) -> None:
    """Where it is declared, naming what is wrong."""
    with pytest.raises(upnext.ConfigError) as caught:
        upnext.Worker("shop").cron(*arguments, **options)
    assert str(caught.value).startswith(words)


async def test_a_scheduled_task_that_needs_arguments_is_refused_when_its_worker_starts() -> None:
    """It could never run."""
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")

    @worker.cron("0 3 * * *")
    async def report(context: upnext.Context, title: str) -> None: ...

    with pytest.raises(upnext.ConfigError, match="'report' cannot run on a schedule: its parameter 'title' has no"):
        async with running(worker):
            pass
