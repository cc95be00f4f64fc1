"""Jobs that workers died under: which of them it was is found out, and nobody else waits for that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import ServiceFile, running
from tests.runtime.test_processes import dead, send
from tests.waiting import wait_until, wait_until_async
from upnext.runner import running_jobs

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

QUEUE = "upnext:{default:0}:queue:shop|order.placed|handle"


class Ward:
    """A worker with two slots, which runs each job until it is let go; those from 10 on end by themselves.

    Args:
        url: The server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.worker = upnext.Worker("shop", redis_url=url, concurrency=2)
        self.event = self.worker.event("order.placed")
        self.event.on(self.handle)
        self.go = asyncio.Event()
        self.begun: list[int] = []
        self.running: set[int] = set()
        self.most = 0

    async def handle(self, n: int) -> int:
        self.begun.append(n)
        self.running.add(n)
        self.most = max(self.most, len(self.running))
        if n < 10:
            await self.go.wait()
        self.running.discard(n)
        return n

    async def suspect(self, *numbers: int) -> list[upnext.Receipt]:
        """Send events whose jobs have seen two workers die under them."""
        receipts = [await self.event.send(n=n) for n in numbers]
        async with Redis.from_url(self.url, decode_responses=True) as client:
            tickets = await client.lrange(QUEUE, 0, -1)
            await client.delete(QUEUE)
            await client.rpush(QUEUE, *[str(ticket) + ":2:0:2" for ticket in tickets])
        return receipts


@pytest.fixture
async def ward(redis_url: str) -> Ward:
    """Give one whose handler is subscribed already."""
    ward = Ward(redis_url)
    async with running(ward.worker):
        pass
    return ward


async def test_a_job_on_its_last_life_waits_for_its_turn_without_a_slot(ward: Ward) -> None:
    """Others run meanwhile, and never more than there are slots."""
    receipts = await ward.suspect(0, 1, 2)
    async with running(ward.worker):
        await wait_until_async(lambda: bool(ward.begun))
        for n in range(10, 20):
            assert await (await ward.event.send(n=n)).results(timeout=10) == {"handle": n}
        assert len(ward.running) == 1
        ward.go.set()
        for n, receipt in enumerate(receipts):
            assert await receipt.results(timeout=10) == {"handle": n}
    assert ward.begun[1:11] == list(range(10, 20))
    assert sorted(ward.begun) == [*range(3), *range(10, 20)]
    assert ward.most <= 2


async def test_a_job_that_waits_for_its_turn_is_shown_as_that_and_can_be_cancelled(
    ward: Ward, command: Command, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not run yet: lists, doctor and one line of the log say what it waits for."""
    monkeypatch.setattr(running_jobs, "LONG_TURN", 0.0)
    receipts = await ward.suspect(0, 1, 2)
    ids = {receipt.jobs[0].id for receipt in receipts}

    async def told(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(command, *words, url=ward.url)

    async def listed(state: str) -> set[str]:
        code, out, _ = await told("jobs", "list", "--state", state, "--format", "json")
        assert code == 0
        return {job["job_id"] for job in json.loads(out)["jobs"]}

    async with running(ward.worker):
        await wait_until_async(lambda: bool(ward.begun))

        async def seen() -> bool:
            return (len(await listed("running")), len(await listed("isolated"))) == (1, 2)

        await wait_until_async(seen)
        first, second = sorted(await listed("isolated"))
        assert await listed("running") == ids - {first, second}
        assert "waits for its turn" in (await told("jobs", "list"))[1]
        _, out, _ = await told("jobs", "show", first, "--format", "json")
        details = json.loads(out)["job"]
        assert (details["state"], details["waits_for"].partition(":")[0]) == ("isolated", "its turn")

        async def warned() -> bool:
            return f"for its turn: it was running in processes that died, job {first}" in (await told("doctor"))[1]

        await wait_until_async(warned)
        assert await told("jobs", "cancel", first) == (0, f"{first} is cancelled.\n", "")
        ward.go.set()
        for receipt in receipts:
            if receipt.jobs[0].id == first:
                with pytest.raises(upnext.JobFailedError, match="cancelled"):
                    await receipt.results(timeout=10)
            else:
                await receipt.results(timeout=10)
    assert len(ward.begun) == 2
    assert sum("waits for its turn until job" in message for message in caplog.messages) == 1
    assert not [message for message in caplog.messages if "Lost the lease" in message]


async def test_a_worker_gathers_only_so_many_jobs_on_their_last_life(ward: Ward) -> None:
    """Ten times as many as it has slots; the rest stays in the queue for others, and all of them run."""
    await ward.suspect(*range(50))
    other = Ward(ward.url)
    async with running(ward.worker), Redis.from_url(ward.url) as client:

        async def claimed() -> int:
            return 50 - int(await client.llen(QUEUE))

        await wait_until_async(lambda: _at_least(claimed, 20))
        assert await claimed() < 30
        async with running(other.worker):
            await wait_until_async(lambda: bool(other.begun))
            assert len(ward.running) == 1
            ward.go.set()
            other.go.set()
            await wait_until_async(lambda: len(ward.begun) + len(other.begun) == 50)
    assert sorted(ward.begun + other.begun) == [*range(50)]


async def _at_least(count: Callable[[], Awaitable[int]], number: int) -> bool:
    return await count() >= number


async def test_jobs_that_wait_for_their_turn_are_handed_back_when_their_worker_stops(ward: Ward) -> None:
    """At once, while the one whose turn it is has its grace; another worker runs them."""
    await ward.suspect(0, 1, 2, 3)
    other = Ward(ward.url)
    other.go.set()
    async with running(ward.worker) as service:
        await wait_until_async(lambda: bool(ward.begun))
        service.stop()
        async with running(other.worker):
            await wait_until_async(lambda: len(other.begun) == 3)
        assert len(ward.running) == 1
        ward.go.set()
    assert sorted(ward.begun + other.begun) == [0, 1, 2, 3]


@pytest.mark.long
def test_a_job_that_dies_with_others_is_buried_for_deaths_of_its_own(valkey_url: str, tmp_path: Path) -> None:
    """Who died in one process is not known; from then on each counts only its own starts, and the innocent are done."""
    body = """
    worker = upnext.Worker("shop", concurrency=20)

    @worker.event("order.placed").on
    async def handle(n: int) -> None:
        note("start", n, attempt())
        if n < 2:
            os._exit(1)
        note("end", n)
    """
    service = ServiceFile(tmp_path, valkey_url, body)
    receipts = [send(valkey_url, n) for n in range(6)]
    with service.process("--processes", "2"):
        wait_until(lambda: len(dead(valkey_url)) >= 2, timeout=90, what="dead letters")
        for n in range(2, 6):
            service.ledger.wait_for(f"end {n}")
    assert dead(valkey_url) == {f"{receipt.event_id}.0": "crashed" for receipt in receipts[:2]}
    assert {service.ledger.count(f"start {n} ") for n in range(2)} <= {2, 3}
