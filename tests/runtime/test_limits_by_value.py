"""Limits that hold for each value of a field: fair between values, and never more of one than its limit."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Annotated, Any

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.proxy import proxy_to
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.broker import Broker
from upnext.broker.claims import Claim, Claims, DeadLetter
from upnext.broker.handler_limits import HandlerLimits, Rate
from upnext.broker.keys import Keys

HANDLER = "shop|order.placed|charge"
PREFIX = "upnext:{default:0}:"
LIVES = 10**14


class Shop:
    """Workers of one name with a handler that is limited by customer, and a task that is not limited."""

    def __init__(self, url: str, workers: int = 1, **options: Any) -> None:
        self.now = Counter[str]()
        self.peak = Counter[str]()
        self.ended: list[str] = []
        self.others: list[int] = []
        self.workers = [upnext.Worker("shop", redis_url=url, lease=2) for _ in range(workers)]
        for worker in self.workers:
            worker.event("order.placed").on(name="charge", by="customer", **options)(self._charge)
            self.other = worker.task(name="other")(self._other)
        self.placed = self.workers[0].event("order.placed")

    async def _charge(self, customer: str, n: int) -> int:
        assert upnext.get_current_context().attempt == 1 or n < 0
        self.now[customer] += 1
        self.peak[customer] = max(self.peak[customer], self.now[customer])
        await asyncio.sleep(0.002)
        self.now[customer] -= 1
        self.ended.append(customer)
        if n < 0 and upnext.get_current_context().attempt == 1:
            raise ValueError(n)
        return n

    async def _other(self, n: int) -> None:
        self.others.append(n)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_value_with_many_jobs_gets_its_limit_and_holds_up_no_other(redis_url: str, workers: int) -> None:
    """Nor anything else; and nothing is left on the server but what finished work leaves."""
    shop = Shop(redis_url, workers, limit=2)
    receipts = [await shop.placed.send(customer="big", n=0)]  # before anybody listens
    async with running(*shop.workers):
        receipts += await asyncio.gather(*(shop.placed.send(customer="big", n=n) for n in range(300)))
        receipts += [await shop.placed.send(customer=f"small {n}", n=n) for n in range(20)]
        await asyncio.gather(*(shop.other.submit(n=n) for n in range(20)))
        for receipt in receipts:
            await receipt.results(timeout=30)
    assert max(shop.peak.values()) == 2
    assert len(shop.others) == 20
    assert max(n for n, customer in enumerate(shop.ended) if customer != "big") < 150
    async with Redis.from_url(redis_url) as client:
        assert [key for kind in ("taken", "begun", "line", "later") for key in await client.keys(f"*:{kind}*")] == []


async def test_a_rate_holds_for_each_value(valkey_url: str) -> None:
    """What is over it is put off until it may start, later the more stand before it, also when sent in the same ms."""
    shop = Shop(valkey_url, rate="2/hour")
    async with Redis.from_url(valkey_url) as client, running(*shop.workers):
        await asyncio.gather(*(shop.placed.send(customer="ab"[n % 2], n=n) for n in range(40)))
        await wait_until_async(lambda: Counter(shop.ended) == {"a": 2, "b": 2})

        async def in_line() -> bool:
            return int(await client.zcard(f"{PREFIX}later")) == 36

        await wait_until_async(in_line)
        seconds, _ = await client.time()
        due = sorted(
            round((at / 1000 - seconds) / 3600)
            for _, at in await client.zrange(f"{PREFIX}later", 0, -1, withscores=True)
        )
        assert due == [hour for hour in range(1, 10) for _ in range(4)]
    assert Counter(shop.ended) == {"a": 2, "b": 2}


@pytest.mark.parametrize("name", ["claim_by_value", "free_by_value", "peek", "finish"])
async def test_a_lost_answer_costs_no_slot_of_a_value(redis_url: str, name: str) -> None:
    """Whatever was lost, every job ends, and no more than two of a value run at once."""
    async with proxy_to(redis_url) as proxy:
        shop = Shop(proxy.url, limit=2, retries=1, retry_delay=0)
        sender = upnext.Worker("other", redis_url=redis_url).event("order.placed")
        async with running(*shop.workers):
            proxy.lose_answer_to(name)
            # A job that was in a lost answer is handed back, and has one attempt more.
            receipts = [await sender.send(customer="ab"[n % 2], n=-n - 1) for n in range(12)]
            for receipt in receipts:
                await receipt.results(timeout=30)
            await wait_until_async(lambda: proxy.cuts == 1)
    assert max(shop.peak.values()) <= 2


class Fleet:
    """Workers on a broker, each with what it holds, taking steps by chance.

    Attributes:
        held: What each worker holds; of dead ones until it is taken over.
        ended: How often each job has ended.
    """

    def __init__(self, broker: Broker, seed: int, limits: HandlerLimits) -> None:
        self.broker = broker
        self.chance = random.Random(seed)
        self.limits = {HANDLER: limits}
        self.held: dict[str, list[tuple[Claims, Claim]]] = {}
        self.ended = Counter[str]()
        self.values: dict[str, str] = {}
        self.ids = 0

    async def join(self) -> None:
        self.ids += 1
        name = f"w{self.ids}.1000"
        await self.broker.link.command("ZADD", self.broker.keys.leases, LIVES, name)
        self.held[name] = []

    async def send(self) -> None:
        value = self.chance.choice("aaaabc")
        stored = await self.broker.publisher.publish("order.placed", json.dumps({"customer": value}).encode())
        self.values[f"{stored.event_id}.0"] = value

    async def claim(self) -> None:
        name = self.chance.choice(list(self.held))
        claims = self.broker.claims(name, 60, self.limits)
        for _ in range(2):  # it looks, and claims what it has seen
            jobs, _ = await claims.claim("shop", [HANDLER], self.chance.randint(1, 5))
            self.held[name] += [(claims, claim) for claim in jobs]
            running = Counter(self.values[c.job_id] for held in self.held.values() for _, c in held)
            assert max(running.values(), default=0) <= 2

    async def end(self) -> None:
        name = self.chance.choice(list(self.held))
        if not self.held[name]:
            return
        claims, claim = self.held[name].pop(self.chance.randrange(len(self.held[name])))
        step = self.chance.choice(["finish", "finish", "retry", "release", "bury"])
        if step == "finish":
            assert await claims.finish([(claim, None)]) == [True]
        elif step == "retry":
            assert await claims.retry(claim, 0)
        elif step == "release":
            assert await claims.release(claim)
        else:
            assert await claims.bury(claim, DeadLetter.of(claim.handler, claim.entry, "failed", ""))
        self.ended[claim.job_id] += step in ("finish", "bury")
        if self.chance.random() < 0.5:  # the others are found all the same
            assert claims.limits is not None
            await claims.limits.free({HANDLER: [claim.job_id]})

    async def kill(self) -> None:
        name = self.chance.choice(list(self.held))
        assert await self.broker.maintenance.expire(name, LIVES, outlived=True)
        while await self.broker.maintenance.reclaim(name):
            pass
        for claims, claim in self.held.pop(name):
            crashed = claim.entry.crashed() if claim.started else claim.entry
            self.ended[claim.job_id] += crashed.crashes >= 3
            assert await claims.finish([(claim, None)]) == [False]
        await self.join()

    async def cancel(self) -> None:
        open_jobs = [job for job in self.values if not self.ended[job]]
        if open_jobs:
            job = self.chance.choice(open_jobs)
            view = (await self.broker.jobs.find([job]))[job]
            if view.state in ("waiting", "delayed", "retrying") and await self.broker.jobs.cancel(view):
                self.ended[job] += 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_step_of_any_worker_loses_a_job_or_a_slot_of_a_value(redis_url: str, seed: int) -> None:
    """By chance: what is claimed of one value is never more than its limit, and all that was sent ends once."""
    broker = Broker(redis_url, Keys("default"))
    await broker.publisher.subscribe("order.placed", [HANDLER])
    fleet = Fleet(broker, seed, HandlerLimits(limit=2, by="customer"))
    for _ in range(3):
        await fleet.join()
    for _ in range(150):
        steps = [fleet.send, fleet.send, fleet.claim, fleet.claim, fleet.end, fleet.end, fleet.kill, fleet.cancel]
        await fleet.chance.choices(steps, [3, 3, 4, 4, 4, 4, 1, 1])[0]()
    for _ in range(2000):
        if all(fleet.ended[job] for job in fleet.values):
            break
        await fleet.claim()
        await fleet.end()
    assert [job for job in fleet.values if fleet.ended[job] != 1] == []
    await broker.close()


@pytest.mark.parametrize(
    ("payloads", "lines"),
    [
        (['{"customer": null}', "{}", '{"other": 1}'], 1),
        (['{"customer": {"a": 1, "b": [2]}}', '{"customer": {"b": [2], "a": 1}}'], 1),
        (['{"customer": 1}', '{"customer": "1"}', '{"customer": true}'], 3),
        (['{"customer": "x"}', '{"client": "x"}', '{"customer": "x", "client": "y"}'], 1),
        (['{"customer": "\\ud800"}', "[1]", "no json"], 1),
    ],
)
async def test_the_value_is_that_of_the_payload_as_it_travels(valkey_url: str, payloads: list[str], lines: int) -> None:
    """Jobs without one share a limit; so do equal objects, and the field under the names that it had before."""
    broker = Broker(valkey_url, Keys("default"))
    await broker.publisher.subscribe("order.placed", [HANDLER])
    for payload in payloads:
        await broker.publisher.publish("order.placed", payload.encode())
    await broker.link.command("ZADD", broker.keys.leases, LIVES, "w.1000")
    limits = {HANDLER: HandlerLimits(limit=1, by="customer", formerly=("client",))}
    claims = broker.claims("w.1000", 60, limits)
    await claims.claim("shop", [HANDLER], 9)
    assert len((await claims.claim("shop", [HANDLER], 9))[0]) == lines
    await broker.close()


async def test_a_process_that_knows_no_limits_by_value_takes_what_was_put_off(valkey_url: str) -> None:
    """As during a deployment, or after one that was taken back: within an hour all of it is in the queue again."""
    broker, keys = Broker(valkey_url, Keys("default")), Keys("default")
    await broker.publisher.subscribe("order.placed", [HANDLER])
    for _ in range(4):
        await broker.publisher.publish("order.placed", b'{"customer": 1}')
    await broker.link.command("ZADD", keys.leases, LIVES, "w.1000")
    claims = broker.claims("w.1000", 60, {HANDLER: HandlerLimits(limit=1, by="customer")})
    for expected in ([], [1]):
        assert len((await claims.claim("shop", [HANDLER], 9))[0]) == sum(expected)
    async with Redis.from_url(valkey_url, decode_responses=True) as client:
        put_off = dict(await client.zrange(keys.scheduled, 0, -1, withscores=True))
        assert max(put_off.values()) / 1000 < (await client.time())[0] + 3700
        await client.zadd(keys.scheduled, dict.fromkeys(put_off, 1))
    assert await broker.maintenance.promote(tuple(put_off)) == 3
    assert len((await broker.claims("w.1000", 60).claim("shop", [HANDLER], 9))[0]) == 3
    await broker.close()


async def test_a_clock_that_is_set_back_stops_no_rate_of_a_value(redis_url: str) -> None:
    """What started later than now counts as if it had started now."""
    keys = Keys("default")
    broker, limits = Broker(redis_url, keys), {HANDLER: HandlerLimits(rate=Rate(2, 1), by="customer")}
    await broker.publisher.subscribe("order.placed", [HANDLER])
    await broker.link.command("ZADD", keys.leases, LIVES, "w.1000")

    async def claimed() -> list[Claim]:
        claims = broker.claims("w.1000", 60, limits)
        await claims.claim("shop", [HANDLER], 5)
        return (await claims.claim("shop", [HANDLER], 5))[0]

    for expected in (2, 0):
        for _ in range(2):
            await broker.publisher.publish("order.placed", b'{"customer": 1}')
        assert len(await claimed()) == expected
    begun = await broker.link.command("ZRANGE", keys.begun(HANDLER), 0, -1)
    for member in begun:
        value, _, rest = member.decode().split(" ", 2)
        await broker.link.command("ZADD", keys.begun(HANDLER), 0, f"{value} {LIVES:015d} {rest}")
        await broker.link.command("ZREM", keys.begun(HANDLER), member)
    await claimed()
    later = await broker.link.command("ZRANGE", keys.scheduled, 0, -1)

    async def runs_again() -> bool:
        for member in later:
            await broker.link.command("ZADD", keys.scheduled, "XX", 1, member)
        await broker.maintenance.promote(tuple(member.decode() for member in later))
        return bool(await claimed())

    await wait_until_async(runs_again)
    await broker.close()


class Line:
    """Jobs of one value that wait for its rate of two a minute, and what is due when."""

    def __init__(self, url: str, limit: int | None = None) -> None:
        self.broker = Broker(url, Keys("default"))
        self.put_off: list[float] = []
        limits = {HANDLER: HandlerLimits(limit=limit, rate=Rate(2, 60), by="customer")}
        self.claims = self.broker.claims("w.1000", 60, limits, self.put_off.append)

    async def send(self, jobs: int) -> None:
        await self.broker.publisher.subscribe("order.placed", [HANDLER])
        for _ in range(jobs):
            await self.broker.publisher.publish("order.placed", b'{"customer": 1}')
        await self.broker.link.command("ZADD", self.broker.keys.leases, LIVES, "w.1000")

    async def claim(self) -> list[Claim]:
        claimed = [
            await self.claims.claim("shop", [HANDLER], 9) for _ in range(2)
        ]  # it looks, and claims what it has seen
        return [job for jobs, _ in claimed for job in jobs]

    async def end(self, jobs: list[Claim]) -> None:
        await self.claims.finish([(job, None) for job in jobs])
        assert self.claims.limits is not None
        await self.claims.limits.free({HANDLER: [job.job_id for job in jobs]})

    async def look_at_lines(self) -> None:
        assert self.claims.limits is not None
        self.claims.limits.by_value._checked_at.clear()
        await self.claims.limits.by_value.look(HANDLER)

    async def due(self) -> dict[str, int]:
        """Return the members of `later`, the first one first, and in how many minutes each is due."""
        link = self.broker.link
        (seconds, _), members = await asyncio.gather(link.command("TIME"), link.command("ZRANGE", self._later, 0, -1))
        scores = [float(await link.command("ZSCORE", self._later, member)) for member in members]
        minutes = [round((score / 1000 - int(seconds)) / 60) for score in scores]
        return dict(zip((member.decode() for member in members), minutes, strict=True))

    async def pass_minutes(self, minutes: int) -> None:
        """Let time pass: all that has begun, and all that is due, did so and is so that much earlier."""
        keys, link = self.broker.keys, self.broker.link
        for member in await link.command("ZRANGE", keys.begun(HANDLER), 0, -1):
            value, at, rest = member.decode().split(" ", 2)
            await link.command("ZREM", keys.begun(HANDLER), member)
            await link.command("ZADD", keys.begun(HANDLER), 0, f"{value} {int(at) - minutes * 60_000:015d} {rest}")
        for member in await self.due():
            await link.command("ZINCRBY", self._later, -minutes * 60_000, member)

    async def promote(self, jobs: int) -> None:
        """Put so many of those that are put off into the queue."""
        members = list(await self.due())[:jobs]
        for member in members:
            await self.broker.link.command("ZADD", self._later, "XX", 1, member)
        assert await self.broker.maintenance.promote(tuple(members)) == jobs

    @property
    def _later(self) -> str:
        return self.broker.keys.scheduled


async def test_who_finds_no_room_again_waits_for_the_next_start_and_no_longer(redis_url: str) -> None:
    """Those that start in the same moment are ahead of nobody, and a look at the line makes nobody the last."""
    line = Line(redis_url)
    await line.send(8)
    assert len(await line.claim()) == 2
    assert list((await line.due()).values()) == [1, 1, 2, 2, 3, 3]
    await line.pass_minutes(1)
    await line.promote(3)
    await line.look_at_lines()
    assert len(await line.claim()) == 2
    due = sorted((await line.due()).values())
    assert all(minutes <= at_the_latest for minutes, at_the_latest in zip(due, [1, 1, 2, 2], strict=True))
    assert 50 < min(line.put_off[-1:]) <= 60
    await line.broker.close()


async def test_what_waited_for_a_slot_starts_as_soon_as_its_rate_allows(redis_url: str) -> None:
    """Its slot is free before its rate has room: it is due then, and the worker is told."""
    line = Line(redis_url, limit=1)
    await line.send(5)
    for _ in range(2):
        jobs = await line.claim()
        assert len(jobs) == 1
        assert min((await line.due()).values()) >= 60
        await line.end(jobs)
    assert min((await line.due()).values()) == 1
    assert 50 < line.put_off[-1] <= 60
    await line.broker.close()


@pytest.mark.parametrize("kind", ["taken", "begun", "line"])
async def test_another_programs_key_holds_up_limits_by_value_alone(valkey_url: str, kind: str) -> None:
    """It is reported, and once it is gone, everything runs."""
    shop = Shop(valkey_url, limit=1, rate="1000/second")
    async with Redis.from_url(valkey_url) as client, running(*shop.workers):
        await client.set(f"{PREFIX}{kind}:{HANDLER}", "x")
        receipt = await shop.placed.send(customer="a", n=1)
        await shop.other.submit(n=1)
        await wait_until_async(lambda: shop.others == [1])
        assert shop.ended == []
        await client.delete(f"{PREFIX}{kind}:{HANDLER}")
        assert await receipt.results(timeout=10) == {"charge": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 2, "by": 7}, "Option by=7 cannot be used: it must be the name of a field, or None."),
        ({"limit": 2, "by": "a.b"}, "Option by='a.b' cannot be used: it must be the name of a field, or None."),
        ({"by": "customer"}, "Option by='customer' cannot be used: it must be given with a limit or a rate."),
        ({"limit": 2, "by": "custmer"}, "it has no such field. Did you mean 'customer'?"),
        (
            {"rate": "2/day", "by": "x"},
            "Option by='x' of 'charge' cannot be used: it has no such field. Its fields: customer.",
        ),
    ],
)
def test_limits_by_what_is_no_field_are_refused_where_they_are_written(options: dict[str, Any], message: str) -> None:
    """For handlers and tasks alike, also where they take what they do not name."""
    worker = upnext.Worker("shop")

    async def charge(customer: str, **kwargs: object) -> None: ...

    for decorator in (worker.event("order.placed").on, worker.task):
        with pytest.raises(upnext.ConfigError) as raised:
            decorator(**options)(charge)
        assert message in str(raised.value)


async def test_what_stands_in_line_is_shown(valkey_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By status, with the field under its name of today."""
    worker, go = upnext.Worker("shop", redis_url=valkey_url), asyncio.Event()

    @worker.task(limit=1, by="customer")
    async def charge(customer: Annotated[str, upnext.Formerly("client")]) -> None:
        await go.wait()

    async with running(worker):
        jobs = [await charge.submit(customer="a") for _ in range(3)]

        async def told() -> bool:
            await asyncio.to_thread(upnext_status, valkey_url)
            return 'limit=1 by="customer": 2 in line' in capsys.readouterr().out

        await wait_until_async(told)
        go.set()
        for job in jobs:
            await job.result(timeout=20)


def upnext_status(url: str) -> None:
    from upnext.cli import main

    main(["status", "--redis-url", url])


def test_what_a_record_says_is_read_again() -> None:
    limits = HandlerLimits(2, Rate(100, 60), "customer", ("client",))
    assert str(limits) == 'limit=2 and rate="100/minute" by="customer"'
    assert HandlerLimits.read(str(limits)) == HandlerLimits(2, Rate(100, 60), "customer")
    assert limits.share(1, 2) == HandlerLimits(1, Rate(50, 60), "customer", ("client",))
