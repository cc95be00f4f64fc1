"""Anything that another client may write to any of upnext's keys: nothing spins, nothing crashes, other jobs go on."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import ResponseError

import upnext
from tests.runtime.running import running
from tests.runtime.test_keys import every_key
from tests.waiting import wait_until_async
from upnext.broker import foreign_data
from upnext.broker.keys import Keys

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"
HANDLER, OTHER = "shop|order.placed|bill", "shop|order.paid|thank"

DEEP = "[" * 100_000 + "]" * 100_000
TEXTS: st.SearchStrategy[bytes] = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            *(
                b"",
                b" ",
                b"\n",
                b"\xff",
                b"0",
                b"-1",
                b"1e999",
                b"nan",
                b"1" * 5000,
                b"null",
                b"[]",
                b"{}",
                b'""',
                b"[[]]",
            ),
            *(
                b"served",
                b"order.placed",
                b"shop",
                b"a b",
                b"a.0:1:0:0",
                b"x.0:99999999999:0:0",
                b"shop|order.placed|bill x",
            ),
            *(DEEP.encode(), b"x" * 1_000_000, b'{"worker": 1e999, "pid": 1e999, "handlers": 5}', b"1\n{}", b"2\n{}"),
            *(HANDLER.encode(), b"|||", b"||", b'["a||b"]', b'["", []]', b'["id", ["h"]]', b"64", b"65", b"1500"),
        ]
    ),
)
SCORES = st.sampled_from([0.0, -1.0, 1.0, 1e15, 1e300, float("inf"), float("-inf")])
VALUES: st.SearchStrategy[Any] = st.one_of(
    TEXTS,
    st.lists(TEXTS, min_size=1, max_size=5),
    st.sets(TEXTS, min_size=1, max_size=5),
    st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=5),
    st.dictionaries(TEXTS, SCORES, min_size=1, max_size=5).map(lambda scores: ("scores", scores)),
)


async def write(client: Redis, key: str, value: Any, *, add: bool) -> None:
    """Put a value in a key's place, or among what is there if that is of its kind."""
    if not add:
        await client.delete(key)
    with suppress(ResponseError):  # of another kind than what is there
        match value:
            case bytes():
                await client.set(key, value)
            case list():
                await client.rpush(key, *value)
            case set():
                await client.sadd(key, *value)
            case dict():
                await client.hset(key, mapping=value)
            case ("scores", scores):
                await client.zadd(key, scores)


def keys_that_stop_only_what_depends_on_them(keys: Keys) -> list[str]:
    """Return keys whose loss must not keep another event's jobs from being run."""
    own = [keys.queue(HANDLER), keys.subscriptions("order.placed"), keys.unrouted("order.placed"), keys.routes]
    shared = [
        keys.wake("shop"),
        keys.queues,
        keys.workers,
        keys.dead_workers,
        keys.partitions,
        keys.scheduled,
        keys.probe,
    ]
    return [*own, *shared, keys.dead, keys.dead_index, keys.idempotency("order.placed", "k"), keys.result("x.0")]


def run_each(command: Command, url: str, *lines: str) -> None:
    """Run commands; each has to end with an exit code of its own, and no traceback."""
    for words in lines:
        code, _, err = command(*words.split(), url=url)
        assert code in (0, 1, 3), (words, err)
        assert not re.search("internal fault|Traceback", err), (words, err)


_names = count()


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(data=st.data())
def test_junk_in_any_key_stops_neither_the_jobs_of_others_nor_any_command(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, command: Command, data: Any
) -> None:
    """Sends end with a typed error or a receipt, workers run what does not depend on it, and log lines stay short."""
    namespace = f"junk{next(_names)}"
    monkeypatch.setenv("UPNEXT_NAMESPACE", namespace)
    foreign_data._reported.clear()
    keys = Keys(namespace)
    junk = data.draw(
        st.lists(
            st.tuples(st.sampled_from(keys_that_stop_only_what_depends_on_them(keys)), VALUES, st.booleans()),
            min_size=1,
            max_size=3,
        )
    )
    with caplog.at_level(logging.WARNING):
        asyncio.run(work_beside(valkey_url, junk))
        run_each(command, valkey_url, "status", "doctor", "dead list", "jobs list", "dead purge --all --yes")
    assert all(len(record.getMessage()) < 2000 for record in caplog.records)
    assert len(caplog.records) < 200
    caplog.clear()


async def work_beside(url: str, junk: list[tuple[str, Any, bool]]) -> None:
    worker = upnext.Worker("shop", redis_url=url, lease=1, grace=0.2)
    placed, paid = worker.event("order.placed"), worker.event("order.paid")
    ran = list[int]()

    @placed.on(name="bill", retries=1, retry_delay=0.01)
    async def bill(n: int) -> None: ...

    @paid.on(name="thank")
    async def thank(n: int) -> None:
        ran.append(n)

    async with Redis.from_url(url) as client, asyncio.timeout(60), running(worker):
        for key, value, add in junk:
            await write(client, key, value, add=add)
        for send in (placed.send, placed.options(key="k").send, placed.options(delay=0.01).send):
            try:
                await send(n=0)
            except upnext.BrokerError:
                continue
        for n in range(5):
            await paid.send(n=n)
        await wait_until_async(lambda: sorted(ran) == list(range(5)), timeout=40, what=f"jobs beside {junk!r:.2000}")


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(data=st.data())
def test_junk_in_every_key_at_once_lets_workers_start_and_stop_and_sends_end(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, command: Command, data: Any
) -> None:
    """Nothing can be done then, perhaps; but everybody who asks gets an answer in time."""
    namespace = f"junk{next(_names)}"
    monkeypatch.setenv("UPNEXT_NAMESPACE", namespace)
    monkeypatch.setenv("UPNEXT_SEND_DEADLINE", "1")
    foreign_data._reported.clear()
    values = {key: data.draw(VALUES) for key in every_key(Keys(namespace))}

    async def start_and_stop() -> None:
        worker = upnext.Worker("x", redis_url=valkey_url, lease=1, grace=0.2)
        event = worker.event("order.placed")

        @event.on
        async def handle(n: int) -> None: ...

        async with Redis.from_url(valkey_url) as client:
            for key, value in values.items():
                await write(client, key, value, add=False)
        async with asyncio.timeout(60):
            from upnext.runner.service import Service

            service = Service([worker])
            task = asyncio.create_task(service.run())
            await asyncio.wait([task], timeout=0.5)
            with suppress(upnext.BrokerError):
                await event.send(n=1)
            service.stop()
            await asyncio.wait([task])
            if not task.cancelled() and task.exception() is not None:
                assert isinstance(task.exception(), upnext.UpnextError)

    with caplog.at_level(logging.WARNING):
        asyncio.run(start_and_stop())
        run_each(command, valkey_url, "status", "doctor", "dead list", "jobs list")
    assert all(len(record.getMessage()) < 2000 for record in caplog.records)
    caplog.clear()


@pytest.mark.parametrize("served", ["1500", "abc", "100000000", "-3", "0", "1.5", "\u0663", "1" * 5000])
async def test_a_number_of_partitions_that_there_cannot_be_counts_as_one(
    valkey_url: str, served: str, command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    """With a line in the log, for running workers, for those that start, and for commands."""
    foreign_data._reported.clear()
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)
    event = worker.event("order.placed")

    @event.on(retries=1, retry_delay=0.01)
    async def bill(n: int) -> int:
        return n

    async with Redis.from_url(valkey_url) as client:
        async with running(worker):
            await client.hset("upnext:{default:0}:partitions", mapping={"served": served, "x": "y", "900": "1"})
            assert await (await event.options(delay=0.05).send(n=1)).results(timeout=20) == {"bill": 1}
        async with running(worker):
            assert await (await event.send(n=2)).results(timeout=20) == {"bill": 2}
            several = upnext.Worker("other", redis_url=valkey_url, partitions=2).event("order.placed")
            assert await (await several.options(key="a:b").send(n=3)).results(timeout=20) == {"bill": 3}
    said = [record.getMessage() for record in caplog.records if "number of partitions" in record.getMessage()]
    assert len(said) == 1
    assert "must be between 1 and 64" in said[0]
    await asyncio.to_thread(run_each, command, valkey_url, "status", "dead list", "doctor")


@pytest.mark.parametrize(
    "record", [DEEP, '{"pid": 1e999}', '{"pid": "%s"}' % ("1" * 5000), "[]", '{"handlers": 5}', '{"handlers": [[], 1]}']
)
async def test_records_that_cannot_be_read_are_shown_as_far_as_they_can(
    valkey_url: str, record: str, command: Command
) -> None:
    """Of workers and of dead letters, in every listing."""
    async with Redis.from_url(valkey_url) as client:
        prefix = "upnext:{default:0}:"
        await client.zadd(prefix + "leases", {"w.1000": 10**14})
        await client.hset(prefix + "workers", "w.1000", record)
        await client.hset(prefix + "dead", "x.0", record)
        await client.zadd(prefix + "dead:index", {"x.0": 1})
        await client.hset(prefix + "routes", "order.placed", record)
        await client.set(prefix + "routed:x", record)
        listings = ("status", "doctor", "dead list", "dead show x.0", "jobs list", "jobs show x.0", "handlers list")
        await asyncio.to_thread(run_each, command, valkey_url, *listings)
