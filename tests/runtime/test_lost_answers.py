"""The server did what was asked and its answer was lost: repeating it changes nothing, and nothing is stuck."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.proxy import proxy_to
from tests.runtime.running import running
from tests.waiting import wait_until_async


async def test_a_send_whose_answer_was_lost_is_stored_once(redis_url: str) -> None:
    """It is repeated with its id, also after its jobs are done already."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    runs: list[int] = []

    @worker.event("order.placed").on
    async def handle(n: int) -> int:
        runs.append(n)
        return n

    async with running(worker), proxy_to(redis_url) as proxy:
        event = upnext.Worker("other", redis_url=proxy.url).event("order.placed")
        await (await event.send(n=0)).results(timeout=10)
        for n in range(1, 11):
            proxy.lose_answer_to("publish")
            receipt = await event.send(n=n)
            assert await receipt.results(timeout=10) == {"handle": n}
    assert proxy.cuts == 10
    assert runs == list(range(11))


@pytest.mark.parametrize("name", ["claim", "finish", "retry", "bury", "renew", "survey", "subscribe", "join"])
async def test_a_worker_whose_answers_are_lost_does_every_job(redis_url: str, name: str) -> None:
    """What was claimed unheard is handed back; an end that was taken is not taken for a loss."""
    async with proxy_to(redis_url) as proxy:
        worker = upnext.Worker("shop", redis_url=proxy.url, lease=1, concurrency=3)
        starts: list[tuple[int, int]] = []

        @worker.event("order.placed").on(retries=1, retry_delay=0.05)
        async def handle(n: int) -> int:
            attempt = upnext.get_current_context().attempt
            starts.append((n, attempt))
            if n % 3 == 1 and len([start for start in starts if start[0] == n]) == 1:
                raise ValueError(n)
            if n % 3 == 2:
                raise ValueError(n)
            return n

        sender = upnext.Worker("other", redis_url=redis_url).event("order.placed")
        if name in {"subscribe", "join"}:
            proxy.lose_answer_to(name)
        async with running(worker):
            if name not in {"subscribe", "join"}:
                proxy.lose_answer_to(name)
            receipts = [await sender.send(n=n) for n in range(9)]
            for n, receipt in enumerate(receipts):
                if n % 3 == 2:
                    with pytest.raises(upnext.JobFailedError):
                        await receipt.results(timeout=20)
                else:
                    assert await receipt.results(timeout=20) == {"handle": n}
            await wait_until_async(lambda: proxy.cuts == 1)
    for n in range(9):
        attempts = [attempt for number, attempt in starts if number == n]
        assert attempts == sorted(set(attempts))
        assert len(attempts) == (1 if n % 3 == 0 else 2)
    async with Redis.from_url(redis_url) as client:
        assert await client.hlen("upnext:{default:0}:events") == 3


async def test_jobs_claimed_unheard_before_an_outage_are_handed_back_after_it(redis_url: str) -> None:
    """Also when the server is away for a while when the worker would compare what it holds."""
    async with proxy_to(redis_url) as proxy:
        worker = upnext.Worker("shop", redis_url=proxy.url, lease=5)

        @worker.event("order.placed").on
        async def handle(n: int) -> int:
            return n

        sender = upnext.Worker("other", redis_url=redis_url).event("order.placed")
        async with running(worker):
            for outage in range(1, 9):
                proxy.lose_answer_to("claim", outage)
                receipt = await sender.send(n=outage)
                assert await receipt.results(timeout=10) == {"handle": outage}


async def test_a_claim_that_comes_too_late_takes_no_job_that_nobody_would_run(redis_url: str) -> None:
    """The worker has given up on it, and goes on under the same lease."""
    async with proxy_to(redis_url) as proxy:
        worker = upnext.Worker("shop", redis_url=proxy.url, concurrency=1)
        began, go = asyncio.Event(), asyncio.Event()

        @worker.event("order.placed").on
        async def handle(n: int) -> int:
            began.set()
            await go.wait()
            return n

        sender = upnext.Worker("other", redis_url=redis_url).event("order.placed")
        async with running(worker):
            proxy.hold_back("claim")
            receipts = [await sender.send(n=0)]
            await began.wait()
            receipts += [await sender.send(n=n) for n in (1, 2)]
            assert proxy.cuts == 1
            await proxy.deliver()
            go.set()
            for n, receipt in enumerate(receipts):
                assert await receipt.results(timeout=10) == {"handle": n}


async def test_a_caller_that_is_cancelled_leaves_the_connection_clean(redis_url: str) -> None:
    """After sends that were cancelled at any moment, every later answer belongs to its own question."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")

    @event.on
    async def handle(n: int) -> int:
        return n

    async with running(worker):
        for n in range(100):
            sending = asyncio.create_task(event.send(n=-1))
            for _ in range(n % 7):
                await asyncio.sleep(0)
            sending.cancel()
            receipt = await event.send(n=n)
            assert await receipt.results(timeout=10) == {"handle": n}
