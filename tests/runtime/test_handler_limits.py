"""Limits of a handler over all processes: how many jobs run at once, and how many start within a time."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.proxy import proxy_to
from tests.runtime.running import ServiceFile, running
from tests.waiting import wait_until_async
from upnext.broker.broker import Broker
from upnext.broker.claims import Claim, Claims
from upnext.broker.handler_limits import HandlerLimits, Rate
from upnext.broker.keys import Keys

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"
PREFIX = "upnext:{default:0}:"
SLOW = "shop|order.placed|slow"
RATE = 'it must be a whole number from 1 to 10000 and a time, such as "100/minute".'
BAD_RATES = ["100/fortnight", "0/minute", "-1/minute", "1.5/second", "10001/day", "100", "", 100, True, "\u0663/day"]


class Shop:
    """Several workers of one name, with a handler that is limited and one that is not; the jobs end when told."""

    def __init__(self, url: str, *workers: dict[str, Any], **settings: Any) -> None:
        self.now: set[int] = set()
        self.peak = 0
        self.quick: list[int] = []
        self.ended: list[int] = []
        self.go = asyncio.Event()
        self.workers = [upnext.Worker("shop", redis_url=url, grace=0.2, **settings) for _ in workers]
        for worker, options in zip(self.workers, workers, strict=True):
            placed = worker.event("order.placed")
            placed.on(name="slow", **options)(self._slow)
            placed.on(name="quick")(self._quick)
        self.placed = self.workers[0].event("order.placed")

    async def _slow(self, n: int) -> int:
        self.now.add(n)
        self.peak = max(self.peak, len(self.now))
        try:
            await self.go.wait()
            await asyncio.sleep(0)
        finally:
            self.now.discard(n)
        self.ended.append(n)
        return n

    async def _quick(self, n: int) -> None:
        self.quick.append(n)


@pytest.mark.parametrize("partitions", [1, 2])
async def test_no_more_jobs_run_at_once_than_the_limit_and_others_are_not_held_up(
    redis_url: str, partitions: int
) -> None:
    """Over two processes' worth of workers; a partition gets its part of the limit."""
    shop = Shop(redis_url, {"limit": 3}, {"limit": 3}, partitions=partitions)
    async with running(*shop.workers):
        receipts = [await shop.placed.send(n=n) for n in range(40)]
        await wait_until_async(lambda: len(shop.quick) == 40, what="the handler without a limit")
        await wait_until_async(lambda: len(shop.now) == 3, what="all slots in use")
        shop.go.set()
        for receipt in receipts:
            await receipt.results(timeout=30)
    assert shop.peak == 3
    async with Redis.from_url(redis_url) as client:
        assert await client.keys("*:slots:*") == []


async def test_a_limited_handler_gets_the_slots_of_its_jobs_at_once_and_costs_others_no_claims(redis_url: str) -> None:
    """Whoever ends jobs claims the next ones in their place; those of other handlers are claimed as without it."""
    shop = Shop(redis_url, {"limit": 4})
    others: list[int] = []

    @shop.workers[0].task
    async def other(n: int) -> None:
        others.append(n)

    async with Redis.from_url(redis_url) as client, running(shop.workers[0]):

        async def scripts() -> int:
            return int((await client.info("commandstats"))["cmdstat_evalsha"]["calls"])

        receipts = await asyncio.gather(*(shop.placed.send(n=n) for n in range(200)))
        await wait_until_async(lambda: len(shop.now) == 4 and len(shop.quick) == 200, what="the first four")
        before = await scripts()
        await asyncio.gather(*(other.submit(n=n) for n in range(500)))
        await wait_until_async(lambda: len(others) == 500, what="the task without a limit")
        assert await scripts() - before < 150
        before = await scripts()
        shop.go.set()
        for receipt in receipts:
            await receipt.results(timeout=30)
        assert await scripts() - before < 3.2 * 200
    assert shop.peak == 4


async def test_of_processes_with_different_limits_each_keeps_to_its_own(redis_url: str) -> None:
    """So that the greater one holds until the processes that have it are gone; then the new one does at once."""
    shop = Shop(redis_url, {"limit": 1}, {"limit": 4})
    async with running(shop.workers[0]):
        async with running(shop.workers[1]):
            receipts = [await shop.placed.send(n=n) for n in range(20)]
            await wait_until_async(lambda: len(shop.now) == 4, what="the greater limit")
        await wait_until_async(lambda: len(shop.now) == 1, what="the smaller one")
        shop.peak = 0
        shop.go.set()
        for receipt in receipts:
            await receipt.results(timeout=30)
        assert shop.peak == 1


async def test_no_more_jobs_start_within_a_time_than_the_rate(redis_url: str) -> None:
    """And those that wait start by themselves when the time has passed, with nothing else going on."""
    workers = [upnext.Worker("shop", redis_url=redis_url) for _ in range(2)]
    for worker in workers:

        @worker.task(rate="4/second")
        async def rated(n: int) -> int:
            return n

    async with running(*workers):
        jobs = [await rated.submit(n=n) for n in range(10)]
        async with Redis.from_url(redis_url) as client:
            for job in jobs:
                await job.result(timeout=10)
                times = [at for _, at in await client.zrange(f"{PREFIX}starts:shop||rated", 0, -1, withscores=True)]
                assert all(later - first >= 1000 for first, later in zip(times, times[4:], strict=False))


@pytest.mark.parametrize("name", ["claim_limited", "free", "finish", "retry"])
async def test_a_lost_answer_costs_no_slot(redis_url: str, name: str) -> None:
    """Whatever was lost, both slots are used again, and by no more than two jobs."""
    async with proxy_to(redis_url) as proxy:
        worker = upnext.Worker("shop", redis_url=proxy.url, lease=2)
        now = Counter[str]()

        @worker.event("order.placed").on(limit=2, retries=1, retry_delay=0)
        async def handle(n: int) -> int:
            now["running"] += 1
            now["peak"] = max(now["peak"], now["running"])
            await asyncio.sleep(0)
            now["running"] -= 1
            if n % 3 == 0 and upnext.get_current_context().attempt == 1:
                raise ValueError(n)
            return n

        sender = upnext.Worker("other", redis_url=redis_url).event("order.placed")
        async with running(worker):
            proxy.lose_answer_to(name)
            receipts = [await sender.send(n=n) for n in range(9)]
            for receipt in receipts:
                await receipt.results(timeout=20)
            await wait_until_async(lambda: proxy.cuts == 1)
    assert now["peak"] <= 2


def test_the_slots_of_a_killed_process_come_back_with_its_lease(tmp_path: Path, process_url: str) -> None:
    """Its jobs run again in another process, one after the other."""
    service = ServiceFile(
        tmp_path,
        process_url,
        """
        worker = upnext.Worker("shop")

        @worker.task(limit=1)
        async def slow(n: int) -> None:
            note("start", n, attempt(), os.getpid())
            await asyncio.sleep(600 if attempt() == 1 and n == 0 else 0.01)
            note("end", n)
        """,
    )
    worker = upnext.Worker("shop", redis_url=process_url)

    @worker.task
    async def slow(n: int) -> None: ...

    with service.process() as first:
        slow.submit_sync(n=0)
        service.ledger.wait_for("start 0")
        with service.process() as second:
            for n in (1, 2):
                slow.submit_sync(n=n)
            first.send_signal(signal.SIGKILL)
            service.ledger.wait_for("end", 3)
            assert service.ledger.count("start 0 2") == 1
            assert second.poll() is None
    words = [line.split()[0] for line in service.ledger.lines]
    assert words == ["start", "start", "end", "start", "end", "start", "end"]


async def test_what_waits_for_a_limit_is_shown(command: Command, valkey_url: str) -> None:
    """By status, doctor, jobs show and the exporter; a difference between processes as well."""
    shop = Shop(valkey_url, {"limit": 2, "rate": "100/hour"}, {})

    async def told(*arguments: str) -> str:
        return (await asyncio.to_thread(command, *arguments, url=valkey_url))[1]

    async with running(shop.workers[0]):
        receipts = [await shop.placed.send(n=n) for n in range(5)]
        await wait_until_async(lambda: len(shop.now) == 2 and len(shop.quick) == 5)
        slow = next(job for job in receipts[-1].jobs if job.handler == "slow")
        line = next(line for line in (await told("status")).splitlines() if " slow " in line)
        assert "waits for a slot: 2 of 2 in use" in line
        (queue,) = (q for q in json.loads(await told("status", "--format", "json"))["queues"] if q["handler"] == "slow")
        assert (queue["limit"], queue["rate"], queue["started"]) == (2, "100/hour", 2)
        assert queue["waits_for_limit"] is True
        assert "waits_for   a slot: 2 of 2 in use" in await told("jobs", "show", slow.id)
        assert f"ok    limits       {SLOW} waits for a slot: 2 of 2 in use (3 waiting)" in await told("doctor")
        metrics = await told("exporter", "--once")
        for name, value in (("limit", 2), ("rate", 100), ("rate_started", 2), ("waits_for_limit", 1)):
            assert f'upnext_handler_{name}{{event="order.placed",handler="slow"}} {value}.0\n' in metrics
        assert 'upnext_handler_limit{event="order.placed",handler="quick"}' not in metrics
        async with running(shop.workers[1]):
            out = await told("doctor")
            assert f'processes have different limits for {SLOW}: limit=2 and rate="100/hour", no limit' in out
        shop.go.set()
        for receipt in receipts:
            await receipt.results(timeout=20)


async def test_what_waits_for_a_partitions_part_of_a_limit_is_shown(command: Command, valkey_url: str) -> None:
    """Although the other partition has slots to spare."""
    shop = Shop(valkey_url, {"limit": 2}, partitions=2)
    second = Broker(valkey_url, Keys("default", 1))
    async with running(*shop.workers):
        for n in range(2):
            await second.publisher.publish("order.placed", b'{"n": %d}' % n)
        await wait_until_async(lambda: len(shop.now) == 1 and len(shop.quick) == 2)
        _, out, _ = await asyncio.to_thread(command, "status", url=valkey_url)
        assert "waits for a slot: 1 of 2 in use" in out
        shop.go.set()
        await wait_until_async(lambda: len(shop.ended) == 2)
    await second.close()


async def test_what_waits_for_its_rate_is_shown(command: Command, valkey_url: str) -> None:
    """With how many have started."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task(rate="2/day")
    async def daily(n: int) -> None: ...

    async with running(worker):
        jobs = [await daily.submit(n=n) for n in range(3)]
        for job in jobs[:2]:
            await job.result(timeout=10)
        _, out, _ = await asyncio.to_thread(command, "jobs", "show", jobs[2].id, url=valkey_url)
        assert "waits_for   its rate: 2 of 2/day started" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "Option limit=0 cannot be used: it must be a whole number from 1 to 10000, or None."),
        ({"limit": True}, "Option limit=True cannot be used: it must be a whole number from 1 to 10000, or None."),
        ({"limit": "x"}, "Option limit='x' cannot be used: it must be a whole number from 1 to 10000, or None."),
        ({"limit": 10_001}, "Option limit=10001 cannot be used: it must be a whole number from 1 to 10000, or None."),
        ({"limit": 1.0}, "Option limit=1.0 cannot be used: it must be a whole number from 1 to 10000, or None."),
        *(({"rate": rate}, f"Option rate={rate!r} cannot be used: {RATE}") for rate in BAD_RATES),
    ],
)
def test_limits_that_cannot_be_kept_are_refused_where_they_are_written(options: dict[str, Any], message: str) -> None:
    """For handlers and tasks alike."""
    worker = upnext.Worker("shop")
    for decorator in (worker.event("order.placed").on, worker.task):
        with pytest.raises(upnext.ConfigError) as raised:
            decorator(**options)
        assert str(raised.value) == message


async def test_a_limit_that_the_partitions_cannot_divide_is_refused_at_the_start(valkey_url: str) -> None:
    """Its jobs in one of them would wait for ever."""
    shop = Shop(valkey_url, {"limit": 2}, partitions=3)
    with pytest.raises(upnext.ConfigError, match="'slow' is limited to limit=2, which cannot be divided over 3"):
        async with running(*shop.workers):
            pass


@pytest.mark.parametrize("kind", ["slots", "starts"])
async def test_another_programs_key_holds_up_that_handler_alone(redis_url: str, kind: str) -> None:
    """It is reported, and once it is gone, everything runs."""
    shop = Shop(redis_url, {"limit": 1, "rate": "1000/second"})
    shop.go.set()
    async with Redis.from_url(redis_url) as client, running(*shop.workers):
        await client.set(f"{PREFIX}{kind}:{SLOW}", "x")
        receipt = await shop.placed.send(n=1)
        await wait_until_async(lambda: shop.quick == [1])
        await client.delete(f"{PREFIX}{kind}:{SLOW}")
        assert await receipt.results(timeout=10) == {"slow": 1, "quick": None}


async def test_a_clock_that_is_set_back_stops_no_rate(redis_url: str) -> None:
    """What started later than now counts as if it had started now."""
    keys = Keys("default")
    broker = Broker(redis_url, keys)
    limits = {SLOW: HandlerLimits(rate=Rate(2, 1))}
    await broker.publisher.subscribe("order.placed", [SLOW])
    await broker.publisher.publish("order.placed", b"{}")
    await broker.link.command("ZADD", keys.leases, 10**14, "w.1000")
    await broker.link.command("ZADD", keys.starts(SLOW), 10**14, "a", 10**14, "b")
    claims = broker.claims("w.1000", 60, limits)
    assert (await claims.claim("shop", [SLOW], 5))[0] == []
    assert claims.limits is not None
    assert claims.limits.again_in is not None
    assert 0 < claims.limits.again_in <= 1

    async def is_claimed() -> bool:
        return len((await claims.claim("shop", [SLOW], 5))[0]) == 1

    await wait_until_async(is_claimed)
    await broker.close()


async def test_many_slots_are_looked_at_page_by_page(redis_url: str) -> None:
    """A look costs the same however great the limit is; those of processes that are gone are all found."""
    broker, limits = Broker(redis_url, Keys("default")), {SLOW: HandlerLimits(limit=200)}
    await broker.publisher.subscribe("order.placed", [SLOW])
    for _ in range(230):
        await broker.publisher.publish("order.placed", b"{}")
    held: list[tuple[Claims, Claim]] = []
    for n in range(10):
        await broker.link.command("ZADD", broker.keys.leases, 10**14, f"w{n}.1000")
        claims = broker.claims(f"w{n}.1000", 60, limits)
        held += [(claims, claim) for claim in (await claims.claim("shop", [SLOW], 20))[0]]
    assert len(held) == 200
    claims = broker.claims("w0.1000", 60, limits)
    assert (await claims.claim("shop", [SLOW], 100))[0] == []
    for owner, claim in held[15:150:9]:
        assert await owner.finish([(claim, None)]) == [True]
    freed = len(held[15:150:9])
    found = 0

    async def all_are_found() -> bool:
        nonlocal found
        found += len((await claims.claim("shop", [SLOW], 100))[0])
        return found >= freed

    await wait_until_async(all_are_found)
    assert found == freed
    await broker.close()
