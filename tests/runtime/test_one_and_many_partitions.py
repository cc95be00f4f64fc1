"""What `upnext.broker.protocols` promises holds for one partition and for several: one suite for each pair."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator

import pytest

import upnext
from upnext.broker.claims import DeadLetter
from upnext.broker.namespace import Namespace
from upnext.broker.protocols import DeadLetterFilter

BILL, REPORT = "shop|order.placed|bill", "shop||report"
WORKER = "w.10000"


@pytest.fixture(params=[1, 3], ids=["one partition", "several"])
async def namespace(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[Namespace]:
    """Give a namespace in which one handler is subscribed."""
    found = Namespace(valkey_url, "default", request.param)
    await found.partition(0).publisher.subscribe("order.placed", [BILL])
    yield found
    await found.close()


async def publish(namespace: Namespace, count: int) -> list[str]:
    """Publish events with one job each; returns the ids of the jobs."""
    sent = [await namespace.publisher.publish("order.placed", b'{"n":%d}' % n) for n in range(count)]
    return [f"{published.event_id}.0" for published in sent]


async def bury(namespace: Namespace) -> None:
    """Claim all jobs that wait, and make dead letters of them."""
    for partition in await namespace.partitions():
        await partition.link.command("ZADD", partition.keys.leases, 10**14, WORKER)
        claims = partition.claims(WORKER, 60)
        for claim in (await claims.claim("shop", [BILL, REPORT], 100))[0]:
            await claims.bury(claim, DeadLetter.of(claim.handler, claim.entry, "failed", "ValueError: no"))


async def test_a_publisher_stores_what_it_is_given_once_for_each_key(namespace: Namespace) -> None:
    """Events with a job for each subscribed handler, submissions with one; a key is the event's own."""
    publisher = namespace.publisher
    first = await publisher.publish("order.placed", b'{"n":1}', key="k")
    again = await publisher.publish("order.placed", b'{"n":2}', key="k")
    assert (first.handlers, first.repeated) == ((BILL,), False)
    assert (again.event_id, again.handlers, again.repeated) == (first.event_id, (BILL,), True)
    task = await publisher.submit(REPORT, b"{}", key="k")
    assert (task.handlers, task.repeated) == ((REPORT,), False)
    assert (await publisher.submit(REPORT, b"{}", key="k")).event_id == task.event_id
    assert (await publisher.publish("nobody.listens", b"{}")).handlers == ()
    await publisher.publish("order.placed", b"{}", delay=60)
    assert len(set(await publish(namespace, 5))) == 5


async def test_a_publisher_stores_nothing_where_another_programs_key_is(namespace: Namespace) -> None:
    """The error is typed, and other events are stored."""
    await publish(namespace, 1)
    for partition in await namespace.partitions():
        await partition.link.command("DEL", partition.keys.events)
        await partition.link.command("SET", partition.keys.events, "another program's")
    with pytest.raises(upnext.BrokerRefusedError):
        await namespace.publisher.publish("order.placed", b"{}")


async def test_a_status_source_counts_what_waits_and_what_is_left(namespace: Namespace) -> None:
    """Jobs by handler, those that are delayed, events without a handler, dead letters, and what is open."""
    await publish(namespace, 6)
    await namespace.publisher.submit(REPORT, b"{}")
    await namespace.publisher.publish("order.placed", b"{}", delay=600)
    await namespace.publisher.publish("nobody.listens", b"{}")
    status = await namespace.status_reader.read()
    assert {queue.handler: (queue.waiting, queue.delayed) for queue in status.queues} == {BILL: (6, 1), REPORT: (1, 0)}
    assert [(unrouted.event, unrouted.events) for unrouted in status.unrouted] == [("nobody.listens", 1)]
    assert (status.later, status.dead, status.workers) == (1, 0, ())
    left = await namespace.status_reader.left()
    assert (left.open, len(left.later)) == (7, 1)
    await bury(namespace)
    status = await namespace.status_reader.read()
    assert (status.dead, {worker.alive for worker in status.workers}) == (7, {True})
    assert (await namespace.status_reader.left()).open == 0


async def test_a_dead_letter_queue_lists_what_is_selected(namespace: Namespace) -> None:
    """By event, handler and time of death; each letter can be read by its id."""
    queue, jobs = namespace.dead_letters, await publish(namespace, 6)
    report = f"{(await namespace.publisher.submit(REPORT, b'{}')).event_id}.0"
    before = math.floor(await queue.now())  # deaths are written in whole ms
    await bury(namespace)
    assert {letter.job_id for letter in await queue.dead()} == {*jobs, report}

    async def selected(selection: DeadLetterFilter) -> set[str]:
        return {letter.job_id async for page in queue.dated_pages(selection) for letter, _ in page}

    assert await selected(DeadLetterFilter(event="order.placed")) == set(jobs)
    assert await selected(DeadLetterFilter(handler="report")) == {report}
    assert await selected(DeadLetterFilter(handler=BILL, died_since=before)) == set(jobs)
    assert await selected(DeadLetterFilter(died_since=await queue.now() + 60_000)) == set()
    assert await selected(DeadLetterFilter(died_before=before - 1)) == set()
    for n, job in enumerate(jobs):
        found = await queue.letter(job)
        assert found is not None
        assert (found[0].handler_id, found[0].reason, found[0].error) == (BILL, "failed", "ValueError: no")
        assert before <= found[1]
        assert json.loads(await queue.payload(found[0]) or b"") == {"n": n}
    assert await queue.letter("0" * 28 + ".0") is None


async def test_a_dead_letter_queue_replays_and_purges_by_id(namespace: Namespace) -> None:
    """Whatever partition an id names; what is none of its dead letters is said in its place."""
    queue, jobs = namespace.dead_letters, await publish(namespace, 6)
    await bury(namespace)
    unknown = "0" * 28 + ".0"
    assert await queue.purge([jobs[5], unknown, jobs[4]]) == [True, False, True]
    assert await queue.replay(jobs[0])
    assert not await queue.replay(jobs[0])
    assert await queue.replay_with(jobs[1], b'{"n":10}') == jobs[1]
    assert await queue.replay_with(unknown, b"{}") is None
    assert (await namespace.status_reader.left()).open == 2
    assert {letter.job_id for letter in await queue.dead()} == {jobs[2], jobs[3]}
    await bury(namespace)
    found = await queue.letter(jobs[1])
    assert found is not None
    assert json.loads(await queue.payload(found[0]) or b"") == {"n": 10}
