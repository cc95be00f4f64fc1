"""Jobs that wait for jobs of their own worker lend them their slots, so that no number of them stands still."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext import job_wait
from upnext.connect import broker_for


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_jobs_that_wait_for_jobs_of_their_worker_end_with_one_slot(redis_url: str, kind: str) -> None:
    """Nested three deep, several at a time; never more than one runs, once it goes on after its wait."""
    worker = upnext.Worker("shop", redis_url=redis_url, concurrency=1)
    at_work: list[int] = [0, 0]

    def work() -> None:
        at_work[0] += 1
        at_work[1] = max(at_work)
        at_work[0] -= 1

    @worker.task
    async def leaf(n: int) -> int:
        work()
        return n

    if kind == "async":

        @worker.task(name="middle")
        async def middle(n: int) -> int:
            return sum(await asyncio.gather(leaf.wait(n), leaf.wait(n)))

        @worker.task(name="root")
        async def root(n: int) -> int:
            found = await middle.wait(n)
            work()
            return found
    else:

        @worker.task(name="middle")
        def middle(n: int) -> int:  # type: ignore[misc]
            return leaf.wait_sync(n) + leaf.wait_sync(n)

        @worker.task(name="root")
        def root(n: int) -> int:  # type: ignore[misc]
            found = middle.wait_sync(n)
            work()
            return found

    async with running(worker):
        jobs = [await root.submit(n) for n in range(6)]
        assert [await job.result(timeout=60) for job in jobs] == [2 * n for n in range(6)]
        assert await leaf.wait(7) == 7


async def test_a_job_goes_on_only_with_a_slot(valkey_url: str) -> None:
    """While it waited, others took its slot: it waits for one of them to end."""
    worker = upnext.Worker("shop", redis_url=valkey_url, concurrency=1)
    order: list[str] = []
    release, busy = asyncio.Event(), asyncio.Event()

    @worker.task
    async def child() -> None:
        order.append("child")

    @worker.task
    async def long() -> None:
        busy.set()
        await release.wait()
        order.append("long")

    @worker.task
    async def parent() -> None:
        job = await child.options(delay=0.05).submit()
        await long.submit()
        await job.result()
        order.append("parent")

    async with running(worker):
        job = await parent.submit()
        await busy.wait()
        partition = (await broker_for(worker.registry.settings)).partition(0)

        async def is_due() -> bool:
            return bool(await partition.link.command("LLEN", partition.keys.queue("shop||child")))

        await wait_until_async(is_due)
        release.set()
        await job.result(timeout=30)
    assert order == ["long", "child", "parent"]


async def test_a_wait_that_times_out_or_is_cancelled_loses_no_slot(valkey_url: str) -> None:
    """With one slot, the worker goes on as before."""
    worker = upnext.Worker("shop", redis_url=valkey_url, concurrency=1)

    @worker.task
    async def quick() -> int:
        return 1

    @worker.task
    async def parent(way: str) -> str:
        job = await quick.options(delay=60).submit()
        try:
            if way == "timeout":
                await job.result(timeout=0.05)
            else:
                async with asyncio.timeout(0.05):
                    await job.result()
        except TimeoutError:
            return "late"
        return "early"

    async with running(worker):
        for way in ("timeout", "cancelled") * 3:
            assert await (await parent.submit(way)).result(timeout=20) == "late"
            assert await (await quick.submit()).result(timeout=20) == 1


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_job_that_waits_long_is_named_in_the_log_and_in_status_and_doctor(
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    command: Callable[..., tuple[int, str, str]],
    kind: str,
) -> None:
    """With the handler that it waits for, for as long as it waits."""
    monkeypatch.setattr(job_wait, "_STARVING", 0.2)
    caplog.set_level(logging.WARNING, "upnext")
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=0.5)
    other = upnext.Worker("elsewhere", redis_url=valkey_url)

    @other.task
    async def child() -> None: ...

    if kind == "async":

        @worker.task(name="parent")
        async def parent() -> None:
            await child.wait()
    else:

        @worker.task(name="parent")
        def parent() -> None:  # type: ignore[misc]
            child.wait_sync()

    async def said(words: str) -> str:
        return (await asyncio.to_thread(command, *words.split(), url=valkey_url))[1]

    async def shown() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await said("status --format json"))["waiting_jobs"]
        return found

    async with running(worker):
        job = await parent.submit()
        await wait_until_async(shown, what="the wait in upnext status")
        (row,) = await shown()
        assert row["seconds"] > 0
        expected = {"job_id": job.id, "worker": "shop", "event": "parent", "handler": "parent", "waits_for": ["child"]}
        assert expected.items() <= row.items()
        line = r"shop \(.*\): handler parent has waited .* for child, job " + job.id
        assert re.search(line, await said("status"))
        assert re.search("warn  waits        " + line, await said("doctor"))
        async with running(other):
            await job.result(timeout=20)

        async def over() -> bool:
            return not await shown()

        await wait_until_async(over, what="the wait gone from upnext status")
    (line,) = [record.getMessage() for record in caplog.records if "has waited" in record.getMessage()]
    assert "'parent' has waited 0.2 s for 'child'" in line


async def test_a_job_that_blocks_the_event_loop_while_it_waits_fails_in_time(valkey_url: str) -> None:
    """What it waits for cannot run beside it, nor can its slot be lent; the worker then goes on."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    ran: list[int] = []

    @worker.task
    async def leaf(n: int) -> None:
        ran.append(n)

    @worker.task
    async def blocking(n: int) -> None:
        leaf.submit_sync(n).result_sync(timeout=0.1)

    async with running(worker):
        with pytest.raises(upnext.JobFailedError, match="ResultTimeoutError"):
            await (await blocking.submit(1)).result(timeout=20)
        await leaf.wait(2)
    assert sorted(ran) == [1, 2]
