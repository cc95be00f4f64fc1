"""Code and data that nobody expects: no worker ends, no job is forgotten, and every error is one of ours."""

from __future__ import annotations

import asyncio
import math
import pickle
import traceback
from collections.abc import Callable, Generator, Iterable
from datetime import date
from typing import Any, ClassVar, NoReturn, TypeAlias

import pydantic
import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.servers import Server
from tests.waiting import wait_until_async
from upnext.broker.maintenance import Maintenance
from upnext.connect import reach
from upnext.settings import load

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"
PREFIX = "upnext:{default:0}:"
ENVELOPE = '1\n{"order": {"number": 1}}'


def giving_back(url: str) -> tuple[upnext.Worker, upnext.Event]:
    """Return a worker whose handler gives its number back, and its event."""
    worker = upnext.Worker("shop", redis_url=url, lease=1)
    event = worker.event("order.placed")

    @event.on
    async def handle(n: int) -> int:
        return n

    return worker, event


class Order(pydantic.BaseModel):
    """Its validator raises."""

    number: int
    raises: ClassVar[BaseException]
    tries: ClassVar[list[int]]

    @pydantic.field_validator("number")
    @classmethod
    def check(cls, number: int) -> int:
        cls.tries.append(number)
        raise cls.raises


@pytest.mark.parametrize("error", [RuntimeError("boom"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_a_validator_that_raises_is_that_jobs_failure(valkey_url: str, error: BaseException) -> None:
    """It is retried as what a handler raises is, and then a dead letter; the worker goes on."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)
    Order.raises, Order.tries = error, []

    @worker.event("order.placed").on(retries=1, retry_delay=0)
    async def handle(order: Order) -> None: ...

    @worker.task
    async def after() -> str:
        return "done"

    async with running(worker), Redis.from_url(valkey_url) as client:
        with pytest.raises(upnext.PayloadError if isinstance(error, Exception) else type(error)):
            await worker.event("order.placed").send(order=Order.model_construct(number=1))
        Order.tries.clear()
        await client.hset(PREFIX + "events", "0" * 28, ENVELOPE)
        await client.rpush(PREFIX + "queue:shop|order.placed|handle", f"{'0' * 28}.0")
        assert await after.wait() == "done"
        dead_letters = (await reach(load(redis_url=valkey_url))).dead_letters
        await wait_until_async(lambda: _reasons(dead_letters, ["failed"]))
        assert Order.tries == [1, 1]


async def _reasons(dead_letters: Any, expected: list[str]) -> bool:
    return [letter.reason for letter in await dead_letters.dead()] == expected


class UnreadableError(Exception):
    """Its message raises, and not even an Exception."""

    def __str__(self) -> NoReturn:
        raise SystemExit(4)


class Lazy(pydantic.BaseModel):
    """It cannot be written."""

    number: int = 1

    @pydantic.field_serializer("number")
    def write(self, number: int) -> int:
        raise SystemExit(5)


async def test_errors_results_and_timeouts_that_cannot_be_told_end_their_job_only(valkey_url: str) -> None:
    """An error without a readable message, a result that will not be written, a deadline beyond all dates."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)

    @worker.task
    async def fail() -> None:
        raise UnreadableError

    @worker.task
    async def give() -> object:
        return Lazy()

    @worker.task(timeout=1e15)
    async def wait(context: upnext.Context) -> int:
        return context.deadline.year

    async with running(worker):
        with pytest.raises(upnext.JobFailedError, match="its message cannot be read"):
            await fail.wait()
        with pytest.raises(upnext.ResultTypeError, match="must be something that JSON can carry, got Lazy"):
            await give.wait()
        assert await wait.wait() == 9999


@pytest.fixture(autouse=True)
def shows_nothing_raw(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """What others wrote must not forge lines of a log, nor break whoever writes it."""
    yield
    said = [record.getMessage() for record in caplog.get_records("call")]
    assert [text for text in said if not text.isascii() or not text.isprintable()] == []


JUNK_TICKETS = [
    b"\xff\xfe",
    b"",
    b" ",
    b"\n",
    b"x.0:99999999999999999999:0:0",
    b"a b.0",
    "é.0".encode(),
    b"a.0:1:0:0:1",
]


async def test_bytes_that_are_no_text_become_dead_letters_and_stop_nobody(redis_url: str) -> None:
    """In a queue and among a dead worker's claims, and so do numbers that nothing can count on from."""
    worker, event = giving_back(redis_url)
    async with Redis.from_url(redis_url) as client:
        await client.rpush(PREFIX + "queue:shop|order.placed|handle", *JUNK_TICKETS)
        await client.sadd(PREFIX + "graves", "gone.1000")
        claims = {b"shop|order.placed|handle \xff.0": "1:0:2:1", b"\xff": b"\xff", "": ""}
        await client.hset(PREFIX + "claims:gone.1000", mapping=claims)
        async with running(worker):
            assert await (await event.send(n=1)).results(timeout=20) == {"handle": 1}
            await wait_until_async(lambda: _count(client, "dead", len(JUNK_TICKETS) + 1))
        assert await client.exists(PREFIX + "queue:shop|order.placed|handle") == 0


async def _count(client: Redis, name: str, count: int) -> bool:
    return await client.hlen(PREFIX + name) == count


async def test_junk_wherever_it_can_be_put_stops_no_worker_and_no_command(redis_url: str, command: Command) -> None:
    """Another program's entries are told of, left alone or thrown away; what is ours goes on."""
    worker, event = giving_back(redis_url)
    async with Redis.from_url(redis_url) as client:
        await client.hset(
            PREFIX + "workers", mapping={"junk": "junk", b"\xff": b"\xff", "a.1000": "[]", "b.x": '{"pid":"x"}'}
        )
        await client.zadd(PREFIX + "leases", dict.fromkeys((b"junk", b"\xff", b"x.y", b"x.-5", b""), 0))
        await client.sadd(PREFIX + "graves", "junk", b"\xff", "")
        await client.zadd(
            PREFIX + "later", dict.fromkeys((b"\xff", b"", b" ", b"a b", b"shop|order.placed|handle x:1:x"), 0)
        )
        await client.hset(PREFIX + "dead", mapping={"junk": "junk", b"\xff": "{}", "list": "[]"})
        await client.zadd(PREFIX + "dead:index", {b"junk": 0, b"\xff": 0, b"list": 1, b"gone": 2})
        await client.sadd(PREFIX + "queues", "junk", b"\xff", "", "a|b|c|d")
        await client.hset(PREFIX + "routes", "order.placed", "junk")
        await client.hset(PREFIX + "versions", b"\xff", "")
        await client.rpush(PREFIX + "unrouted:order.placed", "junk", "", b"\xff")
        async with running(worker) as service:
            assert await (await event.options(delay=0.1).send(n=1)).results(timeout=20) == {"handle": 1}
            await wait_until_async(lambda: _gone(client, "leases", 1))
            await wait_until_async(lambda: service.trouble() == "")
            assert await (await event.send(n=2)).results(timeout=20) == {"handle": 2}
    for words in (
        "status",
        "doctor",
        "dead list",
        "dead show junk",
        "dead replay junk list gone",
        "dead purge --all --yes",
    ):
        code, _, err = await asyncio.to_thread(command, *words.split(), url=redis_url)
        assert code in (0, 1), err


async def _gone(client: Redis, name: str, left: int) -> bool:
    return await client.zcard(PREFIX + name) == left


async def test_workers_that_others_have_buried_meanwhile_are_no_surprise(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two die at the same time: while one is taken over here, somebody else takes over the other."""
    expire = Maintenance.expire

    async def expire_both(self: Maintenance, worker_id: str, ends: float) -> bool:
        return all([await expire(self, each, 1.0) for each in ("aa.100", "bb.100")]) and bool(worker_id and ends)

    monkeypatch.setattr(Maintenance, "expire", expire_both)
    worker, event = giving_back(valkey_url)
    async with Redis.from_url(valkey_url) as client, running(worker):
        await client.zadd(PREFIX + "leases", {"aa.100": 1, "bb.100": 1})
        await wait_until_async(lambda: _gone(client, "leases", 1))
        assert await (await event.options(delay=0.1).send(n=1)).results(timeout=20) == {"handle": 1}


@pytest.mark.parametrize("timeout", [math.nan, "1", True])
async def test_a_timeout_that_is_none_is_refused(valkey_url: str, timeout: Any) -> None:
    """Rather than waited for, for ever."""
    _, event = giving_back(valkey_url)
    receipt = await event.send(n=1)
    with pytest.raises(upnext.ConfigError, match="must be seconds, or None to wait for ever"):
        await receipt.results(timeout=timeout)
    with pytest.raises(upnext.ConfigError, match="Option delay="):
        await event.options(delay=10**400).send(n=1)


async def test_waiting_ends_in_time_though_the_server_does_not_answer(valkey_server: Server, valkey_url: str) -> None:
    """Sooner than its connection is given up."""
    _, event = giving_back(valkey_url)
    receipt = await event.send(n=1)
    broker = await reach(load(redis_url=valkey_url))
    valkey_server.pause()
    try:
        given_up = asyncio.create_task(broker.link.command("PING"))
        waiting = asyncio.create_task(receipt.results(timeout=0.1))
        await asyncio.wait([waiting, given_up], return_when=asyncio.FIRST_COMPLETED)
        assert isinstance(waiting.exception(), upnext.ResultTimeoutError)
    finally:
        valkey_server.resume()
    await asyncio.wait([given_up])


async def test_a_result_that_is_not_what_the_task_says_is_refused_without_showing_it(valkey_url: str) -> None:
    """It has run; the error names types only."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def count() -> int:
        wrong: Any = "s3cret"
        return wrong  # type: ignore[no-any-return]

    async with running(worker):
        with pytest.raises(upnext.ResultTypeError) as caught:
            await count.wait()
    assert (caught.value.handler, [problem.actual for problem in caught.value.problems]) == ("count", ["str"])
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert str(caught.value) == "Result of 'count': should be a valid integer, got str."


async def test_nothing_where_a_task_says_that_it_returns_something_is_refused(valkey_url: str) -> None:
    """Also when JSON could not carry what it returned; a task that may return None gives it."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def forget() -> int:
        nothing: Any = None
        return nothing  # type: ignore[no-any-return]

    @worker.task
    async def garble() -> str:
        return "\ud800"

    @worker.task
    async def perhaps() -> int | None:
        return None

    async with running(worker):
        for task in (forget, garble):
            with pytest.raises(upnext.ResultTypeError, match=r"got (NoneType|str)"):
                await task.wait()
        assert await perhaps.wait() is None


async def test_a_task_may_say_that_it_returns_what_pydantic_cannot_read(valkey_url: str) -> None:
    """It is stored and run; its result is what JSON has of it. A collection is read as one, and whole."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    class Plain:
        pass

    @worker.task
    async def plain() -> Plain:
        seven: Any = 7
        return seven  # type: ignore[no-any-return]

    @worker.task
    async def several() -> Iterable[date]:
        return (date(2026, 1, 1),)

    plain.__wrapped__.__annotations__["return"] = Plain
    async with running(worker):
        assert await plain.wait() == 7  # type: ignore[comparison-overlap]
        assert await several.wait() == [date(2026, 1, 1)]
