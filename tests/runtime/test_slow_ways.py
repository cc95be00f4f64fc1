"""A way to the server that goes silent, or is slow: nothing is lost, and the lease is kept."""

from __future__ import annotations

import asyncio

import upnext
from tests.runtime.proxy import Proxy, proxy_to
from tests.runtime.running import running
from upnext.broker.connection import PipelinedConnection
from upnext.broker.keys import Keys


async def test_connections_that_carry_nothing_any_more_are_given_up(valkey_url: str) -> None:
    """Half open, they say neither yes nor no: after five seconds of silence all goes on over new ones."""
    async with proxy_to(valkey_url) as proxy:
        worker = upnext.Worker("shop", redis_url=proxy.url, lease=4)
        release = asyncio.Event()

        @worker.event("order.placed").on
        async def handle(n: int) -> int:
            await release.wait()
            return n

        async with running(worker):
            first = await worker.event("order.placed").send(n=1)
            proxy.silence()
            release.set()
            second = await worker.event("order.placed").send(n=2)
            assert await second.results(timeout=40) == {"handle": 2}
            assert await first.results(timeout=40) == {"handle": 1}


async def test_a_slow_way_that_delivers_byte_by_byte_is_good_enough(redis_url: str) -> None:
    """A tenth of a second each way, and no reply in one piece: every job runs once."""
    async with proxy_to(redis_url) as proxy:
        proxy.delay, proxy.piece = 0.1, 1
        worker = upnext.Worker("shop", redis_url=proxy.url, lease=10)
        numbers: list[int] = []

        @worker.event("order.placed").on
        async def handle(n: int) -> int:
            numbers.append(n)
            return n

        async with running(worker):
            receipts = await asyncio.gather(*(worker.event("order.placed").send(n=n) for n in range(20)))
            for n, receipt in enumerate(receipts):
                assert await receipt.results(timeout=40) == {"handle": n}
    assert sorted(numbers) == list(range(20))


async def test_a_command_that_takes_longer_to_upload_than_silence_may_last_is_carried_out(redis_url: str) -> None:
    """A connection is alive while bytes move in either direction: it is not given up and begun again for ever."""
    proxy = Proxy(redis_url)
    proxy.buffer, proxy.delay = 1 << 16, 0.05
    async with proxy.serving():
        keys, value = Keys("default"), b"x" * 4_000_000
        link = PipelinedConnection(proxy.url, keys, timeout=1.0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await link.command("SET", keys.probe, value, "EX", 60)
        assert loop.time() - began > 2.0, "the way was not slow"
        assert await link.command("GET", keys.probe) == value
        await link.close()
