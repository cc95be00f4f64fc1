"""Who looks after dead workers' jobs: whatever else there is to do, and not on the word of a watcher that was away."""

from __future__ import annotations

import asyncio
import re
import time
from itertools import count

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.broker import Broker
from upnext.broker.keys import Keys
from upnext.broker.maintenance import Survey
from upnext.elapsed import elapsed
from upnext.runner import reaper
from upnext.runner.ended_counts import EndedCounts
from upnext.runner.lease_renewal import LeaseKeeper
from upnext.runner.reaper import Reaper
from upnext.runner.running_jobs import RunningJobs
from upnext.runner.unstored_ends import UnstoredEnds
from upnext.runner.watchdog import Watchdog
from upnext.runner.worker_record import WorkerRecord

KEYS = Keys("default")
HANDLER = "shop|order.placed|handle"


def lease_of(url: str, length: float) -> LeaseKeeper:
    """Return a lease that is kept from now on."""
    record = WorkerRecord({}, RunningJobs(), Watchdog(), (), EndedCounts(), unstored=UnstoredEnds())
    lease = LeaseKeeper(url, KEYS, length, record, lambda _: None)
    lease.start()
    return lease


async def die_with_a_job(url: str, lease_left: float) -> upnext.Receipt:
    """Send an event whose job a worker holds that is gone, and whose lease stands for so many seconds more."""
    sender = upnext.Worker("shop", redis_url=url)
    broker = Broker(url, KEYS)
    await broker.publisher.subscribe("order.placed", [HANDLER])
    receipt = await sender.event("order.placed").send(n=1)
    dead = broker.claims("dead.1000", 60)
    await broker.link.command("ZADD", KEYS.leases, round((time.time() + lease_left) * 1000), dead.worker_id)
    jobs, _ = await dead.claim("shop", [HANDLER], 1)
    assert jobs
    await broker.close()
    return receipt


def returning_worker(url: str) -> upnext.Worker:
    """Return a worker whose handler returns what it gets."""
    worker = upnext.Worker("shop", redis_url=url, lease=1)

    @worker.event("order.placed").on
    async def handle(n: int) -> int:
        return n

    return worker


async def test_dead_workers_are_found_while_more_jobs_fall_due_than_can_be_moved(redis_url: str) -> None:
    """Delayed jobs and retries that never pause do not keep the jobs of the dead."""
    receipt = await die_with_a_job(redis_url, lease_left=0)
    async with Redis.from_url(redis_url) as client, asyncio.TaskGroup() as group:
        over = asyncio.Event()  # up to Python 3.11 wait_for, and with it a command of redis-py, may swallow a cancel

        async def flood() -> None:
            for n in count():
                if over.is_set():
                    return
                if await client.zcard(KEYS.scheduled) < 1000:
                    await client.zadd(KEYS.scheduled, {f"other|flood|handle {n:028}{m}.0": 1 for m in range(2000)})

        group.create_task(flood())
        try:
            await wait_until_async(lambda: client.exists(KEYS.scheduled))
            async with running(returning_worker(redis_url)):
                assert await receipt.results(timeout=20) == {"handle": 1}
        finally:
            over.set()


async def test_a_watcher_that_was_frozen_gives_the_living_time_to_renew(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did not hear meanwhile proves nothing: everybody may have been frozen, or the server."""
    broker, leap, looks = Broker(redis_url, KEYS), 0.0, 0
    monkeypatch.setattr(reaper, "elapsed", lambda: elapsed() + leap)
    look = broker.maintenance.survey

    async def counted(within: float | None = 0.0, beyond: float | None = None) -> Survey:
        nonlocal looks
        survey = await look(within, beyond)
        looks += 1
        return survey

    monkeypatch.setattr(broker.maintenance, "survey", counted)
    lease = lease_of(redis_url, 60)
    await wait_until_async(lease.is_valid)
    await broker.link.command("ZADD", KEYS.leases, round(time.time() * 1000) - 1, "late.60000")
    sweeping = asyncio.create_task(Reaper(broker.maintenance, lease, None).run())
    await wait_until_async(lambda: looks == 1)
    leap = 1000.0
    await wait_until_async(lambda: looks == 3)
    assert await broker.link.command("ZSCORE", KEYS.leases, "late.60000") is not None
    sweeping.cancel()
    await lease.leave(5)
    await broker.close()


@pytest.mark.parametrize(
    ("passed", "words"),
    [(3600.0, "was set back by 3[56]"), (-3600.0, "went on by 3[56].* more than passed here"), (1.0, "")],
)
async def test_a_leap_of_the_servers_clock_is_said_in_words(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, passed: float, words: str
) -> None:
    """Delayed jobs go by that clock: whoever wonders why they are late, or early, finds it in the log."""
    broker, leap, looks = Broker(redis_url, KEYS), 0.0, 0
    monkeypatch.setattr(reaper, "elapsed", lambda: elapsed() + leap)
    look = broker.maintenance.survey

    async def counted(within: float | None = 0.0, beyond: float | None = None) -> Survey:
        nonlocal looks
        survey = await look(within, beyond)
        looks += 1
        return survey

    monkeypatch.setattr(broker.maintenance, "survey", counted)
    lease = lease_of(redis_url, 60)
    await wait_until_async(lease.is_valid)
    sweeping = asyncio.create_task(Reaper(broker.maintenance, lease, None).run())
    await wait_until_async(lambda: looks == 2)
    leap = passed
    await wait_until_async(lambda: looks == 4)
    sweeping.cancel()
    said = [record.getMessage() for record in caplog.records if "clock" in record.getMessage()]
    assert len(said) == bool(words)
    assert re.search(words, "".join(said))
    await lease.leave(5)
    await broker.close()


async def test_a_dead_worker_is_found_though_the_servers_clock_was_set_back(redis_url: str) -> None:
    """Its lease seems to stand for an hour more; what counts is that it was not renewed for its whole length."""
    receipt = await die_with_a_job(redis_url, lease_left=3600)
    async with running(returning_worker(redis_url)):
        assert await receipt.results(timeout=60) == {"handle": 1}
