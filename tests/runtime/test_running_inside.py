"""`async with worker.running()`: workers in the event loop of an application that is not theirs."""

from __future__ import annotations

import asyncio

import pytest

import upnext
from upnext.connect import broker_for


async def test_jobs_run_within_the_block_and_have_their_grace_at_its_end(valkey_url: str) -> None:
    worker = upnext.Worker("shop", redis_url=valkey_url)
    other = upnext.Worker("reports", redis_url=valkey_url)
    began, ended = asyncio.Event(), []

    @worker.task
    async def slow() -> None:
        began.set()
        await asyncio.sleep(0.2)
        ended.append(True)

    @other.task
    async def quick() -> int:
        return 3

    async with worker.running(other):
        assert await quick.wait() == 3
        await slow.submit()
        await began.wait()
    assert ended == [True]
    namespace = await broker_for(worker.registry.settings)
    assert (await namespace.status_reader.read()).workers == ()


async def test_what_the_block_raises_ends_the_worker_and_is_raised(valkey_url: str) -> None:
    worker = upnext.Worker("shop", redis_url=valkey_url)
    with pytest.raises(LookupError):
        async with worker.running():
            raise LookupError
    namespace = await broker_for(worker.registry.settings)
    assert (await namespace.status_reader.read()).workers == ()


async def test_a_worker_that_cannot_run_says_so_before_the_block(valkey_url: str) -> None:
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def report(day: "Missing") -> None:  # noqa: F821, UP037  # type: ignore[name-defined]
        ...

    with pytest.raises(upnext.ConfigError, match="An annotation of 'report' cannot be resolved"):
        async with worker.running():
            pytest.fail("it must not begin")


async def test_an_application_that_gives_up_waiting_for_the_server_can_stop() -> None:
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), worker.running():
            pytest.fail("it must not begin")


async def test_a_service_is_not_run_to_its_end_inside_a_running_event_loop() -> None:
    with pytest.raises(upnext.ConfigError, match=r"inside a running event loop: use `async with worker\.running\(\):`"):
        upnext.run(upnext.Worker("shop"))
