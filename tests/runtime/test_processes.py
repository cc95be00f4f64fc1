"""Worker processes that die, freeze, hang and stop: what was accepted is done, dead or pending, never gone."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

import upnext
from tests.runtime.running import ServiceFile, running
from tests.waiting import wait_until, wait_until_async
from upnext.connect import reach, run_blocking
from upnext.settings import load

SHOP = """
worker = upnext.Worker("shop", concurrency={concurrency})
event = worker.event("order.placed")

@event.on
async def handle(n: int) -> None:
    note("start", n, attempt(), os.getpid())
    await asyncio.sleep({seconds})
    note("end", n, attempt())
"""


def send(url: str, n: int, event: str = "order.placed", **fields: object) -> upnext.Receipt:
    """Send an event from the test."""
    return upnext.Worker("tests", redis_url=url).event(event).send_sync(n=n, **fields)


def dead(url: str) -> dict[str, str]:
    """Return the dead letters' job ids and reasons."""

    async def read() -> dict[str, str]:
        dead_letters = (await reach(load(redis_url=url))).dead_letters
        return {letter.job_id: letter.reason for letter in await dead_letters.dead()}

    return run_blocking(read())


def test_a_killed_workers_job_is_run_again_by_another(process_url: str, tmp_path: Path) -> None:
    """With the next attempt number; the chaos runs measure how soon."""
    service = ServiceFile(tmp_path, process_url, SHOP.format(concurrency=10, seconds=0.8))
    with service.process() as first:
        send(process_url, 1)
        service.ledger.wait_for("start 1 1")
        with service.process():
            first.kill()
            service.ledger.wait_for("end 1 2")
    assert service.ledger.count("start 1") == 2
    assert dead(process_url) == {}


def test_a_handler_that_kills_its_worker_is_buried_and_its_neighbours_finish(process_url: str, tmp_path: Path) -> None:
    """After three crash deliveries it is a dead letter; jobs that ran beside it are done."""
    service = ServiceFile(
        tmp_path,
        process_url,
        """
        worker = upnext.Worker("shop", concurrency=20)
        event = worker.event("order.placed")

        @event.on
        async def handle(n: int) -> None:
            note("start", n, attempt())
            if n == 0:
                os._exit(1)
            await asyncio.sleep(0.3)
            note("end", n)
        """,
    )
    receipts = [send(process_url, n) for n in range(11)]
    with service.process("--processes", "2"):
        wait_until(lambda: dead(process_url), timeout=60, what="a dead letter")
        for n in range(1, 11):
            service.ledger.wait_for(f"end {n}")
    assert dead(process_url) == {f"{receipts[0].event_id}.0": "crashed"}
    assert [line for line in service.ledger.lines if line.startswith("start 0 ")] == [
        "start 0 1",
        "start 0 2",
        "start 0 3",
    ]


def test_sigterm_lets_running_jobs_end_and_exits_with_0(process_url: str, tmp_path: Path) -> None:
    """What is running finishes; what is queued stays queued."""
    service = ServiceFile(tmp_path, process_url, SHOP.format(concurrency=2, seconds=0.5))
    with service.process() as process:
        for n in range(6):
            send(process_url, n)
        service.ledger.wait_for("start", 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    started = service.ledger.count("start")
    assert service.ledger.count("end") == started
    with service.process():
        service.ledger.wait_for("end", 6)
    assert service.ledger.count("start") == 6


def test_a_job_longer_than_the_grace_is_handed_over_at_once(process_url: str, tmp_path: Path) -> None:
    """It is cancelled, another worker starts it without waiting for a lease, and it counts as no failure."""
    service = ServiceFile(
        tmp_path, process_url, SHOP.format(concurrency=2, seconds=4), UPNEXT_GRACE="0.2", UPNEXT_LEASE="60"
    )
    with service.process() as first:
        send(process_url, 1)
        service.ledger.wait_for("start 1 1")
        with service.process():
            first.send_signal(signal.SIGTERM)
            assert first.wait(10) == 0
            service.ledger.wait_for("start 1 2", timeout=40)
            service.ledger.wait_for("end 1 2")


def test_a_thread_longer_than_the_grace_is_handed_over_and_left(valkey_url: str, tmp_path: Path) -> None:
    """A thread cannot be cancelled: its job is released, and the process ends without waiting for it."""
    service = ServiceFile(
        tmp_path,
        valkey_url,
        """
        worker = upnext.Worker("shop")

        @worker.event("order.placed").on
        def handle(n: int) -> None:
            note("start", n, attempt())
            if attempt() == 1:
                time.sleep(60)
            note("end", n, attempt())
        """,
        UPNEXT_GRACE="0.2",
        UPNEXT_LEASE="60",
    )
    with service.process() as first:
        send(valkey_url, 1)
        service.ledger.wait_for("start 1 1")
        first.send_signal(signal.SIGTERM)
        assert first.wait(10) == 0
    with service.process():
        service.ledger.wait_for("end 1 2")
    assert service.ledger.count("end 1 1") == 0


def test_a_second_sigterm_ends_the_process_at_once(valkey_url: str, tmp_path: Path) -> None:
    """Nothing is lost: the job is run again when the lease has run out."""
    service = ServiceFile(tmp_path, valkey_url, SHOP.format(concurrency=2, seconds=30), UPNEXT_GRACE="60")
    with service.process() as process:
        send(valkey_url, 1)
        service.ledger.wait_for("start 1 1")
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        wait_until(lambda: "running job(s)" in process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM
    with service.process():
        service.ledger.wait_for("start 1 2")


def test_sigint_stops_in_order_and_exits_with_130(valkey_url: str, tmp_path: Path) -> None:
    """Ctrl-C is a stop like any other, told apart by its exit code."""
    service = ServiceFile(tmp_path, valkey_url, SHOP.format(concurrency=2, seconds=0.3))
    with service.process() as process:
        send(valkey_url, 1)
        service.ledger.wait_for("start 1 1")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert service.ledger.count("end 1") == 1


def test_a_frozen_workers_late_end_changes_nothing(process_url: str, tmp_path: Path) -> None:
    """Frozen past its lease, it wakes when another has run the job: it starts nothing and its finish is refused."""
    service = ServiceFile(tmp_path, process_url, SHOP.format(concurrency=1, seconds=0.5))
    with service.process() as first:
        receipt = send(process_url, 1)
        service.ledger.wait_for("start 1 1")
        first.send_signal(signal.SIGSTOP)
        with service.process():
            service.ledger.wait_for("end 1 2")
            assert receipt.results_sync(10) == {"handle": None}
            first.send_signal(signal.SIGCONT)
            send(process_url, 2)
            service.ledger.wait_for("end 2 1")
            first.send_signal(signal.SIGTERM)
            assert first.wait(10) == 0
    assert service.ledger.count("start 1") == 2
    assert service.ledger.count("start 2") == 1
    assert dead(process_url) == {}


def test_a_blocked_event_loop_does_not_make_a_worker_dead(process_url: str, tmp_path: Path) -> None:
    """A handler that blocks the loop for three leases runs once: the lease is kept by a thread of its own."""
    service = ServiceFile(
        tmp_path,
        process_url,
        """
        worker = upnext.Worker("shop")

        @worker.event("order.placed").on
        async def handle(n: int) -> None:
            note("start", n)
            time.sleep(float(os.environ["UPNEXT_LEASE"]) * 3)
            note("end", n)
        """,
    )
    with service.process(), service.process():
        send(process_url, 1)
        service.ledger.wait_for("end 1")
    assert service.ledger.count("start 1") == 1


def test_a_worker_that_never_started_a_job_hands_it_on_uncounted(valkey_url: str, tmp_path: Path) -> None:
    """Jobs claimed behind one that blocks the loop and is then killed are never taken for its accomplices."""
    service = ServiceFile(
        tmp_path,
        valkey_url,
        """
        worker = upnext.Worker("shop", concurrency=8)

        @worker.event("order.placed").on
        async def handle(n: int) -> None:
            note("start", n, attempt())
            if n == 0:
                os.kill(os.getpid(), 9)
            note("end", n)
        """,
    )
    receipts = [send(valkey_url, n) for n in range(8)]
    with service.process("--processes", "2"):
        for n in range(1, 8):
            service.ledger.wait_for(f"end {n}", timeout=60)
        wait_until(lambda: dead(valkey_url), timeout=60)
    assert dead(valkey_url) == {f"{receipts[0].event_id}.0": "crashed"}


async def test_a_dead_letter_is_replayed_under_its_own_id(redis_url: str) -> None:
    """The attempt goes on counting, the budgets are full again, and the result comes to the first receipt."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")
    attempts: list[int] = []

    @event.on
    async def handle(n: int) -> str:
        attempts.append(upnext.get_current_context().attempt)
        if len(attempts) == 1:
            raise ValueError(n)
        return "done"

    async with running(worker):
        receipt = await event.send(n=1)
        with pytest.raises(upnext.JobFailedError):
            await receipt.results(timeout=10)
        dead_letters = (await reach(load(redis_url=redis_url))).dead_letters
        (letter,) = await dead_letters.dead()
        assert (letter.job_id, letter.attempts, letter.reason) == (receipt.jobs[0].id, 1, "failed")
        assert await dead_letters.replay(letter.job_id)
        assert not await dead_letters.replay(letter.job_id)
        assert await receipt.results(timeout=10) == {"handle": "done"}
        assert await dead_letters.dead() == []
    assert attempts == [1, 2]


async def test_nothing_is_left_on_the_server_when_all_is_done(redis_url: str) -> None:
    """Every key that stays has a time to live, or holds what must stay known: subscriptions and queues' names."""
    from redis.asyncio import Redis

    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")

    @event.on(retries=1, retry_delay=0.05)
    async def handle(n: int) -> int:
        if upnext.get_current_context().attempt == 1:
            raise ValueError(n)
        return n

    @event.on
    async def other(n: int) -> None: ...

    async with running(worker):
        for receipt in [await event.options(key=str(n)).send(n=n) for n in range(50)]:
            await receipt.results(timeout=10)
    async with Redis.from_url(redis_url, decode_responses=True) as client:

        async def lasting() -> set[str]:
            return {key.partition("}:")[2] for key in await client.keys("*") if await client.ttl(key) == -1}

        await wait_until_async(lasting, what="keys")
        assert await lasting() <= {"versions", "subs:order.placed", "queues", "wake:shop"}


def test_two_processes_share_the_work(valkey_url: str, tmp_path: Path) -> None:
    """`--processes 2` starts two, both work, one SIGTERM stops both, and nothing is left open."""
    service = ServiceFile(
        tmp_path, valkey_url, SHOP.format(concurrency=1, seconds=0.05), PYTHONWARNINGS="default::ResourceWarning"
    )
    with service.process("--processes", "2") as process:
        for n in range(40):
            send(valkey_url, n)
        service.ledger.wait_for("end", 40)
        pids = {line.split()[3] for line in service.ledger.lines if line.startswith("start")}
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert "ResourceWarning" not in process.stderr.read()
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_code_that_a_handler_started_cannot_end_the_process(valkey_url: str, tmp_path: Path) -> None:
    """A job beside it does not notice what one does to the interpreter, its event loop, all tasks and signals."""
    body = """
    worker = upnext.Worker("shop")

    async def part(error: BaseException) -> None:
        raise error

    @worker.event("order.placed").on(retries=1, retry_delay=0)
    async def handle(n: int) -> None:
        if attempt() == 1 and n == 1:
            await asyncio.gather(part(SystemExit(3)))
        if attempt() == 1 and n == 2:
            async with asyncio.TaskGroup() as group:
                group.create_task(part(KeyboardInterrupt()))
        if n == 3:
            asyncio.get_running_loop().call_soon(sys.exit, 3)
        if n == 5:
            asyncio.get_running_loop().stop()
        if n == 6:
            for task in asyncio.all_tasks():
                task.cancel()
        if n == 7:
            sys.stdout.close()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if n == 0:
            note("waits")
            while not os.path.exists("go"):
                await asyncio.sleep(0.02)
        note("end", n, attempt())
    """
    service = ServiceFile(tmp_path, valkey_url, body)
    with service.process() as process:
        send(valkey_url, 0)
        service.ledger.wait_for("waits")
        for n in range(1, 8):  # one after the other: the sixth cancels a task that another one has started, too
            send(valkey_url, n)
            service.ledger.wait_for("end", n)
        (tmp_path / "go").touch()
        service.ledger.wait_for("end 0")
        assert process.stderr is not None
        assert any("A job set another signal handler for SIGTERM" in line for line in process.stderr)
        process.terminate()
        assert process.wait(20) == 0
    assert sorted(line for line in service.ledger.lines if line != "waits") == [
        "end 0 1", "end 1 2", "end 2 2", "end 3 1", "end 4 1", "end 5 1", "end 6 1", "end 7 1",
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="there is no uvloop for Windows")
def test_upnext_run_uses_uvloop_where_it_is_installed(valkey_url: str, tmp_path: Path) -> None:
    """Jobs run, and the process stops in order."""
    body = """
    worker = upnext.Worker("shop")

    @worker.event("order.placed").on
    async def handle(n: int) -> None:
        note(type(asyncio.get_running_loop()).__module__, n)
    """
    service = ServiceFile(tmp_path, valkey_url, body)
    with service.process() as process:
        send(valkey_url, 1)
        service.ledger.wait_for("uvloop 1")
        process.terminate()
        assert process.wait(20) == 0
