"""Schedules that the server knows and this machine cannot use, or that nobody runs any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TypeAlias

import redis

import upnext
from tests.dashboard.browser import browsing
from tests.runtime.running import running

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

KEY = "upnext:{default:0}:schedules"
UNUSABLE: dict[str, dict[str, object]] = {
    "zone": {"expression": "0 3 * * *", "tz": "Mars/Base", "every": None},
    "expression": {"expression": "at night", "tz": "UTC", "every": None},
    "endless": {"expression": "", "tz": "UTC", "every": 1e300},
    "often": {"expression": "", "tz": "UTC", "every": 0.001},
}


def declare_unusable(url: str) -> None:
    """Write what a release, or a machine, other than this one may have written, and what none writes."""
    junk = {"zero": {"expression": "", "tz": "UTC", "every": 0}, "back": {"expression": "", "tz": "UTC", "every": -5}}
    with redis.Redis.from_url(url) as server:
        for name, fields in (UNUSABLE | junk).items():
            server.hset(KEY, f"shop||{name}", json.dumps({**fields, "catch_up": False}))


async def nothing() -> None:
    """Do nothing."""


def planned(url: str) -> upnext.Worker:
    """A worker with a scheduled task."""
    worker = upnext.Worker("shop", redis_url=url)
    worker.cron("0 3 * * *", name="nightly")(nothing)
    return worker


async def test_one_that_cannot_be_used_is_shown_with_its_fault_beside_the_others(
    valkey_url: str, command: Command
) -> None:
    declare_unusable(valkey_url)
    async with running(planned(valkey_url)):
        code, out, _ = await asyncio.to_thread(command, "schedules", "--format", "json", url=valkey_url)
        text = (await asyncio.to_thread(command, "schedules", url=valkey_url))[1]
    found = {row["task"]: row for row in json.loads(out)["schedules"]}
    assert code == 0
    assert set(found) == {*UNUSABLE, "nightly"}, "what is not a schedule at all is left out"
    assert (found["nightly"]["fault"], found["nightly"]["next_run"] is None) == (None, False)
    assert [found[name]["next_run"] for name in UNUSABLE] == [None] * len(UNUSABLE)
    assert found["zone"]["fault"].startswith("Option tz='Mars/Base' cannot be used: it must be a time zone that this")
    assert found["expression"]["fault"].startswith("The cron expression 'at night' cannot be used: ")
    assert found["endless"]["fault"] == "Option every=1e+300 s cannot be used: it is too long."
    assert found["often"]["fault"].startswith("Option every=datetime.timedelta(microseconds=1000) cannot be used")
    assert "every 1e+300 s" in text
    assert "zone (worker 'shop'): Option tz='Mars/Base' cannot be used" in text


async def test_the_page_of_schedules_shows_it_too(valkey_url: str) -> None:
    declare_unusable(valkey_url)
    async with running(planned(valkey_url)), browsing(valkey_url) as browser:
        page = await browser.get("/schedules")
    assert "shop nightly 0 3 * * *" in page
    assert "shop zone 0 3 * * * (Mars/Base) Option tz='Mars/Base' cannot be used" in page


async def test_a_task_that_was_removed_has_no_next_run_and_can_be_forgotten(valkey_url: str, command: Command) -> None:
    async with running(planned(valkey_url)):
        running_code, _, why = await asyncio.to_thread(command, "unsubscribe", "nightly", url=valkey_url)
    said = "Task 'nightly' (worker 'shop')"
    assert (running_code, why) == (
        1,
        f"upnext: {said} runs: stop that worker, or deploy it without the handler, first.\n",
    )
    out = (await asyncio.to_thread(command, "schedules", "--format", "json", url=valkey_url))[1]
    (row,) = json.loads(out)["schedules"]
    assert (row["task"], row["served"], row["next_run"]) == ("nightly", False, None)
    await upnext.Worker("shop", redis_url=valkey_url).task(name="nightly")(nothing).submit()
    assert await asyncio.to_thread(command, "unsubscribe", "nightly", url=valkey_url) == (
        0,
        f"{said} is not scheduled any more; 1 job(s) that waited for it are dead letters now.\n",
        "",
    )
    assert (await asyncio.to_thread(command, "schedules", url=valkey_url))[1] == "No schedules.\n"
    with redis.Redis.from_url(valkey_url) as server:
        assert server.keys("upnext:{default:0}:schedules") + server.keys("upnext:{default:0}:ticks") == []
    assert (await asyncio.to_thread(command, "unsubscribe", "nightly", url=valkey_url))[0] == 1, "nor is it known"
