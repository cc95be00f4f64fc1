"""A server without memory: sends are refused, and whatever takes work away from it goes on, also from nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.servers import Server
from tests.waiting import wait_until_async
from upnext.broker.broker import Broker
from upnext.broker.keys import Keys
from upnext.connect import reach
from upnext.settings import load


@pytest.fixture
def url(every_server: Server) -> str:
    """Give each server of this machine in turn, empty."""
    assert every_server.command("FLUSHALL") == b"+OK\r\n"
    return every_server.url


@asynccontextmanager
async def full(url: str) -> AsyncIterator[None]:
    """Let the server refuse whatever needs memory."""
    async with Redis.from_url(url) as client:
        await client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            await client.config_set("maxmemory", "0")


def shop(url: str) -> tuple[upnext.Worker, upnext.Event, list[int]]:
    """Return a worker, its event, and the numbers that its handlers got."""
    worker = upnext.Worker("shop", redis_url=url, lease=1, grace=1)
    event, ran = worker.event("order.placed"), list[int]()

    @event.on(retries=1, retry_delay=0.05)
    async def bill(n: int) -> int:
        ran.append(n)
        if n < 0:
            raise ValueError(n)
        return n

    return worker, event, ran


async def test_a_worker_that_starts_on_a_full_server_empties_it(url: str) -> None:
    """Jobs that wait, jobs that are put off, events without a first handler, failures and dead letters."""
    worker, event, ran = shop(url)
    async with running(worker):
        pass
    await event.send(n=-1)
    for n in range(200):
        await event.send(n=n)
    for n in range(200, 220):
        await event.options(delay=0.1).send(n=n)
    early = upnext.Worker("early", redis_url=url, lease=1)
    for n in range(20):
        await early.event("nobody.yet").send(n=n)
    late = list[int]()

    @early.event("nobody.yet").on
    async def hear(n: int) -> None:
        late.append(n)

    async with full(url):
        with pytest.raises(upnext.BrokerUnavailableError, match="Nothing was stored"):
            await event.send(n=1)
        async with running(worker, early) as service:
            await wait_until_async(lambda: len(ran) == 222 and len(late) == 20, timeout=60)
            assert service.trouble() == ""
            await wait_until_async(lambda: has_dead_letters(url, 1))
        dead_letters = (await reach(load(redis_url=url))).dead_letters
        assert await dead_letters.replay((await dead_letters.dead())[0].job_id)
    assert sorted(ran) == [-1, -1, *range(220)]
    assert sorted(late) == list(range(20))


async def has_dead_letters(url: str, count: int) -> bool:
    return len(await (await reach(load(redis_url=url))).dead_letters.dead()) == count


async def test_the_jobs_of_the_last_worker_that_died_while_it_was_full_are_taken_over(url: str) -> None:
    """The next worker finds its lease, takes it away, and runs what it held."""
    worker, event, ran = shop(url)
    async with running(worker):
        pass
    broker = Broker(url, Keys("default"))
    try:
        for n in range(30):
            await event.send(n=n)
        await broker.link.command("ZADD", broker.keys.leases, 10**14, "gone.1000")
        taken, _ = await broker.claims("gone.1000", 60).claim("shop", ["shop|order.placed|bill"], 10)
        await broker.link.command("ZADD", broker.keys.leases, 1, "gone.1000")
        assert len(taken) == 10
        async with full(url), running(worker):
            await wait_until_async(lambda: len(ran) == 30, timeout=60)
    finally:
        await broker.close()
    assert sorted(ran) == list(range(30))


async def test_a_send_is_refused_by_a_full_server_whatever_it_stores(url: str) -> None:
    """Also one with a key, with a delay, of a task, and of an event without handlers; nothing is left of any."""
    worker, event, _ = shop(url)

    @worker.task
    async def report(n: int) -> None: ...

    async with running(worker):
        pass
    sends: list[Any] = [
        event.options(key="a").send,
        event.options(delay=5).send,
        event.send,
        worker.event("nobody.yet").send,
        report.submit,
        report.options(delay=5).submit,
    ]
    async with Redis.from_url(url) as client:
        before = sorted(await client.keys("*"))
        async with full(url):
            for send in sends:
                with pytest.raises(upnext.BrokerUnavailableError, match="Nothing was stored"):
                    await send(n=1)
        assert sorted(await client.keys("*")) == before


async def test_partitions_are_served_while_they_are_full(url: str) -> None:
    """A worker that brings further partitions starts as well."""
    worker = upnext.Worker("shop", redis_url=url, lease=1, partitions=3)
    ran = list[int]()

    @worker.event(f"e{uuid4().hex}").on
    async def count(n: int) -> None:
        ran.append(n)

    async with full(url), asyncio.timeout(30), running(worker) as service:
        assert service.trouble() == ""
    async with Redis.from_url(url) as client:
        assert await client.hget("upnext:{default:0}:partitions", "served") == b"3"
        assert await client.keys("*:probe") == []
