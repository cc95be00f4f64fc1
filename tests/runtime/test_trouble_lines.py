"""The lines of a worker's log for whoever is on call: each names what is wrong, once, and not where nothing is."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.servers import Server, valkey_binary
from tests.waiting import wait_until_async
from upnext.broker.broker import Broker
from upnext.broker.claims import CRASH_CAP
from upnext.broker.keys import Keys
from upnext.runner import full_slots
from upnext.runner.full_slots import FullSlotsWatch
from upnext.runner.slots import Slots

KEYS = Keys("default")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """Give what is logged from now on."""
    caplog.set_level(logging.INFO, "upnext")
    return Lines(caplog)


class Lines:
    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def of(self, part: str) -> list[str]:
        """Return each line that has a part in it: level and text."""
        lines = [f"{record.levelname} {record.getMessage()}" for record in self._caplog.records]
        return [line for line in lines if part in line]


async def test_slots_that_are_all_taken_are_reported_with_who_has_them(
    valkey_url: str, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest job with its age, and where the thread is that runs it; until a slot is free."""
    monkeypatch.setattr(full_slots, "REPORT_AFTER", 0.2)
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1, concurrency=3)
    release, released = threading.Event(), asyncio.Event()

    @worker.task
    def hold() -> None:
        release.wait()

    @worker.task
    async def rest() -> None:
        await released.wait()

    async with running(worker):
        jobs = [await hold.submit(), await hold.submit(), await rest.submit()]
        await wait_until_async(lambda: lines.of("slots of worker"), what="the line")
        release.set()
        released.set()
        for job in jobs:
            await job.result(timeout=20)
    line = lines.of("slots of worker")[0]
    assert re.match(
        r"WARNING All 3 slots of worker 'shop' have been taken for \d+ s, so its further jobs wait\. Running: "
        rf"2 x 'hold', 1 x 'rest'; the oldest is job (?:{'|'.join(re.escape(job.id) for job in jobs)}), since \d+ s",
        line,
    )
    if "A thread of 'hold' is at" in line:  # unless the oldest job is that of the coroutine
        assert "release.wait()" in line


def test_slots_that_are_taken_in_turn_are_no_trouble(lines: Lines) -> None:
    """A worker may be busy for ever; what is reported is that nothing moves, and again after five times as long."""
    slots = Slots(1)
    slots.sharers = 1
    watch = FullSlotsWatch(upnext.Worker("shop").registry, slots, list)
    now = 0.0

    def busy(seconds: float) -> int:
        nonlocal now
        now += seconds
        watch.look(now)
        return len(lines.of("slots of worker"))

    assert slots.take(asyncio.Event(), 1) == 1
    assert busy(0) == 0
    for _ in range(5):
        assert busy(full_slots.REPORT_AFTER - 1) == 0
        slots.give(1)
        assert slots.take(asyncio.Event(), 1) == 1
        assert busy(0) == 0
    assert busy(full_slots.REPORT_AFTER) == 1
    assert busy(full_slots.REPORT_AFTER) == 1
    assert busy(3 * full_slots.REPORT_AFTER) == 2
    slots.give(1)
    assert busy(100 * full_slots.REPORT_AFTER) == 2


async def test_a_server_that_lost_its_data_is_reported_with_the_events(valkey_url: str, lines: Lines) -> None:
    """Once; a lease that was lost while the data are there is another thing."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)

    async def handle(n: int) -> int:
        return n

    for name in ("cancelled", "paid", "placed", "shipped"):
        worker.event(f"order.{name}").on(name=name)(handle)
    async with Redis.from_url(valkey_url) as client, running(worker) as service:
        await client.zremrangebyrank(KEYS.leases, 0, -1)
        await wait_until_async(lambda: lines.of("Lost the lease"))
        await wait_until_async(lambda: client.zcard(KEYS.leases))
        await service.ready()
        await client.flushall()
        await wait_until_async(lambda: lines.of("lost data"))
        await service.ready()
        assert await (await worker.event("order.paid").send(n=1)).results(timeout=20) == {"paid": 1}
    (line,) = lines.of("lost data")
    assert line == (
        "ERROR The server has lost data: the subscriptions to 'order.cancelled', 'order.paid', 'order.placed' and 1 "
        "more are gone, and jobs that it had accepted may be. Subscribing again"
    )


async def test_a_server_that_lost_its_data_is_reported_by_workers_that_have_tasks_only(
    valkey_url: str, lines: Lines
) -> None:
    """Once for each loss, whether or not a task has ever run, and not for a lease alone."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)

    async def run(n: int) -> int:
        return n

    tasks = [worker.task(name=name)(run) for name in ("audit", "bill", "count", "deliver")]
    async with Redis.from_url(valkey_url) as client, running(worker) as service:
        await client.zremrangebyrank(KEYS.leases, 0, -1)
        await wait_until_async(lambda: lines.of("Lost the lease"))
        await wait_until_async(lambda: client.zcard(KEYS.leases))
        await service.ready()
        assert lines.of("lost data") == []
        for times in (1, 2):
            await client.flushall()
            await wait_until_async(lambda times=times: len(lines.of("lost data")) == times)
            await service.ready()
            assert await tasks[0].wait(n=1) == 1
    first, second = lines.of("lost data")
    assert first == second
    assert first == (
        "ERROR The server has lost data: it does not know the tasks 'audit', 'bill', 'count' and 1 more any more, "
        "and jobs that it had accepted may be gone. Registering them again"
    )


@pytest.mark.parametrize("has_task", [False, True], ids=["event", "task"])
async def test_a_loss_of_data_is_reported_by_every_process(valkey_url: str, lines: Lines, has_task: bool) -> None:
    """Also by one that finds all subscribed and registered again, by others that were faster."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)

    async def run(n: int) -> int:
        return n

    if has_task:
        worker.task(name="pay")(run)
    else:
        worker.event("order.placed").on(name="pay")(run)
    async with Redis.from_url(valkey_url) as client, running(worker) as service:
        for times in (1, 2):
            async with client.pipeline(transaction=True) as faster:
                faster.flushall()
                faster.hset(KEYS.subscriptions("order.placed"), "shop|order.placed|pay", "1")
                faster.sadd(KEYS.queues, "shop||pay")
                await faster.execute()
            await wait_until_async(lambda times=times: len(lines.of("lost data")) == times)
            await service.ready()
    (line,) = set(lines.of("lost data"))
    assert line == (
        "ERROR The server has lost data: other processes have begun anew there, and jobs that it had accepted before "
        "may be gone"
    )


async def test_an_outage_is_over_when_the_log_says_so_and_each_trouble_has_its_end(
    tmp_path: Path, lines: Lines
) -> None:
    """Also one that is longer than the lease, of a server that is frozen first and comes back without its data."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server") as server:
        worker = upnext.Worker("shop", redis_url=f"{server.url}?socket_timeout=0.2", lease=2)

        @worker.cron(every=timedelta(seconds=1))
        async def tick() -> None: ...

        async with running(worker) as service:
            server.command("ACL SETUSER default -hkeys")
            await wait_until_async(lambda: lines.of("Cannot read which handlers"))
            server.command("ACL SETUSER default +hkeys")
            await wait_until_async(lambda: lines.of("Reads which handlers are paused again"))
            server.pause()
            await wait_until_async(lambda: lines.of("Cannot look after") and lines.of("Cannot run schedules"))
            await asyncio.sleep(2.5)  # the length of the outage: the lease runs out in it
            assert lines.of("again") == ["INFO Reads which handlers are paused again"]
            server.kill()
            server.start()
            await wait_until_async(lambda: lines.of("Looks after") and lines.of("Runs schedules again"))
            await wait_until_async(lambda: lines.of("Lost the lease of"))
            await service.ready()
    for part in ("Cannot renew", "Cannot run schedules"):
        assert "does not answer)" in lines.of(part)[0]
    (lost,) = lines.of("Lost the lease of")
    passed = re.search(r"last renewed (\d+\.\d) s ago", lost)
    assert passed is not None
    assert float(passed[1]) >= 2


async def test_of_a_job_that_the_server_lost_while_it_ran_nobody_is_said_to_run_it(
    valkey_url: str, lines: Lines
) -> None:
    """All that its worker knows is that the job is not held here any more."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)
    started, released = asyncio.Event(), asyncio.Event()

    @worker.event("order.placed").on
    async def pay() -> None:
        started.set()
        await released.wait()

    async with Redis.from_url(valkey_url) as client, running(worker):
        receipt = await worker.event("order.placed").send()
        await started.wait()
        await client.flushall()
        await wait_until_async(lambda: lines.of("lost data") and lines.of("of worker process"))
        released.set()
        await wait_until_async(lambda: lines.of("on job"))
    (process,) = lines.of("of worker process")
    assert re.fullmatch(
        r"WARNING Lost the lease of worker process \S+ \(last renewed \d+\.\d s ago\): what it was running may run "
        r"elsewhere, and its results here are discarded; continuing under a new lease",
        process,
    )
    assert lines.of("on job") == [
        f"WARNING Lost the lease on job {receipt.event_id}.0; its outcome here was discarded, and it may run elsewhere"
    ]


async def test_a_job_that_killed_its_workers_is_reported_when_it_is_buried(valkey_url: str, lines: Lines) -> None:
    """By the worker that finds the last of them dead, with the handler's identity."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)

    @worker.event("order.placed").on
    async def bill(n: int) -> None: ...

    async with running(worker):
        pass
    receipt = await worker.event("order.placed").send(n=1)
    async with Redis.from_url(valkey_url) as client:
        broker = Broker(valkey_url, KEYS)
        dead = broker.claims("dead.1000", 60)
        await client.zadd(KEYS.leases, {dead.worker_id: 1})
        (job,), _ = await dead.claim("shop", ["shop|order.placed|bill"], 1)
        await broker.close()
        await client.hset(KEYS.claims(dead.worker_id), job.field, f"{CRASH_CAP}:0:{CRASH_CAP - 1}:1")
        async with running(worker):
            with pytest.raises(upnext.JobFailedError, match="crashed"):
                await receipt.results(timeout=20)
    assert lines.of("dead.1000") == ["WARNING Worker process dead.1000 is gone; its jobs are taken over"]
    job_id = receipt.jobs[0].id
    assert lines.of("crashed") == [
        f"ERROR Job {job_id} of handler bill is a dead letter (crashed): {CRASH_CAP} workers died under it"
    ]


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (None, "payload is gone"),
        (b"2\n{}", "payload is not an envelope"),
        (b"3\n{}", "payload was written by a later version of upnext"),
        (b"", "payload is not an envelope"),
        (b'{"n": 1}', "payload is not an envelope"),
        (b"1\r\n{}", "payload is not an envelope"),
        (b'1\n{"n": "x"}', "field 'n' should be a valid integer"),
    ],
    ids=["gone", "headless", "later", "empty", "bare", "line end", "wrong"],
)
async def test_a_job_whose_payload_cannot_be_read_is_reported_when_it_is_buried(
    valkey_url: str, lines: Lines, stored: bytes | None, reason: str
) -> None:
    """It is not retried: the same bytes fail in the same way."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)

    @worker.event("order.placed").on(retries=3)
    async def bill(n: int) -> None: ...

    async with running(worker):
        pass
    receipt = await worker.event("order.placed").send(n=1)
    async with Redis.from_url(valkey_url) as client:
        if stored is None:
            await client.hdel(KEYS.events, receipt.event_id)
        else:
            await client.hset(KEYS.events, receipt.event_id, stored)
        async with running(worker):
            await wait_until_async(lambda: lines.of("it becomes a dead letter"))
            await wait_until_async(lambda: client.hexists(KEYS.dead, receipt.jobs[0].id))
    (line,) = lines.of("it becomes a dead letter")
    assert line.startswith("ERROR Handler 'bill' of 'order.placed' failed (attempt 1, failure 1 of 4) with ")
    assert reason in line
    assert line.endswith(f"[job {receipt.jobs[0].id}]")


async def test_a_worker_that_cannot_look_after_delayed_jobs_says_so_and_goes_on(
    valkey_server: Server, valkey_url: str, lines: Lines
) -> None:
    """Once, however long that lasts; its own jobs run meanwhile."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)

    @worker.event("order.placed").on
    async def bill(n: int) -> int:
        return n

    async with running(worker):
        valkey_server.command("ACL SETUSER default -sscan")
        try:
            delayed = await worker.event("order.placed").options(delay=0.01).send(n=1)
            await wait_until_async(lambda: lines.of("Cannot look after"))
            assert await (await worker.event("order.placed").send(n=2)).results(timeout=20) == {"bill": 2}
        finally:
            valkey_server.command("ACL SETUSER default +sscan")
        assert await delayed.results(timeout=20) == {"bill": 1}
    (line,) = lines.of("Cannot look after")
    assert line == (
        "WARNING Cannot look after the jobs of dead workers, delayed jobs and retries now "
        "(the server rejects this client: this user may not run SSCAN; see `upnext explain rights`); retrying"
    )


async def test_work_that_is_looked_for_because_nothing_tells_of_it_is_reported(valkey_url: str, lines: Lines) -> None:
    """Jobs run all the same, some time later: a right that was taken away, or another program's key, slows all down."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)
    event = worker.event("order.placed")

    @event.on
    async def confirm(n: int) -> int:
        return n

    async with running(worker), Redis.from_url(valkey_url) as client:
        await client.set(KEYS.wake("shop"), "another program's")
        await wait_until_async(lambda: lines.of("Cannot wait for new jobs"), timeout=20)
        assert await (await event.send(n=1)).results(timeout=20) == {"confirm": 1}
        await client.delete(KEYS.wake("shop"))
        await wait_until_async(lambda: lines.of("Waits for new jobs again"), timeout=20)
    (line,) = lines.of("Cannot wait for new jobs")
    assert line.startswith("WARNING Cannot wait for new jobs of 'shop' (the server rejects this client: a key")
    assert line.endswith("(WRONGTYPE)); looks for them from time to time")
