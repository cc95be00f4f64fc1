"""A value of another type in one of upnext's keys costs what needs that key, with one line in the log, and no more."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker import foreign_data
from upnext.broker.broker import Broker
from upnext.broker.claims import CRASH_CAP
from upnext.broker.keys import Keys
from upnext.runner import settle, subscriber

KEYS = Keys("default")


@pytest.fixture(autouse=True)
def _nothing_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_data, "_reported", set[str]())


def messages(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    """Return what was logged that has a part in it."""
    return [record.getMessage() for record in caplog.records if part in record.getMessage()]


@pytest.mark.parametrize("while_running", [False, True])
async def test_the_subscriptions_of_one_event_cost_that_event_only(
    valkey_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, while_running: bool
) -> None:
    """The worker is ready, its other handlers run, and the event's join them once the key is deleted."""
    monkeypatch.setattr(subscriber, "_FOREIGN_PAUSE", 0.1)
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)
    placed, paid = worker.event("order.placed"), worker.event("order.paid")

    @placed.on
    async def bill(n: int) -> int:
        return n

    @paid.on
    async def thank(n: int) -> int:
        return n

    async with Redis.from_url(valkey_url) as client, asyncio.timeout(60):

        async def intrude() -> None:
            await client.delete(KEYS.subscriptions("order.placed"))
            await client.set(KEYS.subscriptions("order.placed"), "another program's")

        if not while_running:
            await intrude()
        async with running(worker) as service:
            if while_running:
                await intrude()
                await client.zremrangebyrank(KEYS.leases, 0, -1)  # it subscribes again under a new lease
                await wait_until_async(lambda: messages(caplog, "Another program"))
                await service.ready()
            assert await (await paid.send(n=1)).results(timeout=20) == {"thank": 1}
            early = None
            if while_running:
                with pytest.raises(upnext.BrokerRefusedError):
                    await placed.send(n=1)
            else:
                early = await placed.send(n=1)  # it waits for its first handler
            assert len(messages(caplog, "Another program")) == 1
            assert messages(caplog, "Another program")[0].startswith(
                "Another program wrote to upnext:{default:0}:subs:order.placed: the handlers of event 'order.placed' "
                "cannot be subscribed"
            )
            assert not messages(caplog, "lost data")
            await client.delete(KEYS.subscriptions("order.placed"))
            await wait_until_async(lambda: client.exists(KEYS.subscriptions("order.placed")))
            assert early is None or await early.results(timeout=20) == {"bill": 1}
            assert await (await placed.send(n=2)).results(timeout=20) == {"bill": 2}


async def test_a_key_that_all_events_need_costs_their_subscriptions_and_no_task(
    valkey_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line for all of them; they are subscribed once the key is deleted."""
    monkeypatch.setattr(subscriber, "_FOREIGN_PAUSE", 0.1)
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)

    @worker.event("order.placed").on
    async def bill(n: int) -> int:
        return n

    @worker.event("order.paid").on
    async def thank(n: int) -> int:
        return n

    @worker.task
    async def report() -> int:
        return 1

    async with Redis.from_url(valkey_url) as client, asyncio.timeout(60):
        await client.set(KEYS.versions, "another program's")
        async with running(worker):
            assert await report.wait() == 1
            (line,) = messages(caplog, "Another program")
            assert line == (
                "Another program wrote to upnext:{default:0}:versions: the handlers of several events cannot be "
                "subscribed; the worker's others run. Delete the key"
            )
            await client.delete(KEYS.versions)
            await wait_until_async(lambda: client.exists(KEYS.subscriptions("order.paid")))
            assert await (await worker.event("order.paid").send(n=2)).results(timeout=20) == {"thank": 2}


async def test_an_event_whose_subscriptions_cannot_be_read_does_not_keep_a_namespace_from_growing(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The other events are sent to the further partitions."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)

    @worker.event("order.paid").on
    async def thank(n: int) -> int:
        return n

    @worker.event("order.placed").on
    async def bill(n: int) -> int:
        return n

    async with Redis.from_url(valkey_url) as client, asyncio.timeout(60), running(worker):
        await client.delete(KEYS.subscriptions("order.placed"))
        await client.set(KEYS.subscriptions("order.placed"), "another program's")
        several = upnext.Worker("sender", redis_url=valkey_url, partitions=2).event("order.paid")
        for n in range(4):
            assert await (await several.send(n=n)).results(timeout=20) == {"thank": n}
    assert len(messages(caplog, "not subscribed in further partitions")) == 1


@pytest.mark.parametrize("key", [KEYS.dead, KEYS.dead_index])
async def test_jobs_that_cannot_be_buried_are_put_off_and_hold_up_nobody(
    valkey_url: str, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    """More of them than there are slots; each becomes a dead letter when it next fails after the key is deleted."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1, concurrency=2)
    placed, paid = worker.event("order.placed"), worker.event("order.paid")
    tried = list[int]()

    @placed.on
    async def bill(n: int) -> None:
        tried.append(n)
        raise ValueError(n)

    @paid.on
    async def thank(n: int) -> int:
        return n

    async with Redis.from_url(valkey_url) as client, asyncio.timeout(60), running(worker):
        await client.set(key, "another program's")
        failing = [await placed.send(n=n) for n in range(5)]
        await wait_until_async(lambda: client.zcard(KEYS.scheduled), what="jobs that are put off")
        assert await (await paid.send(n=1)).results(timeout=20) == {"thank": 1}

        async def put_off() -> bool:
            return bool(await client.zcard(KEYS.scheduled) == len(failing))

        await wait_until_async(put_off)
        assert sorted(tried) == list(range(5))
        due = await client.zrange(KEYS.scheduled, 0, 0, withscores=True)
        assert due[0][1] / 1000 - time.time() > settle._PUT_OFF / 2
        assert await failing[0].jobs[0].state() == "open"
        assert len(messages(caplog, "no job can become a dead letter")) == 1
        assert not messages(caplog, "Cannot store the end")

        await client.delete(key)
        await client.zadd(KEYS.scheduled, dict.fromkeys(await client.zrange(KEYS.scheduled, 0, -1), 1), xx=True)
        for receipt in failing:
            with pytest.raises(upnext.JobFailedError):
                await receipt.results(timeout=20)
        assert sorted(tried) == sorted([*range(5), *range(5)])


async def test_a_job_that_killed_its_workers_does_not_keep_what_died_with_it_from_the_living(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """While dead letters cannot be written it stays where it is; then it becomes one."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)
    ran = list[int]()

    @worker.event("order.placed").on
    async def bill(n: int) -> None:
        ran.append(n)

    async with running(worker):
        pass
    sent = [await worker.event("order.placed").send(n=n) for n in range(2)]
    async with Redis.from_url(valkey_url) as client, asyncio.timeout(60):
        broker = Broker(valkey_url, KEYS)
        dead = broker.claims("dead.1000", 60)
        await client.zadd(KEYS.leases, {dead.worker_id: round(time.time() * 1000) + 3_600_000})
        jobs, _ = await dead.claim("shop", ["shop|order.placed|bill"], 2)
        await broker.close()
        fatal = next(job for job in jobs if job.job_id == sent[0].jobs[0].id)
        await client.hset(KEYS.claims(dead.worker_id), fatal.field, f"{CRASH_CAP}:0:{CRASH_CAP - 1}:1")
        await client.zrem(KEYS.leases, dead.worker_id)
        await client.sadd(KEYS.dead_workers, dead.worker_id)
        await client.set(KEYS.dead, "another program's")
        async with running(worker):
            assert await sent[1].results(timeout=20) == {"bill": None}
            assert await sent[0].jobs[0].state() == "open"
            assert len(messages(caplog, "jobs that killed their workers stay where they are")) == 1
            await client.delete(KEYS.dead)
            with pytest.raises(upnext.JobFailedError, match="crashed"):
                await sent[0].results(timeout=20)
    assert ran == [1]
