"""Of a unique handler, one job of a value waits at a time: further sends get that one, until it starts."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.proxy import proxy_to
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.broker import Broker
from upnext.broker.claims import Claims, DeadLetter
from upnext.broker.keys import Keys
from upnext.broker.uniqueness import Uniqueness

INDEX, OTHER = "shop|saved|index", "shop|saved|other"
PREFIX = "upnext:{default:0}:"
LIVES = 10**14
RULE = "it must be True, the name of a field, a tuple of names, or False."


@asynccontextmanager
async def broker_on(url: str) -> AsyncIterator[Broker]:
    broker = Broker(url, Keys("default"))
    try:
        yield broker
    finally:
        await broker.close()


async def subscribed(url: str, **handlers: Any) -> upnext.Event:
    """Subscribe handlers of no process, each unique as given, and return the event as a sender sees it."""
    found = {f"shop|saved|{name}": Uniqueness.of(unique) for name, unique in handlers.items()}
    async with broker_on(url) as broker:
        unique = {handler: each for handler, each in found.items() if each is not None}
        await broker.publisher.subscribe("saved", list(found), unique)
    return upnext.Worker("sender", redis_url=url).event("saved")


async def waiting(client: Redis, handler: str = INDEX) -> int:
    """Return how many jobs of a handler wait, in whatever partition and whether they are due or not."""
    queued = [await client.llen(key) for key in await client.keys(f"*:queue:{handler}")]
    members = [member for key in await client.keys("*:later") for member in await client.zrange(key, 0, -1)]
    return sum(queued) + sum(member.startswith(handler.encode() + b" ") for member in members)


class Indexer:
    """A worker whose unique handler runs one job at a time, each until it is let go."""

    def __init__(self, url: str, **options: Any) -> None:
        self.worker = upnext.Worker("shop", redis_url=url, concurrency=1, lease=2)
        self.saved = self.worker.event("saved")
        self.saved.on(name="index", **({"unique": True} | options))(self._index)
        self.runs: list[dict[str, Any]] = []
        self.go = asyncio.Semaphore(0)
        self.fails = 0

    async def _index(self, doc: int, lang: str = "en") -> int:
        self.runs.append({"doc": doc, "lang": lang})
        await self.go.acquire()
        if self.fails:
            self.fails -= 1
            raise ValueError(doc)
        return len(self.runs)


async def test_a_send_gets_the_job_that_waits(redis_url: str) -> None:
    """Its id, that it was there, and its result; from its start on a send makes a job of its own."""
    indexer = Indexer(redis_url)
    async with running(indexer.worker), Redis.from_url(redis_url) as client:
        first = await indexer.saved.send(doc=1)
        await wait_until_async(lambda: len(indexer.runs) == 1)
        second, third, other = [await indexer.saved.send(doc=doc) for doc in (1, 1, 2)]
        assert [job.existing for receipt in (first, second, third, other) for job in receipt.jobs] == [0, 0, 1, 0]
        assert first.jobs[0].id != second.jobs[0].id == third.jobs[0].id != other.jobs[0].id
        assert await third.jobs[0].state() == "open"
        for _ in range(3):
            indexer.go.release()
        assert await third.results(timeout=20) == await second.results(timeout=20) == {"index": 2}
        assert await upnext.Receipt.of(third.event_id, worker=indexer.worker).results(timeout=20) == {"index": 2}
        assert await third.jobs[0].result(timeout=20) == 2
        await other.results(timeout=20)
        assert [run["doc"] for run in indexer.runs] == [1, 1, 2]
        assert await client.keys("*:unique:*") == []
        assert await client.hlen(f"{PREFIX}events") == await client.hlen(f"{PREFIX}open") == 0


async def test_many_sends_at_once_make_one_job(redis_url: str) -> None:
    """Also the first of a process, which does not know yet that the handler is unique."""
    saved = await subscribed(redis_url, index=True)
    other = upnext.Worker("another", redis_url=redis_url).event("saved")
    receipts = await asyncio.gather(*(event.send(doc=n % 2) for event in (saved, other) for n in range(50)))
    assert len({receipt.jobs[0].id for receipt in receipts}) == 2
    async with Redis.from_url(redis_url) as client:
        assert await waiting(client) == 2


@pytest.mark.parametrize(
    ("unique", "jobs"), [(False, 6), (True, 5), ("doc", 3), (("doc", "lang"), 5), (("lang",), 3), ("size", 3)]
)
async def test_what_is_compared(valkey_url: str, unique: Any, jobs: int) -> None:
    """The whole payload, or some fields; 1 and "1" differ, and so do null and a field that is not there."""
    saved = await subscribed(valkey_url, index=unique)
    payloads: list[dict[str, Any]] = [
        {"doc": 1, "lang": "de"},
        {"lang": "de", "doc": 1},
        {"doc": "1", "lang": "de"},
        {"doc": 1, "lang": None, "size": 1},
        {"doc": 1, "size": None},
        {"doc": 2},
    ]
    for payload in payloads:
        await saved.send(**payload)
    async with Redis.from_url(valkey_url) as client:
        assert await waiting(client) == jobs


async def test_each_handler_of_an_event_is_unique_by_itself(redis_url: str) -> None:
    """Those that are not get a job of every send; the event goes with the last job that it made."""
    saved = await subscribed(redis_url, a=False, index="doc", z=True)
    first, second = await saved.send(doc=1, n=1), await saved.send(doc=1, n=2)
    third = await saved.send(doc=1, n=2)
    assert [job.existing for job in second.jobs] == [False, True, False]
    assert [job.existing for job in third.jobs] == [False, True, True]
    assert [job.id for job in third.jobs] == [f"{third.event_id}.0", first.jobs[1].id, second.jobs[2].id]
    async with Redis.from_url(redis_url) as client, broker_on(redis_url) as broker:
        assert [await waiting(client, f"shop|saved|{name}") for name in ("a", "index", "z")] == [3, 1, 2]
        claims = await lively(broker, "w1")
        for claim in (await claims.claim("shop", [f"shop|saved|{name}" for name in ("a", "index", "z")], 10))[0]:
            assert await claims.start(claim, unique=True)
            assert await claims.finish([(claim, b"1")]) == [True]
        assert await third.results(timeout=20) == {"a": 1, "index": 1, "z": 1}
        assert await client.hlen(f"{PREFIX}events") == await client.hlen(f"{PREFIX}open") == 0


async def test_a_delayed_job_is_brought_forward(redis_url: str) -> None:
    """It runs no later than the earliest of the sends that it stands for asks, and no earlier than that."""
    saved = await subscribed(redis_url, index=True)
    due: list[int] = []
    async with Redis.from_url(redis_url) as client:
        for delay in (1000, 3000, 500, 0, 10):
            await saved.options(delay=delay).send(doc=1)
            ((_, at),) = await client.zrange(f"{PREFIX}later", 0, -1, withscores=True) or ((b"", 0.0),)
            due.append(round((at / 1000 - (await client.time())[0]) / 100) * 100 if at else 0)
        assert due == [1000, 1000, 500, 0, 0]
        assert await client.llen(f"{PREFIX}queue:{INDEX}") == await client.llen(f"{PREFIX}wake:shop") == 1


async def test_a_retry_is_no_job_that_waits(redis_url: str) -> None:
    """It has started: a send meanwhile makes a job, as what it reports may not be known to the one that failed."""
    indexer = Indexer(redis_url, retries=1, retry_delay=0)
    indexer.fails = 1
    async with running(indexer.worker):
        first = await indexer.saved.send(doc=1)
        await wait_until_async(lambda: len(indexer.runs) == 1)
        for _ in range(3):
            indexer.go.release()
        second = await indexer.saved.send(doc=1)
        assert not second.jobs[0].existing
        await first.results(timeout=20)
        await second.results(timeout=20)
    assert len(indexer.runs) == 3


async def lively(broker: Broker, worker_id: str) -> Claims:
    """Return what a worker claims whose lease never ends."""
    await broker.link.command("ZADD", broker.keys.leases, LIVES, worker_id)
    return broker.claims(worker_id, 60)


async def die(broker: Broker, worker_id: str) -> None:
    """End a worker's lease, and have another one take over what it held."""
    await broker.link.command("ZADD", broker.keys.leases, 1, worker_id)
    assert await broker.maintenance.expire(worker_id, 1)
    await broker.maintenance.reclaim(worker_id)


async def test_a_job_stands_until_its_handler_starts(redis_url: str) -> None:
    """Claimed, handed back, or given up by a worker that died before: further sends get it."""
    saved = await subscribed(redis_url, index=True)
    async with broker_on(redis_url) as broker:
        first = await saved.send(doc=1)
        claims = await lively(broker, "w1")
        ((claim,), _) = await claims.claim("shop", [INDEX], 1)
        assert (await saved.send(doc=1)).jobs[0].existing
        assert await claims.release(claim)
        assert (await saved.send(doc=1)).jobs[0].existing
        await claims.claim("shop", [INDEX], 1)
        await die(broker, "w1")
        assert (await saved.send(doc=1)).jobs[0].existing
        claims = await lively(broker, "w2")
        ((claim,), _) = await claims.claim("shop", [INDEX], 1)
        assert claim.job_id == first.jobs[0].id
        assert await claims.start(claim, unique=True)
        assert not (await saved.send(doc=1)).jobs[0].existing
        assert await claims.start(claim, unique=True)  # its answer was lost: nothing is taken from the other one
        assert (await saved.send(doc=1)).jobs[0].existing


async def crashed(broker: Broker, client: Redis, _job: str) -> None:
    for n in range(3):
        claims = await lively(broker, f"w{n}")
        ((claim,), _) = await claims.claim("shop", [INDEX], 1)
        assert await claims.start(claim)
        await die(broker, f"w{n}")
    assert await client.hlen(f"{PREFIX}dead") == 1


async def cancelled(broker: Broker, _client: Redis, job: str) -> None:
    found = await broker.jobs.find([job])
    assert await broker.jobs.cancel(found[job])


async def abandoned(broker: Broker, _client: Redis, _job: str) -> None:
    assert await broker.subscriptions.abandon(INDEX) == 1


async def ended_elsewhere(broker: Broker, client: Redis, _job: str) -> None:
    """A worker of an earlier release, or without the option, does not say that the job starts."""
    claims = await lively(broker, "w1")
    ((claim,), _) = await claims.claim("shop", [INDEX], 1)
    assert await claims.finish([(claim, None)]) == [True]
    assert await client.hlen(f"{PREFIX}unique:{INDEX}") == 2


async def buried_elsewhere(broker: Broker, client: Redis, _job: str) -> None:
    claims = await lively(broker, "w1")
    ((claim,), _) = await claims.claim("shop", [INDEX], 1)
    assert await claims.bury(claim, DeadLetter.of(INDEX, claim.entry, "failed", "x"))
    assert await client.hlen(f"{PREFIX}unique:{INDEX}") == 2


@pytest.mark.parametrize("end", [crashed, cancelled, abandoned, ended_elsewhere, buried_elsewhere])
@pytest.mark.parametrize("handlers", [{"index": True}, {"index": True, "other": False}])
@pytest.mark.parametrize("delay", [0, 60])
async def test_a_job_that_ended_stands_for_nothing(redis_url: str, end: Any, handlers: Any, delay: int) -> None:
    """However it did: no send is lost to it, and what is noted of it goes."""
    if delay and end not in {cancelled, abandoned}:
        return
    saved = await subscribed(redis_url, **handlers)
    async with broker_on(redis_url) as broker, Redis.from_url(redis_url) as client:
        first = await saved.options(delay=delay).send(doc=1)
        await end(broker, client, first.jobs[0].id)
        noted = await client.hlen(f"{PREFIX}unique:{INDEX}")
        assert noted == (2 if end in {ended_elsewhere, buried_elsewhere} else 0)
        assert not (await saved.send(doc=1)).jobs[0].existing
        assert (await saved.send(doc=1)).jobs[0].existing
        assert await client.hlen(f"{PREFIX}unique:{INDEX}") == 2
        if end is cancelled:
            assert await broker.dead_letters.replay(first.jobs[0].id)
            assert await waiting(client) == 2  # whoever replays a job means that one


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_send_whose_answer_was_lost_says_what_it_said(redis_url: str, key: str | None) -> None:
    """Also where its key was used before."""
    await subscribed(redis_url, index=True, other=False)
    async with proxy_to(redis_url) as proxy:
        saved = upnext.Worker("sender", redis_url=proxy.url).event("saved")
        first = await saved.send(doc=1)
        proxy.lose_answer_to("publish_unique")
        second = await saved.options(key=key).send(doc=1)
        assert proxy.cuts == 1
        expected = [first.jobs[0].id, f"{second.event_id}.1"]
        assert [job.id for job in second.jobs] == expected
        if key is not None:
            again = await saved.options(key=key).send(doc=1)
            assert again.repeated
            assert [(job.id, job.existing) for job in again.jobs] == list(zip(expected, (True, False), strict=True))


async def test_a_subscription_says_what_holds_now(redis_url: str) -> None:
    """Senders follow a deployment that changes the option; what waits from before stands for nothing then."""
    saved = await subscribed(redis_url, index="doc")
    await saved.send(doc=1, n=1)
    for unique, existing in [("n", [0, 1]), (False, [0, 0]), ("doc", [1, 1]), (True, [0, 1])]:
        await subscribed(redis_url, index=unique)
        sent = [await saved.send(doc=1, n=2) for _ in range(2)]
        assert [receipt.jobs[0].existing for receipt in sent] == existing
    async with broker_on(redis_url) as broker, Redis.from_url(redis_url) as client:
        assert await broker.subscriptions.end(INDEX)
        assert await client.hkeys(f"{PREFIX}versions") == [b"saved"]


async def test_a_former_name_of_a_field_counts(redis_url: str) -> None:
    """A sender of the release before a rename gets the job that waits."""
    async with broker_on(redis_url) as broker:
        unique = Uniqueness.of(("doc",), {"document": "doc"})
        assert unique is not None
        assert str(unique) == "unique by doc"
        await broker.publisher.subscribe("saved", [INDEX], {INDEX: unique})
    saved = upnext.Worker("sender", redis_url=redis_url).event("saved")
    await saved.send(document=1)
    assert (await saved.send(doc=1)).jobs[0].existing


async def test_a_task_is_unique_as_well(redis_url: str) -> None:
    """What is submitted is the job that waits; and a tick of a schedule is none while the last one waits."""
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.task(unique="doc")
    async def index(doc: int, n: int = 0) -> int:
        return n

    first, second = await index.submit(doc=1, n=1), await index.options(delay=5).submit(doc=1, n=2)
    assert (first.existing, second.existing, second.id) == (False, True, first.id)
    async with running(worker):
        assert await second.result(timeout=20) == 1
        assert not (await index.submit(doc=1)).existing


@pytest.mark.parametrize("key", [False, True])
async def test_partitions_do_not_divide_it(redis_url: str, key: bool) -> None:
    """All that is equal for a handler goes to one of them, whatever the other handlers of the event are unique by."""
    handlers = {"index": "doc", "z": ("doc", "n"), "other": False}
    worker = upnext.Worker("shop", redis_url=redis_url, partitions=3)
    saved = worker.event("saved")
    for name, unique in handlers.items():

        @saved.on(name=name, unique=unique)
        async def handle(doc: int, n: int = 0) -> None: ...

    async with running(worker):
        pass
    sender = upnext.Worker("sender", redis_url=redis_url, partitions=3).event("saved")
    sends = [(doc, n) for doc in range(8) for n in range(2)] * 2
    random.Random(1).shuffle(sends)
    options = [{"key": f"k{number}"} if key else {} for number in range(len(sends))]
    sent = [await sender.options(**each).send(doc=doc, n=n) for (doc, n), each in zip(sends, options, strict=True)]
    async with Redis.from_url(redis_url) as client:
        assert [await waiting(client, f"shop|saved|{name}") for name in handlers] == [8, 16, 32]
        assert len(await client.keys(f"*:queue:{INDEX}")) == 3
    if key:
        again = await sender.options(key="k31").send(doc=sends[31][0], n=sends[31][1])
        assert again.repeated
        assert [job.id for job in again.jobs] == [job.id for job in sent[31].jobs]
    async with running(worker):
        for receipt in sent:
            await receipt.results(timeout=20)


@pytest.mark.parametrize(
    ("unique", "message"),
    [
        *((value, f"Option unique={value!r} cannot be used: {RULE}") for value in (None, 1, (), ["doc"], "doc.id")),
        ("dok", "Option unique='dok' of 'index' cannot be used: it has no such field. Did you mean 'doc'?"),
        (("doc", "n"), "Option unique='n' of 'index' cannot be used: it has no such field. Its fields: doc."),
    ],
)
def test_what_cannot_be_compared_is_refused_where_it_is_written(unique: Any, message: str) -> None:
    """For handlers and tasks alike."""
    worker = upnext.Worker("shop")

    async def index(doc: int) -> None: ...

    for decorator in (worker.event("saved").on, worker.task):
        with pytest.raises(upnext.ConfigError) as raised:
            decorator(unique=unique)(index)
        assert str(raised.value) == message


async def test_status_and_doctor_say_what_a_handler_is_unique_by(
    redis_url: str, command: Callable[..., tuple[int, str, str]]
) -> None:
    """And the doctor where living processes differ."""
    workers = [Indexer(redis_url, unique=unique).worker for unique in (("lang", "doc"), True)]
    async with running(*workers[:1]):
        _, out, _ = await asyncio.to_thread(command, "status", url=redis_url)
        assert "unique by doc, lang" in out
        _, out, _ = await asyncio.to_thread(command, "status", "--format", "json", url=redis_url)
        assert [queue["unique"] for queue in json.loads(out)["queues"]] == [["doc", "lang"]]
    async with running(*workers):
        _, out, _ = await asyncio.to_thread(command, "doctor", url=redis_url)
        assert f"processes differ in what jobs are unique by for {INDEX}: unique, unique by doc, lang" in out


async def test_another_programs_key_is_named_to_the_sender(redis_url: str) -> None:
    """Nothing is stored for the other handlers either; and what was claimed before runs."""
    indexer = Indexer(redis_url)
    async with running(indexer.worker), Redis.from_url(redis_url) as client:
        first, second = await indexer.saved.send(doc=1), await indexer.saved.send(doc=2)
        await client.set(f"{PREFIX}unique:{INDEX}", "x")
        with pytest.raises(upnext.BrokerRefusedError, match="WRONGTYPE"):
            await indexer.saved.send(doc=1)
        indexer.go.release()
        indexer.go.release()
        await first.results(timeout=20)
        await second.results(timeout=20)
