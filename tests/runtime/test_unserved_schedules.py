"""Schedules that nobody serves, and ticks that did not run: where whoever is on call looks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.broker import Broker
from upnext.broker.keys import Keys
from upnext.runner.undeclared_schedules import UndeclaredSchedules

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

PREFIX = "upnext:{default:0}:"


async def nothing() -> None:
    """Do nothing."""


def release(url: str, *, imports_the_task: bool, is_scheduled: bool = True) -> upnext.Worker:
    """A worker with an event, and with or without the module that has its scheduled task, or with its schedule gone."""
    worker = upnext.Worker("shop", redis_url=url)
    worker.event("order.placed").on(name="confirm")(nothing)
    if imports_the_task:
        hour = far_tick().hour
        decorate = worker.cron(f"0 {hour} * * *", name="cleanup") if is_scheduled else worker.task(name="cleanup")
        decorate(nothing)
    return worker


def far_tick() -> datetime:
    """Return the start of an hour half a day ago: no tick of a day comes while a test runs."""
    return (datetime.now(UTC) - timedelta(hours=12)).replace(minute=0, second=0, microsecond=0)


async def looked_at(command: Command, url: str) -> dict[str, Any]:
    """Return what each place says of the schedule: a check, a row of JSON, the text, and the metrics."""
    run = asyncio.to_thread
    checks = json.loads((await run(command, "doctor", "--format", "json", url=url))[1])["checks"]
    rows = json.loads((await run(command, "status", "--format", "json", url=url))[1])["schedules"]
    text = (await run(command, "status", url=url))[1]
    metrics = (await run(command, "exporter", "--once", url=url))[1]
    of_task = '{task="cleanup",worker="shop"} '
    return {
        "check": [check for check in checks if check["name"] == "schedules"],
        "rows": rows,
        "text": text,
        "metrics": {
            line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in metrics.splitlines() if of_task in line
        },
    }


async def test_a_schedule_whose_task_a_release_does_not_import_is_told_of_everywhere(
    command: Command, valkey_url: str
) -> None:
    async with running(release(valkey_url, imports_the_task=True)):
        served = await looked_at(command, valkey_url)
    async with running(release(valkey_url, imports_the_task=False)):
        unserved = await looked_at(command, valkey_url)

    assert [check["status"] for check in served["check"]] == ["ok"]
    (row,) = served["rows"]
    assert (row["worker"], row["task"], row["served"], row["overdue"]) == ("shop", "cleanup", True, None)
    assert served["metrics"] == {"upnext_schedule_served": 1, "upnext_schedule_overdue_seconds": 0}
    assert "cleanup" in served["text"]
    assert "schedule" not in served["text"]

    (check,) = unserved["check"]
    assert (check["status"], check["message"]) == (
        "warn",
        "no living worker has the scheduled task 'cleanup' (worker 'shop'): its ticks do not run",
    )
    assert check["help"] == "import its module in the file that is run, or `upnext unsubscribe` it if it is gone"
    assert [(row["task"], row["served"]) for row in unserved["rows"]] == [("cleanup", False)]
    assert unserved["metrics"] == {"upnext_schedule_served": 0, "upnext_schedule_overdue_seconds": 0}
    assert "No living worker has the scheduled task 'cleanup' (worker 'shop'): its ticks do not run" in unserved["text"]
    (line,) = [line for line in unserved["text"].splitlines() if "cleanup" in line and "0" in line]
    assert line.endswith("schedule not served")


async def test_a_tick_that_should_have_run_is_overdue_until_the_next_one_does(
    command: Command, valkey_url: str
) -> None:
    """It counts from the latest that ran; one that is not due for a minute yet is not overdue."""
    ran = (far_tick() - timedelta(days=1)).timestamp()
    async with running(release(valkey_url, imports_the_task=True)):
        with redis.Redis.from_url(valkey_url) as server:
            server.zadd(f"{PREFIX}ticks", {"shop||cleanup": ran * 1000})
        late = await looked_at(command, valkey_url)
    (check,) = late["check"]
    assert check["status"] == "warn"
    assert check["message"].startswith("the scheduled task 'cleanup' (worker 'shop') did not run at 20")
    assert far_tick().isoformat() in check["message"]
    assert "catch_up" in check["help"]
    assert late["rows"][0]["overdue"] >= 12 * 3600
    assert late["metrics"]["upnext_schedule_overdue_seconds"] >= 12 * 3600
    assert late["metrics"]["upnext_schedule_last_tick_timestamp_seconds"] == ran
    assert "The scheduled task 'cleanup' (worker 'shop') did not run at 20" in late["text"]


@pytest.mark.parametrize("imports_the_task", [False, True])
async def test_a_worker_logs_at_its_start_which_schedules_it_does_not_declare_any_more(
    command: Command, valkey_url: str, caplog: pytest.LogCaptureFixture, *, imports_the_task: bool
) -> None:
    """The task may be there still, without its schedule; the command that the line names removes it."""
    async with running(release(valkey_url, imports_the_task=True)):
        pass
    ran = far_tick() - timedelta(days=1)
    with redis.Redis.from_url(valkey_url) as server:
        server.zadd(f"{PREFIX}ticks", {"shop||cleanup": ran.timestamp() * 1000})
    now = release(valkey_url, imports_the_task=imports_the_task, is_scheduled=False)
    async with running(now):
        await wait_until_async(lambda: bool(about_schedules(caplog)))
        unserved = await looked_at(command, valkey_url)
        code, out, _ = await asyncio.to_thread(command, "unsubscribe", "shop||cleanup", url=valkey_url)
    (line,) = about_schedules(caplog)
    assert line == (
        "The server has a schedule that worker 'shop' does not declare any more: task 'cleanup' "
        f"(0 {far_tick().hour} * * *), whose latest tick was that of {ran.isoformat()}. No running process has it, "
        "and its ticks do not run. Import what declares it in the file that is run; or, if it is gone, remove it: "
        "`upnext unsubscribe 'shop||cleanup'`"
    )
    assert [row["served"] for row in unserved["rows"]] == [False]
    assert [check["status"] for check in unserved["check"]] == ["warn"]
    assert code == 0
    assert out.startswith("Task 'cleanup' (worker 'shop') is not scheduled any more")
    caplog.clear()
    async with running(release(valkey_url, imports_the_task=True)):
        code, _, err = await asyncio.to_thread(command, "unsubscribe", "shop||cleanup", url=valkey_url)
    assert (code, about_schedules(caplog)) == (1, [])
    assert "runs: stop that worker, or deploy it without the handler, first." in err


async def test_while_another_process_has_the_schedule_nothing_is_logged(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As during a deployment; once the last one that has it stops, it is."""
    broker, now = Broker(valkey_url, Keys("default")), release(valkey_url, imports_the_task=False)
    watch = UndeclaredSchedules(now.registry, broker, now.registry.schedules)
    try:
        async with running(release(valkey_url, imports_the_task=True)):
            await watch.look()
            assert about_schedules(caplog) == []
        for _ in range(2):
            await watch.look()
    finally:
        await broker.close()
    (line,) = about_schedules(caplog)
    assert "task 'cleanup' (" in line
    assert "which has run no tick since it was declared at 20" in line


def about_schedules(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines about schedules that are not declared any more."""
    return [message for message in caplog.messages if "does not declare any more" in message]
