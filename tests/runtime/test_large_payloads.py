"""Many large payloads at once: no answer of the server is so large that it is not given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.servers import Server

_LARGE = "x" * 400_000


@pytest.fixture
def url(every_server: Server) -> str:
    """Give each server of this machine in turn, empty."""
    assert every_server.command("FLUSHALL") == b"+OK\r\n"
    return every_server.url


@asynccontextmanager
async def answers_up_to(url: str, most: int) -> AsyncIterator[None]:
    """Let the server close a connection that it has to send more bytes at once."""
    async with Redis.from_url(url) as client:
        await client.config_set("client-output-buffer-limit", f"normal {most} 0 0")
        try:
            yield
        finally:
            await client.config_set("client-output-buffer-limit", "normal 0 0 0")


@pytest.mark.parametrize("options", [{}, {"limit": 20}, {"limit": 20, "by": "n"}], ids=str)
async def test_jobs_with_large_payloads_run_behind_a_limit_of_what_the_server_sends(
    url: str, options: dict[str, Any]
) -> None:
    worker = upnext.Worker("shop", redis_url=url, concurrency=40)
    event, ran = worker.event("order.placed"), list[int]()

    @event.on(**options)
    async def archive(n: int, text: str) -> None:
        assert text in ("", _LARGE)
        ran.append(n)

    sent = [await event.send(n=n, text=_LARGE if n else "") for n in range(30)]
    async with answers_up_to(url, 3_000_000), running(worker):
        await asyncio.gather(*(receipt.results(timeout=40) for receipt in sent))
    assert sorted(ran) == list(range(30))
