"""`upnext status`: what it says of workers, queues and what is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.job_ids import new_event_id
from upnext.limits import MAX_DELAYED_COUNTED

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

PREFIX = "upnext:{default:0}:"


def status(command: Command, url: str) -> dict[str, Any]:
    """Return what `upnext status --format json` prints."""
    code, out, err = command("status", "--format", "json", url=url)
    assert (code, err) == (0, "")
    answer: dict[str, Any] = json.loads(out)
    return answer


async def test_a_busy_namespace_is_shown_whole(command: Command, redis_url: str) -> None:
    """Its workers with what they hold, a queue for each handler, unrouted events, dead letters."""
    worker = upnext.Worker("shop", redis_url=redis_url, concurrency=2)
    event, gate = worker.event("order.placed"), asyncio.Event()

    @event.on
    async def hold(n: int) -> None:
        await gate.wait()

    @worker.event("broken").on(retries=1, retry_delay=1000)
    async def fail() -> None:
        raise ValueError

    @worker.event("refused").on
    async def refuse() -> None:
        raise ValueError

    @worker.task
    def report() -> None: ...

    await worker.event("nobody.listens").send()
    async with running(worker):
        with pytest.raises(upnext.JobFailedError):
            await (await worker.event("refused").send()).results(timeout=10)
        await worker.event("broken").send()
        client = redis.Redis.from_url(redis_url)
        await wait_until_async(lambda: client.zcard(f"{PREFIX}later") == 1)
        for n in range(5):
            await event.send(n=n)
        await event.options(delay=1000).send(n=9)
        await wait_until_async(lambda: client.llen(f"{PREFIX}queue:shop|order.placed|hold") == 3)
        shown = await asyncio.to_thread(status, command, redis_url)
        gate.set()
        await wait_until_async(lambda: client.llen(f"{PREFIX}queue:shop|order.placed|hold") == 0)
        client.close()

    (process,) = shown["workers"]
    assert re.fullmatch(r"[0-9a-f]{16}\.\d+", process.pop("id"))
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]+\+00:00", process.pop("started_at"))
    assert 0 <= process.pop("renewed") <= process["lease"]
    assert process == {
        "worker": "shop",
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "version": upnext.__version__,
        "concurrency": 2,
        "handlers": ["shop|broken|fail", "shop|order.placed|hold", "shop|refused|refuse", "shop||report"],
        "claimed": 2,
        "running": 2,
        "lease": 10.0,
        "alive": True,
    }
    queues = {queue.pop("handler"): queue for queue in shown["queues"]}
    assert set(queues) == {"hold", "fail", "refuse", "report"}, "a task that has no jobs yet among them"
    assert queues["hold"].pop("lag") > 0
    assert queues["hold"] == {
        "worker": "shop",
        "event": "order.placed",
        "waiting": 3,
        "delayed": 1,
        "retrying": 0,
        "claimed": 2,
        "parked": False,
        "limit": None,
        "rate": None,
        "started": 0,
        "waits_for_limit": False,
        "by": None,
        "in_line": 0,
        "unique": None,
        "subscribed": True,
    }
    assert (queues["fail"]["retrying"], queues["fail"]["lag"]) == (1, None)
    (unrouted,) = shown["unrouted"]
    assert unrouted.pop("lag") > 0
    assert unrouted == {"event": "nobody.listens", "events": 1}
    assert shown["namespace"] == "default"
    assert shown["totals"] == {
        "workers": 1,
        "waiting": 3,
        "later": 2,
        "claimed": 2,
        "parked": 0,
        "unrouted": 1,
        "dead": 1,
    }


def test_jobs_that_no_living_worker_takes_are_parked(command: Command, valkey_url: str) -> None:
    """An event that was routed once, and a task that was submitted, wait for a worker that has them."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    def nightly_report() -> None: ...

    nightly_report.submit_sync()
    shown = status(command, valkey_url)
    (queue,) = shown["queues"]
    assert (queue["event"], queue["handler"], queue["waiting"], queue["parked"]) == (
        *("nightly_report", "nightly_report", 1, True),
    )
    assert (shown["workers"], shown["totals"]["parked"]) == ([], 1)
    _, out, _ = command("status", url=valkey_url)
    assert "1 job(s) are parked: no living worker has their handler." in out


def test_an_event_is_not_unrouted_any_more_when_a_handler_has_connected(command: Command, valkey_url: str) -> None:
    """The waiting events go to it; what is sent later finds it subscribed."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    worker.event("early").send_sync()
    assert [entry["event"] for entry in status(command, valkey_url)["unrouted"]] == ["early"]

    async def connect() -> list[str]:
        @worker.event("early").on
        async def take() -> None: ...

        async with running(worker):
            receipt = await worker.event("early").send()
            await receipt.results(timeout=10)
            return [job.handler for job in receipt.jobs]

    assert asyncio.run(connect()) == ["take"]
    assert status(command, valkey_url)["unrouted"] == []


def test_dead_workers_are_shown_as_long_as_they_hold_jobs(command: Command, valkey_url: str) -> None:
    """What they told of themselves may be gone, or nonsense."""
    with redis.Redis.from_url(valkey_url) as client:
        client.zadd(f"{PREFIX}leases", {"aa.1000": 1.0})
        client.hset(f"{PREFIX}workers", "aa.1000", "no json")
        client.sadd(f"{PREFIX}graves", "bb.2000")
        client.hset(f"{PREFIX}claims:bb.2000", mapping={"shop|e|h 0123456789abX.0": "1:0:0:1", "foreign": "entry"})
    shown = status(command, valkey_url)
    assert [(w["id"], w["alive"], w["claimed"], w["running"]) for w in shown["workers"]] == [
        ("aa.1000", False, 0, 0),
        ("bb.2000", False, 1, 1),
    ]
    assert [(queue["handler"], queue["claimed"], queue["parked"]) for queue in shown["queues"]] == [("h", 1, False)]
    assert shown["totals"]["workers"] == 0


def test_many_delayed_jobs_are_counted_together_and_not_read(command: Command, valkey_url: str) -> None:
    """Beyond a limit the handlers' own counts are unknown, so that a million of them cost nothing."""
    with redis.Redis.from_url(valkey_url) as client:
        client.sadd(f"{PREFIX}queues", "shop|e|h")
        client.zadd(f"{PREFIX}later", {f"shop|e|h {n}.0": 1e15 for n in range(MAX_DELAYED_COUNTED + 1)})
        client.config_resetstat()
        shown = status(command, valkey_url)
        calls = {name: data["calls"] for name, data in client.info("commandstats").items()}
    assert (shown["queues"][0]["delayed"], shown["queues"][0]["retrying"]) == (None, None)
    assert shown["totals"]["later"] == MAX_DELAYED_COUNTED + 1
    assert not {"cmdstat_keys", "cmdstat_scan", "cmdstat_hgetall"} & set(calls)
    assert calls["cmdstat_zrange"] == 1  # the leases


@pytest.mark.parametrize("width", [80, 200])
def test_the_text_fits_the_terminal(
    command: Command, valkey_url: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long names are cut in their middle, numbers never."""
    names = [f"{worker}|customers.subscription.renewed|send_the_long_{n}_confirmation" for n, worker in enumerate("ab")]
    with redis.Redis.from_url(valkey_url) as client:
        client.sadd(f"{PREFIX}queues", *names)
        client.rpush(f"{PREFIX}queue:{names[0]}", *[f"{new_event_id()}.0" for _ in range(1234)])
        client.zadd(f"{PREFIX}later", {f"{names[1]} 1.0:1:1:0": 1e15, f"{names[1]} 2.0": 1e15})
        client.rpush(f"{PREFIX}queue:not\x1bours", "x")
        client.sadd(f"{PREFIX}queues", "not\x1bours", "a|\x1b[31m|x")
    monkeypatch.setattr("upnext.cli.status.terminal_width", lambda: width)
    code, out, err = command("status", url=valkey_url)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= width
    assert "\x1b" not in out
    assert "1,236 job(s) are parked" in out
    row = next(line for line in out.splitlines() if "1,234" in line and not line.startswith("Jobs:"))
    assert ("customers.subscription.renewed" in row) == (width == 200)
