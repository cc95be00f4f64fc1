"""A server that goes back in time under living workers: a failover to a lagging replica, a restart from a snapshot."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.keys import Keys

KEYS = Keys("default")


class Past:
    """What a server held at a moment.

    Args:
        client: The server.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._values: dict[bytes | str, tuple[int, bytes | None]] = {}

    async def keep(self) -> None:
        """Note what it holds now."""
        for key in await self._client.keys("*"):
            self._values[key] = max(await self._client.pttl(key), 0), await self._client.dump(key)

    async def come_back(self, sign: str) -> None:
        """Put it back as it was. What workers see of it is that connections break: all of them, or one; or nothing."""
        broken = [each["id"] for each in await self._client.client_list() if sign in each["name"]] if sign else []
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.flushdb()
            for key, (ttl, value) in self._values.items():
                assert value is not None
                pipeline.restore(key, ttl, value)
            for number in broken:
                pipeline.client_kill_filter(_id=str(number))
            await pipeline.execute()

    async def claimed(self) -> list[object]:
        """Return what workers hold now, as the server has it."""
        held = [await self._client.hkeys(key) for key in await self._client.keys(KEYS.claims("*"))]
        return [field for fields in held for field in fields]


@pytest.mark.parametrize("sign", ["upnext", "upnext-lease", ""], ids=["connections", "lease", "refused-end"])
async def test_what_a_worker_has_ended_meanwhile_does_not_stay_claimed_by_it(valkey_url: str, sign: str) -> None:
    """It runs again, as does a retry, and limits have room: also while every slot is taken, and no claim fails."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1, concurrency=5)
    began, ends = Counter[str](), {name: asyncio.Event() for name in ("first", "hold")}

    async def work(name: str) -> str:
        began[name] += 1
        await ends["first"].wait()
        return name

    limited = worker.task(name="limited", limit=2)(work)
    by_value = worker.task(name="by_value", limit=1, by="name")(work)
    plain = worker.task(name="plain")(work)

    @worker.task(retries=1, retry_delay=600)
    async def flaky(name: str) -> str:
        await work(name)
        if upnext.get_current_context().attempt == 1:
            raise ValueError(name)
        return name

    @worker.task
    async def hold() -> None:
        began["hold"] += 1
        await ends["hold"].wait()

    async with Redis.from_url(valkey_url) as client, running(worker):
        past = Past(client)
        jobs = [await limited.submit("a"), await limited.submit("b"), await by_value.submit("c")]
        jobs += [await plain.submit("d"), await flaky.submit("e")]
        await wait_until_async(lambda: len(began) == 5)
        await past.keep()
        ends["first"].set()
        for job in jobs[:-1]:
            await job.result(timeout=20)
        await wait_until_async(lambda: client.zcard(KEYS.scheduled))
        for _ in range(5):
            await hold.submit()
        await wait_until_async(lambda: began["hold"] == 5)

        await past.come_back(sign)
        if sign:
            await wait_until_async(lambda: _none_claimed(past), what="jobs handed back")
            jobs += [await limited.submit("f"), await by_value.submit("c")]
        ends["hold"].set()
        results = [await job.result(timeout=20) for job in jobs]
    assert results == ["a", "b", "c", "d", "e", "f", "c"][: len(jobs)]
    assert {name: began[name] for name in "abde"} == dict.fromkeys("abde", 2)


async def test_a_job_that_runs_is_handed_back_only_when_it_has_ended(valkey_url: str) -> None:
    """What the server holds is an earlier attempt of it: two of one job never run in one process."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1, concurrency=5)
    running_now, attempts, go = 0, list[int](), [asyncio.Event(), asyncio.Event()]

    @worker.task(retries=1, retry_delay=0)
    async def flaky() -> int:
        nonlocal running_now
        attempt = upnext.get_current_context().attempt
        running_now += 1
        assert running_now == 1
        attempts.append(attempt)
        try:
            await go[attempt - 1].wait()
        finally:
            running_now -= 1
        if attempt == 1:
            raise ValueError
        return attempt

    @worker.task
    async def other(n: int) -> int:
        return n

    async with Redis.from_url(valkey_url) as client, running(worker):
        past = Past(client)
        job = await flaky.submit()
        await wait_until_async(lambda: attempts == [1])
        await past.keep()
        go[0].set()
        await wait_until_async(lambda: attempts == [1, 2])
        await past.come_back("upnext")
        for n in range(3):
            assert await other.wait(n) == n
        assert attempts == [1, 2]
        assert len(await past.claimed()) == 1
        go[1].set()
        assert await job.result(timeout=20) == 2
    assert attempts == [1, 2, 2]


async def _none_claimed(past: Past) -> bool:
    return not await past.claimed()
