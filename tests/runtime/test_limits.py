"""What stays bounded, exact or untouched when numbers get large, late, skewed or hostile."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.failures import backoff
from upnext.options import Options
from upnext.runner.retry_backoff import JITTER, RETRY_DELAY_CAP, retry_delay

PREFIX = "upnext:{default:0}:"
HANDLER = "shop|order.placed|handle"


@given(
    delay=st.floats(0, 1e300),
    factor=st.floats(1, 1e300),
    retry=st.integers(1, 10_000),
)
def test_a_retrys_delay_is_finite_and_capped_whatever_the_settings(delay: float, factor: float, retry: int) -> None:
    """And, the jitter aside, never shorter than the one before it."""
    options = Options(retry_delay=delay, retry_backoff=factor)
    before, after = retry_delay(options, retry), retry_delay(options, retry + 1)
    assert 0 <= before <= after * (1 + JITTER)
    assert after <= RETRY_DELAY_CAP * (1 + JITTER)


def test_retries_are_put_off_exponentially_and_not_in_step() -> None:
    """By the delay, times the factor for each retry after the first, and by up to a tenth more."""
    options = Options(retry_delay=2, retry_backoff=3)
    for retry, delay in ((1, 2), (2, 6), (3, 18)):
        found = [retry_delay(options, retry) for _ in range(100)]
        assert all(delay <= each <= delay * (1 + JITTER) for each in found)
        assert len(set(found)) > 1
    assert retry_delay(Options(retry_delay=0), 5) == 0


def test_a_server_that_is_away_is_tried_ever_less_often() -> None:
    """From a twentieth of a second to a second, never in step with others."""
    for failures in range(1, 2000):
        assert 0.025 <= backoff(failures) <= 1.0
    assert min(backoff(failures) for failures in range(10, 200)) >= 0.5
    assert len({backoff(20) for _ in range(20)}) > 1


async def test_pending_work_has_no_time_to_live(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting, delayed, without a handler yet, or dead: no retention setting touches it."""
    monkeypatch.setenv("UPNEXT_RESULT_TTL", "1")
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")

    @event.on
    async def handle(n: int) -> int:
        if n == 0:
            raise ValueError(n)
        return n

    await worker.event("nobody.yet").send(n=1)
    async with running(worker):
        with pytest.raises(upnext.JobFailedError):
            await (await event.send(n=0)).results(timeout=10)
    await event.send(n=1)
    await event.options(delay=3 * 24 * 3600).send(n=2)
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        lasting = {key.removeprefix(PREFIX) for key in await client.keys("*") if await client.ttl(key) == -1}
    assert {"events", "later", "dead", "dead:index", "unrouted:nobody.yet", f"queue:{HANDLER}"} <= lasting


async def test_a_worker_holds_only_a_few_jobs_more_than_it_runs(redis_url: str) -> None:
    """However long the backlog is: what it has not begun stays on the server, for others to take."""
    worker = upnext.Worker("shop", redis_url=redis_url, concurrency=10)
    held: list[int] = []
    done = asyncio.Event()

    async with Redis.from_url(redis_url, decode_responses=True) as client:

        @worker.event("order.placed").on
        async def handle(n: int) -> None:
            if n % 100 == 0:
                held.append(sum([await client.hlen(key) for key in await client.keys(f"{PREFIX}claims:*")]))
            if n == 1999:
                done.set()

        await _fill(client, "queue:" + HANDLER, 2000)
        async with running(worker):
            await asyncio.wait_for(done.wait(), 60)
    assert max(held) <= 40


async def test_thousands_of_jobs_that_fall_due_together_starve_nobody(redis_url: str) -> None:
    """They are moved in batches, and all of them run."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    numbers: set[int] = set()

    @worker.event("order.placed").on
    async def handle(n: int) -> int:
        numbers.add(n)
        return n

    async with Redis.from_url(redis_url) as client:
        await _fill(client, "later", 2000)
        async with running(worker):
            assert await (await worker.event("order.placed").send(n=-1)).results(timeout=20) == {"handle": -1}
            await wait_until_async(lambda: len(numbers) == 2001, timeout=60)


async def _fill(client: Redis, place: str, count: int) -> None:
    ids = [f"{n:012x}{n:016x}" for n in range(count)]
    await client.hset(PREFIX + "events", mapping={id_: f'1\n{{"n":{n}}}' for n, id_ in enumerate(ids)})
    if place == "later":
        await client.zadd(PREFIX + place, {f"{HANDLER} {id_}.0": 1 for id_ in ids})
    else:
        await client.rpush(PREFIX + place, *(f"{id_}.0" for id_ in ids))


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_sender_whose_clock_is_wrong_changes_nothing(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """Leases and delays go by the server's clock; an id's time only sorts it."""
    worker = upnext.Worker("shop", redis_url=redis_url, lease=1)
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + hours * 3600 * 10**9)

    @worker.event("order.placed").on
    async def handle(n: int) -> int:
        return n

    async with running(worker):
        delayed = await worker.event("order.placed").options(delay=0.4).send(n=1)
        soon = await worker.event("order.placed").send(n=2)
        assert await soon.results(timeout=10) == {"handle": 2}
        assert await delayed.results(timeout=10) == {"handle": 1}


async def test_a_leap_of_the_servers_clock_takes_no_living_workers_jobs(valkey_url: str) -> None:
    """All leases have run out at once then; each is renewed before anyone who watches it may take it."""
    starts: list[int] = []
    begun, release = asyncio.Event(), asyncio.Event()

    def worker() -> upnext.Worker:
        worker = upnext.Worker("shop", redis_url=valkey_url, lease=10)

        @worker.event("order.placed").on
        async def handle(n: int) -> int:
            starts.append(n)
            begun.set()
            await release.wait()
            return n

        return worker

    first = worker()
    async with Redis.from_url(valkey_url) as client, running(first, worker()):
        receipt = await first.event("order.placed").send(n=1)
        await begun.wait()
        owners = await client.zrange(PREFIX + "leases", 0, -1)
        await client.zadd(PREFIX + "leases", dict.fromkeys(owners, 1))

        async def renewed() -> bool:
            return await client.zcount(PREFIX + "leases", 2, "+inf") == len(owners) == 2

        await wait_until_async(renewed)

        async def sweeps() -> int:
            counts = await client.info("commandstats")
            return int(counts.get("cmdstat_sscan", {}).get("calls", 0))

        before = await sweeps()

        async def swept() -> bool:
            return await sweeps() >= before + 6

        await wait_until_async(swept, what="sweeps of both workers that would take them")
        release.set()
        assert await receipt.results(timeout=20) == {"handle": 1}
    assert starts == [1]


async def test_an_attempt_that_ends_at_its_timeout_ends_once(valkey_url: str) -> None:
    """Done or timed out, never both and never neither, for a hundred jobs around the very moment."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    starts: list[int] = []

    @worker.event("order.placed").on(timeout=0.2)
    async def handle(n: int) -> int:
        starts.append(n)
        await asyncio.sleep(0.19 + n * 0.0002)
        return n

    async with running(worker):
        receipts = [await worker.event("order.placed").send(n=n) for n in range(100)]
        ends = await asyncio.gather(*(receipt.results(timeout=20) for receipt in receipts), return_exceptions=True)
    for n, end in enumerate(ends):
        assert end == {"handle": n} or (isinstance(end, upnext.JobFailedError) and end.reason == "timeout")
    assert sorted(starts) == list(range(100))


HOSTILE = [
    b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    b'{"n": 1e999999}',
    b'{"n": ' + b"[" * 100_000,
    b'{"n": ' + b"9" * 100_000 + b"}",
    b'{"n": "\xff"}',
    b"",
    b"null",
    b'{"__class__": "x", "n": {}}',
]


async def test_hostile_payloads_are_dead_letters_and_run_nothing(redis_url: str) -> None:
    """Pickles, endless numbers and nestings, broken text: none reaches a handler, and the worker goes on."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    numbers: list[int] = []

    @worker.event("order.placed").on(retries=3)
    async def handle(n: int) -> int:
        numbers.append(n)
        return n

    async with Redis.from_url(redis_url) as client:
        for n, body in enumerate(HOSTILE):
            await client.hset(PREFIX + "events", f"{n:028x}", b"1\n" + body)
            await client.rpush(f"{PREFIX}queue:{HANDLER}", f"{n:028x}.0")
        async with running(worker):
            assert await (await worker.event("order.placed").send(n=7)).results(timeout=20) == {"handle": 7}

            async def all_buried() -> bool:
                return await client.hlen(PREFIX + "dead") == len(HOSTILE)

            await wait_until_async(all_buried)
    assert numbers == [7]


async def test_an_error_of_megabytes_is_kept_in_short(redis_url: str) -> None:
    """What a handler raises is cut before it is stored."""
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.event("order.placed").on
    async def handle(n: int) -> None:
        raise ValueError("x" * 5_000_000)

    async with running(worker):
        with pytest.raises(upnext.JobFailedError) as caught:
            await (await worker.event("order.placed").send(n=1)).results(timeout=10)
    assert len(caught.value.error) == 2000
