"""A living worker whose subscription is gone: it subscribes again by itself, says so, and `doctor` tells until then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.proxy import proxy_to
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.keys import Keys
from upnext.runner import subscriber

KEYS = Keys("default")
HANDLER = "shop|order.placed|charge"
SUBSCRIPTIONS = KEYS.subscriptions("order.placed")


def charging(url: str) -> tuple[upnext.Worker, upnext.Event]:
    worker = upnext.Worker("shop", redis_url=url, lease=1)
    event = worker.event("order.placed")

    @event.on
    async def charge(n: int) -> int:
        return n

    return worker, event


async def test_a_subscription_that_was_deleted_or_evicted_comes_back(
    command: Callable[..., tuple[int, str, str]],
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Connections and lease stand, so that nothing else tells of it; `unsubscribe` is refused all the time."""
    worker, event = charging(redis_url)
    async with Redis.from_url(redis_url) as client, running(worker):
        code, _, err = await asyncio.to_thread(command, "unsubscribe", "charge", url=redis_url)
        assert (code, "stop that worker" in err) == (1, True)
        await client.delete(SUBSCRIPTIONS)
        waiting = await event.send(n=1)
        _, out, _ = await asyncio.to_thread(command, "doctor", url=redis_url)
        told = " ".join(out.split())
        assert "no event reaches shop|order.placed|charge: a living worker has it, but it is not subscribed" in told
        assert "sent, and not delivered yet: order.placed" in told
        assert "run a worker" not in told
    monkeypatch.setattr(subscriber, "LOOK", 0.05)
    async with Redis.from_url(redis_url) as client, running(worker):
        assert await waiting.results(timeout=20) == {"charge": 1}
        await client.delete(SUBSCRIPTIONS)
        await wait_until_async(lambda: client.hexists(SUBSCRIPTIONS, HANDLER))
        assert await (await event.send(n=2)).results(timeout=20) == {"charge": 2}
    (line,) = [line for line in caplog.messages if "Subscribing again" in line]
    assert line == (
        "The subscriptions to 'order.placed' are gone, although the worker lives (unsubscribed while its lease had run "
        "out, deleted, or evicted): events sent meanwhile may have passed it by. Subscribing again"
    )


async def test_a_handler_unsubscribed_while_its_worker_seemed_dead_comes_back_with_it(
    command: Callable[..., tuple[int, str, str]], redis_url: str
) -> None:
    """Its lease had run out, and is renewed under the same id."""
    async with proxy_to(redis_url) as proxy:
        worker, _ = charging(proxy.url)
        _, event = charging(redis_url)
        async with running(worker):
            proxy.lose_answer_to("renew", outage=10**9)
            await wait_until_async(lambda: _ends(command, redis_url), what="the end of its lease")
            async with Redis.from_url(redis_url) as client:
                assert not await client.hexists(SUBSCRIPTIONS, HANDLER)
                leases = await client.zrange(KEYS.leases, 0, -1)
                proxy.take_connections()
                await wait_until_async(lambda: client.hexists(SUBSCRIPTIONS, HANDLER), timeout=5)
                assert await client.zrange(KEYS.leases, 0, -1) == leases
            assert await (await event.send(n=1)).results(timeout=20) == {"charge": 1}


async def _ends(command: Callable[..., tuple[int, str, str]], url: str) -> bool:
    return (await asyncio.to_thread(command, "unsubscribe", "charge", url=url))[0] == 0
