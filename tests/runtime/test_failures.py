"""What a failure leaves behind: one outcome whatever was raised, a log record, a dead letter with its traceback."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.claims import DeadLetter
from upnext.failure_report import report

HERE = Path(__file__).name


class NoMessageError(Exception):
    def __str__(self) -> str:
        raise SystemExit("no message")


class LyingError(Exception):
    @property
    def __traceback__(self) -> None:  # type: ignore[override]
        raise LookupError("no traceback")

    @property
    def __cause__(self) -> None:  # type: ignore[override]
        raise KeyboardInterrupt

    @property
    def __context__(self) -> None:  # type: ignore[override]
        raise LookupError

    @property
    def __notes__(self) -> list[str]:
        raise LookupError

    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise LookupError("no class")


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise LookupError("no name")

    def __repr__(cls) -> str:
        raise LookupError("no repr")


class NamelessError(Exception, metaclass=Nameless):
    pass


class OddText(str):
    __slots__ = ()

    def __getitem__(self, key: object) -> str:
        raise LookupError

    def __format__(self, spec: str) -> str:
        raise LookupError


class OddTextError(Exception):
    def __str__(self) -> str:
        return OddText("odd")


def cyclic() -> BaseException:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def deep() -> BaseException:
    error: Exception = ValueError("leaf")
    for _ in range(5000):
        error = ExceptionGroup("level", [error])
    return error


def wide() -> BaseException:
    return ExceptionGroup("wide", [ValueError("x" * 1000) for _ in range(20_000)])


def noted() -> BaseException:
    error = ValueError("bad row")
    error.__notes__ = [object(), "n" * 1_000_000, *map(str, range(10_000))]  # type: ignore[list-item]
    return error


def with_notes_that_are_none() -> BaseException:
    error = ValueError("bad row")
    error.__notes__ = 7  # type: ignore[assignment]
    return error


ODD: dict[str, Callable[[], BaseException]] = {
    "no message": NoMessageError,
    "lying": LyingError,
    "nameless": NamelessError,
    "odd text": OddTextError,
    "huge": lambda: ValueError("x" * 50_000_000),
    "surrogates": lambda: ValueError("\ud800\x00"),
    "cyclic": cyclic,
    "deep": deep,
    "wide": wide,
    "noted": noted,
    "notes that are none": with_notes_that_are_none,
    "group of base exceptions": lambda: BaseExceptionGroup("many", [SystemExit(3), asyncio.CancelledError()]),
    "recursion": RecursionError,
    "memory": MemoryError,
}


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
async def test_whatever_an_exception_does_its_job_is_retried_and_buried(
    valkey_url: str, make: Callable[[], BaseException], kind: str
) -> None:
    """Its attributes may raise, lie, be huge or go round in cycles."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")

    if kind == "async":

        @event.on(name="handler", retries=1, retry_delay=0)
        async def handler() -> None:
            raise make()
    else:

        @event.on(name="handler", retries=1, retry_delay=0)
        def in_thread() -> None:
            raise make()

    async with running(worker), Redis.from_url(valkey_url) as client:
        receipt = await event.send()
        with pytest.raises(upnext.JobFailedError) as caught:
            await receipt.results(timeout=60)
        letter = DeadLetter.from_json(await client.hget("upnext:{default:0}:dead", receipt.jobs[0].id))
    assert caught.value.reason == "failed"
    assert len(letter.error) <= 2000
    assert len(letter.traceback) <= 6000
    assert f'{HERE}", line' in letter.traceback or kind == "sync"


async def test_a_failing_job_ends_although_the_working_directory_is_gone(
    valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment removed the old release's folder, or a handler left its temporary one."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")

    @event.on(retries=1, retry_delay=0)
    async def handler() -> None:
        raise ValueError("bad file")

    async with running(worker):
        with pytest.raises(upnext.JobFailedError, match="bad file"):
            await (await event.send()).results(timeout=20)


async def fetch(number: int) -> None:
    raise ConnectionResetError(f"page {number}: the peer hung up")


async def in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(2):
            group.create_task(fetch(number))


async def with_a_cause() -> None:
    try:
        await fetch(7)
    except OSError as error:
        raise RuntimeError("cannot go on") from error


async def with_a_note() -> None:
    error = ValueError("bad row")
    error.add_note("in line 42 of orders.csv")
    raise error


async def in_a_library() -> None:
    json.loads("not json")


@pytest.mark.parametrize(
    ("function", "type_name", "messages"),
    [
        (in_a_group, "ExceptionGroup", ["page 0: the peer hung up", "page 1: the peer hung up"]),
        (with_a_cause, "RuntimeError", ["cannot go on", "page 7: the peer hung up"]),
        (with_a_note, "ValueError", ["bad row", "in line 42 of orders.csv"]),
        (in_a_library, "JSONDecodeError", ["Expecting value"]),
    ],
)
async def test_the_reason_of_a_failure_is_logged_and_kept(
    valkey_url: str,
    caplog: pytest.LogCaptureFixture,
    function: Callable[..., None],
    type_name: str,
    messages: list[str],
) -> None:
    """Members, causes and notes; the line names the user's own code, not the library's; fields are for machines."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")
    event.on(retries=1, retry_delay=0)(function)
    caplog.set_level(logging.WARNING, "upnext")
    async with running(worker), Redis.from_url(valkey_url) as client:
        receipt = await event.send()
        with pytest.raises(upnext.JobFailedError) as caught:
            await receipt.results(timeout=20)
        letter = DeadLetter.from_json(await client.hget("upnext:{default:0}:dead", receipt.jobs[0].id))
    retrying, dead = (record for record in caplog.records if hasattr(record, "job_id"))
    assert (retrying.levelname, dead.levelname) == ("WARNING", "ERROR")
    for record, attempt in ((retrying, 1), (dead, 2)):
        fields = ("job_id", "event_id", "event", "handler", "attempt", "max_attempts", "reason")
        assert [getattr(record, name) for name in fields] == [
            receipt.jobs[0].id, receipt.event_id, "order.placed", function.__name__, attempt, 2, "failed",
        ]  # fmt: skip
        assert record.exc_info is not None
        assert record.exc_info[0] is not None
        assert record.exc_info[0].__name__ == type_name
        assert record.exc_info[2] is not None
        assert all(message in (record.exc_text or "") for message in messages)
        line = record.getMessage()
        assert f"{type_name} at " in line
        assert f"{HERE}:" in line
        assert not any(message in line for message in messages)
    assert all(message in caught.value.error for message in messages)
    assert f'{HERE}", line' in letter.traceback
    assert f", in {function.__name__}" in letter.traceback
    values = ("the peer hung up\n", "line 42", "Expecting value: line")
    assert not any(message in letter.traceback for message in values)


async def test_a_job_that_waits_for_its_retry_shows_why_it_failed(redis_url: str) -> None:
    """The failure expires; its traceback is stored once, however many jobs failed alike."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.awaited")

    @event.on(retries=1, retry_delay=3000)
    async def handler(n: int) -> None:
        raise ValueError(f"no {n}")

    async with running(worker), Redis.from_url(redis_url) as client:
        receipts = [await event.send(n=n) for n in range(5)]
        await wait_until_async(lambda: _delayed(client, 5))
        kept = [await client.get(f"upnext:{{default:0}}:failure:{receipt.jobs[0].id}") for receipt in receipts]
        tracebacks = await client.keys("*:traceback:*")
        assert [json.loads(text)["error"] for text in kept] == [f"ValueError: no {n}" for n in range(5)]
        assert {json.loads(text)["attempt"] for text in kept} == {1}
        assert len(tracebacks) == 1
        assert b'raise ValueError(f"no {n}")' in await client.get(tracebacks[0])
        for key in (*tracebacks, f"upnext:{{default:0}}:failure:{receipts[0].jobs[0].id}"):
            assert 3000 < await client.ttl(key) <= 4000 + 24 * 3600


async def _delayed(client: Redis, count: int) -> bool:
    return await client.zcard("upnext:{default:0}:later") == count


async def test_a_timeout_says_where_the_handler_was(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """In the event loop and in a thread alike."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")
    release = asyncio.Event()

    @event.on(timeout=0.2)
    async def waits() -> None:
        await release.wait()  # here it waits

    async with running(worker), Redis.from_url(valkey_url) as client:
        receipt = await event.send()
        with pytest.raises(upnext.JobFailedError):
            await receipt.results(timeout=20)
        letter = DeadLetter.from_json(await client.hget("upnext:{default:0}:dead", receipt.jobs[0].id))
    assert letter.reason == "timeout"
    assert "here it waits" in letter.traceback
    assert letter.error == "it took longer than 0.2 s"


def test_a_deep_recursion_is_reported_in_short() -> None:
    """The first frames and the last, and how many there are between."""

    def go(n: int) -> None:
        if n:
            go(n - 1)
        raise ValueError("bottom")

    try:
        go(500)
    except ValueError as error:
        text = report(error).traceback
    assert "more frames" in text
    assert len(text) <= 6000


def test_code_that_is_installed_as_a_package_is_the_users_too(tmp_path: Path) -> None:
    """Its handlers' frames are named, and not those of other packages."""
    packages = tmp_path / "site-packages"
    names: dict[str, dict[str, Callable[..., None]]] = {}
    for name, source in {
        "shop": "def handler(fail):\n    fail()\n",
        "library": "def fail():\n    raise ValueError('no')\n",
    }.items():
        folder = packages / name
        folder.mkdir(parents=True)
        (folder / "code.py").write_text(source)
        scope: dict[str, Callable[..., None]] = {}
        exec(compile(source, str(folder / "code.py"), "exec"), scope)
        names[name] = scope
    with pytest.raises(ValueError, match="no") as caught:
        names["shop"]["handler"](names["library"]["fail"])
    caught.value.__traceback__ = caught.value.__traceback__.tb_next if caught.value.__traceback__ else None
    assert report(caught.value, names["shop"]["handler"]).where.endswith(str(Path("shop", "code.py")) + ":2")
