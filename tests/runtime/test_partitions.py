"""Namespaces of several partitions: each is whole in itself, and together they are one."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.job_ids import partition_of
from upnext.broker.partitioned_publisher import place_of
from upnext.cli import unsubscribe
from upnext.connect import reach
from upnext.settings import load

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"


def resources(url: str, partitions: int, *handlers: str, concurrency: int = 100) -> upnext.Worker:
    """A worker with handlers of these names for "order.placed", which return what they are sent."""
    worker = upnext.Worker("shop", redis_url=url, partitions=partitions, concurrency=concurrency, lease=1)

    async def handle(n: int) -> int:
        return n

    for name in handlers or ("count",):
        worker.event("order.placed").on(name=name)(handle)
    return worker


def sender(url: str, partitions: int) -> upnext.Event:
    """The event, as a process of its own with that setting has it."""
    return upnext.Worker("sender", redis_url=url, partitions=partitions).event("order.placed")


def keys(url: str) -> Counter[str]:
    """Count the keys on the server by partition."""
    return Counter(key.decode().split("}")[0].rpartition(":")[2] for key in redis.Redis.from_url(url).keys("upnext:*"))


async def test_events_are_spread_and_each_finds_its_way_back(redis_url: str) -> None:
    """Also tasks, delayed jobs, retries, and the results of all of them."""
    worker = resources(redis_url, 3, "count", "mail")
    tried: list[int] = []

    @worker.task(retries=1, retry_delay=0.01)
    async def double(n: int) -> int:
        tried.append(n)
        if tried.count(n) == 1:
            raise ValueError
        return 2 * n

    event = worker.event("order.placed")
    async with running(worker):
        receipts = [await event.send(n=n) for n in range(6)] + [await event.options(delay=0.05).send(n=6)]
        jobs = [await double.submit(n) for n in range(6)]
        assert [await r.results(timeout=20) for r in receipts] == [{"count": n, "mail": n} for n in range(7)]
        assert [await job.result(timeout=20) for job in jobs] == [2 * n for n in range(6)]
    assert {partition_of(receipt.event_id) for receipt in receipts} == {0, 1, 2}
    assert {partition_of(job.id) for job in jobs} == {0, 1, 2}


async def test_with_one_partition_there_is_no_other_and_no_word_of_it(redis_url: str) -> None:
    """What a namespace of one partition holds is what it held before there could be others."""
    async with running(resources(redis_url, 1)):
        receipt = await sender(redis_url, 1).send(n=1)
        await receipt.results(timeout=20)
        assert len(receipt.event_id) == 28
        assert set(keys(redis_url)) == {"0"}
        assert not redis.Redis.from_url(redis_url).exists("upnext:{default:0}:partitions")


async def test_an_event_sent_before_its_first_handler_waits_in_its_partition(redis_url: str) -> None:
    receipts = [await sender(redis_url, 3).send(n=n) for n in range(6)]
    async with running(resources(redis_url, 1)):
        assert [await receipt.results(timeout=20) for receipt in receipts] == [{"count": n} for n in range(6)]


async def test_one_limit_holds_for_all_partitions_and_none_waits_for_another(redis_url: str) -> None:
    """One that is full of work does not keep the slots from the others, and never more jobs run than there are."""
    worker = upnext.Worker("shop", redis_url=redis_url, partitions=3, concurrency=2)
    event, at_once, most, ran = worker.event("order.placed"), 0, 0, list[int]()

    @event.on
    async def work(n: int) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.002)  # the work
        ran.append(partition_of(upnext.get_current_context().event_id))
        at_once -= 1

    async with running(worker):
        pass
    places = {f"k{n}": place_of("order.placed", f"k{n}", 3) for n in range(400)}
    crowd = [key for key, place in places.items() if place == 0][:100]
    few = [key for place in (1, 2) for key in [key for key, of in places.items() if of == place][:5]]
    for key in crowd + few:
        await event.options(key=key).send(n=1)
    async with running(worker):
        await wait_until_async(lambda: len(ran) == 110, timeout=40)
    assert most == 2
    assert Counter(ran) == {0: 100, 1: 5, 2: 5}
    assert ran[:60].count(1) == ran[:60].count(2) == 5


async def test_a_key_is_used_once_whoever_sends_it(redis_url: str) -> None:
    """Also at the same time; and by senders of different settings, one after the other."""
    async with running(resources(redis_url, 1)):
        old, new, newer = (sender(redis_url, n) for n in (1, 3, 5))
        first = [await old.options(key=f"old{n}").send(n=n) for n in range(8)]
        again = [await new.options(key=f"old{n}").send(n=n) for n in range(8)]
        assert [r.event_id for r in again] == [r.event_id for r in first]
        assert all(receipt.repeated for receipt in again)
        many = await asyncio.gather(*(new.options(key="new").send(n=n) for n in range(20)))
        assert len({receipt.event_id for receipt in many}) == 1
        fresh = [await new.options(key=f"fresh{n}").send(n=n) for n in range(8)]
        assert {partition_of(receipt.event_id) for receipt in fresh} == {0, 1, 2}
        for other in (old, newer, sender(redis_url, 2), sender(redis_url, 3)):
            seen = [await other.options(key=f"fresh{n}").send(n=n) for n in range(8)]
            assert [r.event_id for r in seen] == [r.event_id for r in fresh]
        assert await seen[0].results(timeout=20) == {"count": 0}


async def test_a_namespace_grows_while_its_workers_run(redis_url: str) -> None:
    """Nobody is started again, and handlers without a living worker are as subscribed in what is new as in what was."""
    async with running(resources(redis_url, 1, "gone")):
        pass
    async with running(resources(redis_url, 1, "count")):
        receipts = [await sender(redis_url, 1).send(n=0)] + [await sender(redis_url, 4).send(n=n) for n in range(1, 9)]
        assert {partition_of(receipt.event_id) for receipt in receipts} == {0, 1, 2, 3}
        assert [{job.handler for job in receipt.jobs} for receipt in receipts] == [{"count", "gone"}] * 9
        for receipt in receipts:
            await next(job for job in receipt.jobs if job.handler == "count").result(timeout=20)
    async with running(resources(redis_url, 1, "gone")):
        assert [await receipt.results(timeout=20) for receipt in receipts] == [
            {"count": n, "gone": n} for n in range(9)
        ]


async def test_a_handler_that_connects_while_a_namespace_grows_misses_nothing(redis_url: str) -> None:
    """Whatever was sent after its worker was ready goes to it, whichever of the two came first."""
    for n in range(2, 12):
        growing = asyncio.create_task(sender(redis_url, n).send(n=0))
        async with running(resources(redis_url, 1, f"h{n}")):
            event = sender(redis_url, n)
            receipts = [await event.send(n=i) for i in range(2 * n)]
            assert all(f"h{n}" in {job.handler for job in receipt.jobs} for receipt in receipts)
            assert len({partition_of(receipt.event_id) for receipt in receipts}) == n
        await growing


async def test_what_was_once_a_partition_is_served_for_ever(redis_url: str) -> None:
    """A fleet with a smaller setting finds what lies in the others."""
    async with running(resources(redis_url, 3)):
        pass
    receipts = [await sender(redis_url, 3).send(n=n) for n in range(6)]
    async with running(resources(redis_url, 2)):
        assert [await receipt.results(timeout=20) for receipt in receipts] == [{"count": n} for n in range(6)]


async def test_a_server_that_lost_its_data_is_told_again_how_many_partitions_there_are(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    async with running(resources(redis_url, 3)) as service:
        client.flushall()
        await wait_until_async(lambda: client.hget("upnext:{default:0}:partitions", "served") == b"3")
        await service.ready()
        await wait_until_async(
            lambda: all(client.exists(f"upnext:{{default:{n}}}:subs:order.placed") for n in range(3))
        )
        assert await (await sender(redis_url, 1).send(n=1)).results(timeout=20) == {"count": 1}


async def test_listings_and_their_changes_reach_every_partition(
    command: Command, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the setting of whoever asks."""
    monkeypatch.setattr(unsubscribe, "_GROWTH", 0.0)
    worker = upnext.Worker("shop", redis_url=redis_url, partitions=3, lease=1)
    failing = True

    @worker.event("order.placed").on
    async def mend(n: int) -> int:
        if failing:
            raise ValueError(n)
        return n

    event = worker.event("order.placed")

    def asked(*words: str) -> str:
        code, out, err = command(*words, url=redis_url)
        assert (code, err) == (0, "")
        return out

    async with running(worker):
        receipts = [await event.send(n=n) for n in range(6)]
        for receipt in receipts:
            with pytest.raises(upnext.JobFailedError):
                await receipt.results(timeout=20)
        status = json.loads(await asyncio.to_thread(asked, "status", "--format", "json"))
        assert (status["totals"]["workers"], status["totals"]["dead"], len(status["workers"])) == (1, 6, 1)
        listed = json.loads(await asyncio.to_thread(asked, "dead", "list", "--format", "json"))["dead_letters"]
        assert {letter["job_id"] for letter in listed} == {receipt.jobs[0].id for receipt in receipts}
        for receipt in receipts[:3]:
            job_id = receipt.jobs[0].id
            shown = json.loads(await asyncio.to_thread(asked, "dead", "show", job_id, "--payload", "--format", "json"))
            assert shown["dead_letter"]["payload"] == {"n": receipts.index(receipt)}
        failing = False
        await asyncio.to_thread(asked, "dead", "replay", *(receipt.jobs[0].id for receipt in receipts[:3]))
        assert [await receipt.results(timeout=20) for receipt in receipts[:3]] == [{"mend": n} for n in range(3)]
        assert await asyncio.to_thread(asked, "dead", "purge", "--all", "--yes") == "3 dead letters deleted.\n"
        assert await (await reach(load(redis_url=redis_url))).dead_letters.dead() == []
    for n in range(6):
        await event.send(n=n)
    assert "6 job(s) that waited for it are dead letters now" in await asyncio.to_thread(asked, "unsubscribe", "mend")


@pytest.mark.parametrize("number", [0, -1, 65, 1.5, True, "3"])
def test_an_impossible_number_of_partitions_is_refused(number: object) -> None:
    with pytest.raises(upnext.ConfigError, match=r"partitions=.* cannot be used"):
        upnext.Worker("shop", partitions=number)  # type: ignore[arg-type]
