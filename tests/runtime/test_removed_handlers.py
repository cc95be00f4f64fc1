"""Handlers and tasks that a deployment removed: where they are told of, and the way out that each of them has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import redis

import upnext
from tests.runtime.running import running

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

PREFIX = "upnext:{default:0}:"


async def nothing() -> None:
    """Do nothing."""


def release(url: str, *handlers: str, tasks: Sequence[str] = ()) -> upnext.Worker:
    """A worker with handlers of "order.placed", and tasks, of these names."""
    worker = upnext.Worker("shop", redis_url=url)
    for name in handlers:
        worker.event("order.placed").on(name=name)(nothing)
    for name in tasks:
        worker.task(name=name)(nothing)
    return worker


async def connect(worker: upnext.Worker) -> None:
    """Let a worker subscribe its handlers, and stop."""
    async with running(worker):
        pass


async def seen(command: Command, url: str) -> tuple[list[tuple[str, str, str]], str, dict[str, Any]]:
    """Return what `doctor` says of queues, `status`, and its JSON."""
    run = asyncio.to_thread
    checks = json.loads((await run(command, "doctor", "--format", "json", url=url))[1])["checks"]
    of_queues = [(one["status"], one["message"], one["help"]) for one in checks if one["name"] == "queues"]
    text = (await run(command, "status", url=url))[1]
    return of_queues, text, json.loads((await run(command, "status", "--format", "json", url=url))[1])


async def test_jobs_that_are_not_due_yet_have_no_worker_either(command: Command, redis_url: str) -> None:
    """Delayed ones and retries of a handler that was removed fall due at night, when nobody looks."""
    await connect(release(redis_url, "keep", "charge"))
    event = upnext.Worker("sender", redis_url=redis_url).event("order.placed")
    await event.options(delay=900).send()
    with redis.Redis.from_url(redis_url) as client:
        client.zadd(f"{PREFIX}later", {"shop|order.placed|charge 0123456789abcdef0123456789ab.0:1:1:0": 9e15})
    way_out = "run a worker that has these handlers, or `upnext unsubscribe` those that are no more"

    checks, _, _ = await seen(command, redis_url)
    both = "shop|order.placed|charge, shop|order.placed|keep"
    assert checks == [("warn", f"no living worker takes the jobs of {both}", way_out)]

    async with running(release(redis_url, "keep")):
        checks, text, shown = await seen(command, redis_url)
        metrics = (await asyncio.to_thread(command, "exporter", "--once", url=redis_url))[1]
    assert checks == [("warn", "no living worker takes the jobs of shop|order.placed|charge", way_out)]
    (line,) = [line for line in text.splitlines() if "charge" in line]
    assert line.split()[-1] == "parked"
    assert "2 job(s) are parked: no living worker has their handler." in text
    assert shown["totals"]["parked"] == 2
    assert {row["handler"]: row["parked"] for row in shown["queues"]} == {"charge": True, "keep": False}
    assert 'upnext_jobs_parked{event="order.placed",handler="charge"} 2' in metrics


async def test_a_removed_handler_for_which_nothing_waits_yet_is_told_of(command: Command, redis_url: str) -> None:
    """Each send queues a job for it that nobody takes."""
    await connect(release(redis_url, "keep", "charge"))
    async with running(release(redis_url, "keep")):
        checks, text, _ = await seen(command, redis_url)
        assert (await asyncio.to_thread(command, "unsubscribe", "charge", url=redis_url))[0] == 0
        after = (await seen(command, redis_url))[0]
    assert checks == [
        (
            "warn",
            "no living worker has shop|order.placed|charge, for which every send queues a job",
            "run a worker that has these handlers, or `upnext unsubscribe` those that are no more",
        )
    ]
    (line,) = [line for line in text.splitlines() if "charge" in line]
    assert line.endswith("not served")
    assert after == [("ok", "every job that waits has a living worker", "")]


async def test_where_too_many_jobs_are_delayed_to_tell_whose_doctor_says_so(command: Command, redis_url: str) -> None:
    """It promises nothing that it did not look at."""
    await connect(release(redis_url, "charge"))
    with redis.Redis.from_url(redis_url) as client:
        client.zadd(f"{PREFIX}later", {f"shop|order.placed|charge {n}.0": 1e15 for n in range(10_001)})
    (check,) = (await seen(command, redis_url))[0]
    assert check[:2] == ("ok", "no job is due; 10,001 are delayed or to be retried, too many to tell whose")


async def test_a_removed_task_is_ended_by_the_command_that_doctor_names(command: Command, redis_url: str) -> None:
    """Its jobs become dead letters as those of a handler do, and no list has it any more; a submit brings it back."""
    task = upnext.Worker("shop", redis_url=redis_url).task(name="report")(nothing)
    await connect(release(redis_url, "keep", tasks=("report",)))
    await task.submit()
    await task.options(delay=900).submit()

    async def names() -> list[str]:
        rows = (await asyncio.to_thread(command, "handlers", "list", "--format", "json", url=redis_url))[1]
        return [row["handler"] for row in json.loads(rows)["handlers"]]

    async with running(release(redis_url, "keep", tasks=("report",))) as _:
        refused = await asyncio.to_thread(command, "unsubscribe", "report", url=redis_url)
    assert (refused[0], "Task 'report' (worker 'shop') runs: stop that worker" in refused[2]) == (1, True)
    await task.submit()
    await task.options(delay=900).submit()

    async with running(release(redis_url, "keep")):
        checks, _, _ = await seen(command, redis_url)
        assert checks[0][1:] == (
            "no living worker takes the jobs of shop||report",
            "run a worker that has these handlers, or `upnext unsubscribe` those that are no more",
        )
        code, out, err = await asyncio.to_thread(command, "unsubscribe", "report", url=redis_url)
        assert (code, err) == (0, "")
        assert out.startswith("Task 'report' (worker 'shop') is forgotten; 3 job(s) that waited for it are dead ")
        assert (await seen(command, redis_url))[0] == [("ok", "every job that waits has a living worker", "")]
        assert await names() == ["keep"]
        assert (await asyncio.to_thread(command, "dead", "replay", "--handler", "report", url=redis_url))[0] == 0
        assert await names() == ["keep", "report"], "what waits is always seen"
        assert (await seen(command, redis_url))[2]["totals"]["parked"] == 3


async def test_a_removed_task_whose_jobs_a_dead_worker_holds_stays_listed(command: Command, redis_url: str) -> None:
    """Else they would come back to a queue that no list has."""
    await connect(release(redis_url, tasks=("report",)))
    with redis.Redis.from_url(redis_url) as client:
        client.sadd(f"{PREFIX}graves", "bb.2000")
        client.hset(f"{PREFIX}claims:bb.2000", "shop||report 0123456789abX.0", "1:0:0:1")
        code, out, _ = await asyncio.to_thread(command, "unsubscribe", "report", url=redis_url)
        assert (code, client.sismember(f"{PREFIX}queues", "shop||report")) == (0, 1)
    assert out.endswith("1 that a dead worker holds come back: repeat the command then.\n")
