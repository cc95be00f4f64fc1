"""A job that the server does not know any more never reads as done, and one that is done never reads as lost."""

from __future__ import annotations

import asyncio
import json
import pickle

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.job_ids import new_event_id
from upnext.connect import broker_for

HOUR = 3600
ID = "01a2237703809cc8c9a1d653db73"


async def test_a_task_that_the_server_lost_is_lost_for_whoever_waits(redis_url: str) -> None:
    """It never ran: a failover, a restart without persistence or a FLUSHDB took it."""
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.task
    async def pay(n: int) -> None: ...

    job = await pay.submit(1)
    async with Redis.from_url(redis_url) as client:
        await client.flushdb()
    with pytest.raises(upnext.JobLostError, match="may not have run") as caught:
        await job.result(timeout=20)
    assert caught.value.job_ids == (job.id,)
    assert await job.state() == "lost"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.job_ids) == (str(caught.value), caught.value.job_ids)


async def test_a_job_that_is_lost_is_named_by_its_own_id(redis_url: str) -> None:
    """Not by its place among those that were asked for; one that stood for another send is of an earlier event."""
    lost = f"{new_event_id()}.7"
    with pytest.raises(upnext.JobLostError, match=f"nothing of job {lost}:") as caught:
        await upnext.Job.of(lost, worker=upnext.Worker("shop", redis_url=redis_url)).result(timeout=20)
    assert (caught.value.event_id, caught.value.job_ids) == (lost[:-2], (lost,))

    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.event("saved").on(unique=True)
    async def index(n: int) -> None: ...

    @worker.event("saved").on
    async def count(n: int) -> None: ...

    async with running(worker):
        pass
    first = await worker.event("saved").send(n=1)
    second = await worker.event("saved").send(n=1)
    async with Redis.from_url(redis_url) as client:
        await client.flushdb()
    with pytest.raises(upnext.JobLostError) as caught:
        await second.results(timeout=20)
    (indexed,) = [job.id for job in first.jobs if job.handler == "index"]
    (counted,) = [job.id for job in second.jobs if job.handler == "count"]
    assert set(caught.value.job_ids) == {indexed, counted}


async def test_an_event_that_vanishes_while_somebody_waits_is_lost(valkey_url: str) -> None:
    """Also with several handlers, and for an event that was sent before its first handler."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")

    @event.on
    async def first() -> None: ...

    @event.on
    async def second() -> int:
        return 1

    early = await upnext.Worker("other", redis_url=valkey_url).event("nobody.listens").send()
    async with running(worker):
        assert await (await event.send()).results(timeout=20) == {"first": None, "second": 1}
    receipt = await event.send()
    waits = [asyncio.create_task(each.results(timeout=40)) for each in (receipt, early)]
    await asyncio.sleep(0.1)
    async with Redis.from_url(valkey_url) as client:
        await client.flushdb()
    ends = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(end) for end in ends] == [upnext.JobLostError, upnext.JobLostError]
    assert "'first', 'second'" in str(ends[0])
    assert "It was there when this wait began" in str(ends[0])


async def test_jobs_that_return_none_are_done_and_leave_a_mark_that_expires(redis_url: str) -> None:
    """The mark is a number in a set that many jobs share."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")

    @event.on
    async def first(n: int) -> None: ...

    @event.on
    async def second(n: int) -> None: ...

    async with running(worker), Redis.from_url(redis_url) as client:
        receipts = await asyncio.gather(*(event.send(n=n) for n in range(50)))
        for receipt in receipts:
            assert await receipt.results(timeout=20) == {"first": None, "second": None}
            assert [await job.state() for job in receipt.jobs] == ["done", "done"]
        keys = await client.keys("*:ended:*")
        assert sum([await client.scard(key) for key in keys]) == 100
        assert {await client.object("encoding", key) for key in keys} == {b"intset"}
        assert all([0 < await client.ttl(key) <= HOUR for key in keys])


async def test_a_purged_job_is_lost_for_whoever_waits(valkey_url: str) -> None:
    """Also where other jobs of its event go on."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")

    @event.on
    async def fails() -> None:
        raise ValueError("no")

    @event.on
    async def passes() -> int:
        return 1

    async with running(worker):
        receipt = await event.send()
        with pytest.raises(upnext.JobFailedError):
            await receipt.results(timeout=20)
        broker = await broker_for(worker.registry.settings)
        assert await broker.dead_letters.purge([receipt.jobs[0].id]) == [True]
        with pytest.raises(upnext.JobLostError, match="purged"):
            await receipt.results(timeout=20)
        assert await receipt.jobs[1].result(timeout=20) == 1


async def test_what_a_worker_of_an_earlier_release_ended_counts_as_done(valkey_url: str) -> None:
    """It leaves no mark. While such workers live, and for a while after, nothing can be known to be lost."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def pay(n: int) -> None: ...

    async with Redis.from_url(valkey_url) as client:
        await client.hset("upnext:{default:0}:workers", "old.1000", json.dumps({"worker": "shop", "version": "0.1.0"}))
        job = await pay.submit(1)
        wait = asyncio.create_task(job.result(timeout=20))
        await wait_until_async(lambda: client.exists("upnext:{default:0}:unmarked"))
        await client.delete("upnext:{default:0}:workers", "upnext:{default:0}:events")
        assert await wait is None
        assert 0 < await client.ttl("upnext:{default:0}:unmarked") <= HOUR


async def test_another_programs_key_in_place_of_the_marks_holds_up_nobody(valkey_url: str) -> None:
    """The job ends; that it did cannot be known then."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def pay(n: int) -> None: ...

    @worker.task
    async def double(n: int) -> int:
        return 2 * n

    job = await pay.submit(1)
    async with Redis.from_url(valkey_url) as client:
        await client.set(f"upnext:{{default:0}}:ended:{job.id[:11]}", "junk")
        async with running(worker):
            with pytest.raises(upnext.JobLostError):
                await job.result(timeout=20)
            assert await double.wait(2) == 4


async def test_an_earlier_send_is_read_by_its_id(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another process, which has the id and nothing else: results by handler, failures, states."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")
    release = asyncio.Event()

    @event.on
    async def first() -> int:
        await release.wait()
        return 1

    @event.on
    async def second() -> None: ...

    @worker.task
    async def fails() -> None:
        raise ValueError("no")

    async with running(worker):
        receipt, job = await event.send(), await fails.submit()
        again = upnext.Receipt.of(receipt.event_id, worker=worker)
        wait = asyncio.create_task(again.results(timeout=20))
        assert await upnext.Job.of(receipt.jobs[0].id, worker=worker).state() == "open"
        release.set()
        assert await wait == {"first": 1, "second": None}
        assert [each.id for each in again.jobs] == [each.id for each in receipt.jobs]
        monkeypatch.setenv("UPNEXT_REDIS_URL", redis_url)
        assert await upnext.Receipt.of(receipt.event_id).results(timeout=20) == {"first": 1, "second": None}
        assert await upnext.Job.of(receipt.jobs[0].id).result(timeout=20) == 1
        with pytest.raises(upnext.JobFailedError, match="no"):
            await upnext.Job.of(job.id).result(timeout=20)
        assert await upnext.Job.of(job.id).state() == "dead"
        with pytest.raises(upnext.JobFailedError, match="no"):
            await upnext.Receipt.of(job.id.rpartition(".")[0]).results(timeout=20)


@pytest.mark.parametrize(
    "identity", ["", "x", "order.placed", 7, None, f"{ID}.x", f"0x{ID[2:]}.0", f" 1_0{ID[4:]}.0", f"{'f' * 28}.0"]
)
def test_what_cannot_be_an_id_is_refused(identity: str) -> None:
    """Before anything is asked of the server."""
    with pytest.raises(upnext.ConfigError, match="is not the id of a job; use the one that a send returned"):
        upnext.Job.of(identity)


def test_the_id_of_an_event_is_told_apart_from_that_of_a_job() -> None:
    """It is what a send logs and returns first."""
    with pytest.raises(upnext.ConfigError, match=f"'{ID}' is not the id of a job: it is that of an .* is '{ID}.0'"):
        upnext.Job.of(ID)


async def test_a_server_that_refuses_says_so_to_whoever_waits(redis_url: str) -> None:
    """As it does to senders: retrying does not help."""
    async with Redis.from_url(redis_url) as client:
        await client.execute_command("ACL", "SETUSER", "poor", "on", ">pw", "~*", "+hello", "+client", "+select")
        try:
            url = redis_url.replace("unix://", "unix://poor:pw@")
            worker = upnext.Worker("shop", redis_url=url)
            job = upnext.Job.of("01a2237703809cc8c9a1d653db73.0", worker=worker)
            with pytest.raises(upnext.BrokerRefusedError):
                await job.result(timeout=5)
        finally:
            await client.execute_command("ACL", "DELUSER", "poor")


async def test_waiting_has_a_limit_by_default(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting; a call, or the options of a task, may say otherwise."""
    monkeypatch.setenv("UPNEXT_RESULT_TIMEOUT", "0.2")
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def pay(n: int) -> None: ...

    with pytest.raises(upnext.ResultTimeoutError, match=r"0\.2 s"):
        await pay.wait(1)
    with pytest.raises(upnext.ResultTimeoutError, match=r"0\.3 s"):
        await pay.options(wait=0.3).wait(1)
    with pytest.raises(upnext.ResultTimeoutError, match=r"0\.2 s"):
        await (await worker.event("order.placed").send()).results()
    with pytest.raises(upnext.ResultTimeoutError, match="within 0 s"):
        await pay.options(wait=-1).wait(1)
    with pytest.raises(upnext.ConfigError, match="timeout"):
        pay.options(wait="long")  # type: ignore[arg-type]
