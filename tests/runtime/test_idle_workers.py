"""A worker that has nothing to do asks little of its server, and misses nothing for it."""

from __future__ import annotations

from redis import Redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.keys import Keys

KEYS = Keys("default")
EVENT_ID = "01a0" + "0" * 24


async def test_an_idle_worker_finds_a_job_that_no_token_tells_of(redis_url: str) -> None:
    """It looks at all of its queues once a second, with one command."""
    ran: list[int] = []
    worker = upnext.Worker("shop", redis_url=redis_url)
    for number in range(100):

        @worker.event(f"event{number}").on(name="handle")
        async def handle(n: int) -> None:
            ran.append(n)

    with Redis.from_url(redis_url) as client:

        def looks() -> int:
            return int(client.info("commandstats").get("cmdstat_exists", {}).get("calls", 0))  # type: ignore[union-attr]

        before = looks()
        async with running(worker):
            await wait_until_async(lambda: looks() >= before + 2, what="two looks of the idle worker")
            client.hset(KEYS.events, EVENT_ID, b'1\n{"n": 1}')
            client.rpush(KEYS.queue("shop|event77|handle"), f"{EVENT_ID}.0")
            await wait_until_async(lambda: ran == [1], what="the job")
