"""What is provided for a handler: made once a job, closed after it with what it raised, and no field of any payload."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, Self

import pytest

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.provide import overriding

NOTES: list[str] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    NOTES.clear()


def noted(name: str) -> Callable[[BaseException | None], None]:
    def close(error: BaseException | None) -> None:
        NOTES.append(f"close {name}" + (f" {type(error).__name__}" if error else ""))

    NOTES.append(f"open {name}")
    return close


async def settings() -> str:
    noted("settings")
    return "settings"


def engine(config: Annotated[str, upnext.Provide(settings)], size: int = 3) -> Iterator[str]:
    close, error = noted("engine"), None
    try:
        yield f"engine({config}, {size})"
    except BaseException as raised:
        error = raised
        raise
    finally:
        close(error)


async def session(db: Annotated[str, upnext.Provide(engine)], context: upnext.Context) -> AsyncIterator[str]:
    close, error = noted("session"), None
    try:
        yield f"session({db}) of {context.handler}"
    except BaseException as raised:
        error = raised
        raise
    finally:
        close(error)


@contextmanager
def cursor() -> Iterator[str]:
    close = noted("cursor")
    yield f"cursor in {threading.current_thread() is threading.main_thread()}"
    close(None)


@asynccontextmanager
async def lock() -> AsyncIterator[str]:
    close = noted("lock")
    yield "lock"
    close(None)


class Client:
    """A context manager itself."""

    def __init__(self, config: Annotated[str, upnext.Provide(settings)]) -> None:
        self.config = config

    async def __aenter__(self) -> Self:
        self.close = noted("client")
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close(error)


class Connection:
    """A context manager as well, and shared: nobody closes it."""

    def __enter__(self) -> Self:
        raise AssertionError("it is shared")

    def __exit__(self, *error: object) -> None: ...


SHARED = Connection()
Session = Annotated[str, upnext.Provide(session)]
Engine = Annotated[str, upnext.Provide(engine)]


def shared() -> Connection:
    return SHARED


class Numbers:
    def __call__(self, start: int = 5) -> int:
        return start


async def test_every_kind_of_provider_gives_its_value_and_is_closed(valkey_url: str) -> None:
    """The last one first; what several parameters need is made once a job, and nothing of it is a field."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")

    @event.on
    async def confirm(  # noqa: PLR0917  # one of each kind
        order_id: str,
        session: Session,
        db: Engine | None,
        cursor: Annotated[str, "a note", upnext.Provide(cursor)],
        lock: Annotated[str, upnext.Provide(lock)],
        client: Annotated[Client, upnext.Provide(Client)],
        shared: Annotated[Connection, upnext.Provide(shared)],
        number: Annotated[int, upnext.Provide(Numbers())] = 1,
        *,
        other: Annotated[int, upnext.Provide(functools.partial(Numbers(), start=7))] = upnext.PROVIDED,
    ) -> list[Any]:
        return [order_id, session, db, cursor, lock, client.config, shared is SHARED, number, other]

    @event.on
    def archive(session: Session, **kwargs: str) -> list[Any]:
        return [session, kwargs]

    async with running(worker):
        results = await (await event.send(order_id="1")).results()
        with pytest.raises(upnext.PayloadError, match="session"):
            await event.send(order_id="1", session="sent", db="sent")
    assert results["confirm"] == [
        "1",
        "session(engine(settings, 3)) of confirm",
        "engine(settings, 3)",
        "cursor in False",
        "lock",
        "settings",
        True,
        5,
        7,
    ]
    assert results["archive"] == ["session(engine(settings, 3)) of archive", {"order_id": "1"}]
    assert sorted(note for note in NOTES if "session" in note) == ["close session"] * 2 + ["open session"] * 2
    assert NOTES.count("open settings") == 2
    assert [note for note in NOTES if note.startswith("close")].index("close engine") > 0


@pytest.mark.parametrize("is_async", [True, False])
async def test_providers_are_closed_with_what_the_handler_raised(valkey_url: str, is_async: bool) -> None:
    """Each attempt has values of its own; a timeout and a discarded job are seen as well."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    def raise_it(kind: str) -> None:
        if kind == "discard":
            raise upnext.Discard("enough")
        if kind == "fail":
            raise ValueError(kind)

    if is_async:

        @worker.task(name="work", retries=1, retry_delay=0)
        async def work(kind: str, session: Session = upnext.PROVIDED) -> str:
            raise_it(kind)
            return session
    else:

        @worker.task(name="work", retries=1, retry_delay=0)
        def work(kind: str, session: Session = upnext.PROVIDED) -> str:
            raise_it(kind)
            return session

    async with running(worker):
        for kind, error in (("fail", upnext.JobFailedError), ("discard", upnext.JobDiscardedError)):
            NOTES.clear()
            with pytest.raises(error):
                await work.wait(kind=kind)
            name, times = ("ValueError", 2) if kind == "fail" else ("Discard", 1)
            opened = ["open settings", "open engine", "open session"]
            assert [*opened, f"close session {name}", f"close engine {name}"] * times == NOTES
        assert await work.wait(kind="none") == "session(engine(settings, 3)) of work"


async def hanging() -> str:
    await asyncio.Event().wait()
    return ""


Never = Annotated[str, upnext.Provide(hanging)]


async def test_a_timeout_is_seen_by_the_providers(valkey_url: str) -> None:
    """It covers the providers too: one that hangs does not hold the job for ever."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task(timeout=0.5)  # more than opening the session takes on a busy machine
    async def slow(session: Session = upnext.PROVIDED) -> None:
        await asyncio.Event().wait()

    @worker.task(timeout=0.5)
    def stuck(session: Session = upnext.PROVIDED, never: Never = upnext.PROVIDED) -> None:
        NOTES.append("ran")

    async with running(worker):
        for task in (slow, stuck):
            NOTES.clear()
            with pytest.raises(upnext.JobFailedError, match=r"\(timeout\)"):
                await task.wait()
            assert NOTES[-2:] == ["close session TimeoutError", "close engine TimeoutError"]
    assert "ran" not in NOTES


def fails() -> str:
    raise LookupError("no value")


def stops() -> str:
    raise StopIteration


def fails_when_it_is_closed() -> Iterator[str]:
    yield "value"
    raise ConnectionError("not committed")


def swallows() -> Iterator[str]:
    try:
        yield "value"
    except ValueError:
        NOTES.append("swallowed")


def yields_nothing() -> Iterator[str]:
    yield from ()


async def yields_twice() -> AsyncIterator[str]:
    yield "value"
    yield "again"


@contextmanager
def yields_again_after_an_error() -> Iterator[str]:
    try:
        yield "value"
    except ValueError:
        yield "again"


@pytest.mark.parametrize(
    ("provider", "error"),
    [
        (fails, "LookupError: no value"),
        (stops, "StopIteration"),
        (fails_when_it_is_closed, "ConnectionError: not committed"),
        (swallows, "ValueError"),
        (yields_nothing, r"(?s)RuntimeError: generator didn't yield.*'yields_nothing' has to yield once"),
        (yields_twice, r"(?s)RuntimeError: generator didn't stop.*'yields_twice' has to yield once"),
        (yields_again_after_an_error, r"(?s)generator didn't stop.*'yields_again_after_an_error' has to yield once"),
    ],
)
async def test_what_a_provider_raises_is_the_failure_of_the_handler(
    valkey_url: str, provider: Callable[..., Any], error: str
) -> None:
    """It is retried as the options say; what was opened before it is closed."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    runs: list[int] = []
    raised_in = (swallows, yields_again_after_an_error)

    async def work(session: Session, value: str) -> None:
        runs.append(1)
        if provider in raised_in:
            raise ValueError

    work.__annotations__["value"] = Annotated[str, upnext.Provide(provider)]
    task = worker.task(retries=1, retry_delay=0)(work)
    async with running(worker):
        with pytest.raises(upnext.JobFailedError, match=error):
            await task.wait()
    assert NOTES.count("open session") == len([note for note in NOTES if note.startswith("close session")]) == 2
    assert len(runs) == (0 if provider in (fails, stops, yields_nothing) else 2)


class Last:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        NOTES.append("close last")
        await asyncio.create_task(raise_generator_exit())


async def raise_generator_exit() -> None:
    raise GeneratorExit


async def test_a_generator_exit_out_of_an_awaited_task_leaves_no_provider_open(valkey_url: str) -> None:
    """It closes every coroutine that awaits the task: the handler's, and that of a provider that is being closed."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def in_handler(session: Session = upnext.PROVIDED) -> None:
        await asyncio.create_task(raise_generator_exit())

    @worker.task
    async def in_provider(
        session: Session = upnext.PROVIDED,
        last: Annotated[Last, upnext.Provide(Last)] = upnext.PROVIDED,
    ) -> None: ...

    closed = ["close session GeneratorExit", "close engine GeneratorExit"]
    async with running(worker):
        with pytest.raises(upnext.JobFailedError, match="GeneratorExit"):
            await in_handler.wait()
        assert NOTES[-2:] == closed
        NOTES.clear()
        with pytest.raises(upnext.JobFailedError, match="GeneratorExit"):
            await in_provider.wait()
        assert NOTES[-3:] == ["close last", *closed]


ENTERED, RELEASED = threading.Event(), threading.Event()


def slow() -> Iterator[str]:
    ENTERED.set()
    RELEASED.wait(10)
    close = noted("slow")
    try:
        yield "slow"
    finally:
        close(None)


Slow = Annotated[str, upnext.Provide(slow)]


async def test_a_job_that_is_handed_over_closes_what_was_opened(valkey_url: str) -> None:
    """Also what a thread has opened after that."""
    worker = upnext.Worker("shop", redis_url=valkey_url, grace=0.2)
    ENTERED.clear()
    RELEASED.clear()

    @worker.task
    async def work(session: Session = upnext.PROVIDED, value: Slow = upnext.PROVIDED) -> None:
        NOTES.append("ran")

    async with running(worker):
        await work.submit()
        await wait_until_async(ENTERED.is_set)
        asyncio.get_running_loop().call_later(0.4, RELEASED.set)
    assert NOTES[-3:] == ["close slow", "close session CancelledError", "close engine CancelledError"]
    assert "ran" not in NOTES


async def test_a_provider_can_be_overridden(valkey_url: str) -> None:
    """By one of any kind, and back again; what the first needed is not made."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def work(session: Session = upnext.PROVIDED) -> str:
        return session

    def fake(number: Annotated[int, upnext.Provide(Numbers())]) -> Iterator[str]:
        yield f"fake {number}"

    async with running(worker):
        with overriding(session, fake):
            with overriding(fake, settings):
                assert await work.wait() == "fake 5"
            assert await work.wait() == "fake 5"
        assert NOTES == []
        assert await work.wait() == "session(engine(settings, 3)) of work"


def needs_more(order_id: str) -> str:
    return order_id


def first(value: Annotated[str, upnext.Provide(second)]) -> str:
    return value


def second(value: Annotated[str, upnext.Provide(first)]) -> str:
    return value


def unknown(value: Missing) -> str:  # type: ignore[name-defined]  # noqa: F821
    return value


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (needs_more, "Provider 'needs_more' cannot be called: nothing fills its parameter 'order_id'."),
        (first, "Providers need each other in a cycle: first -> second -> first."),
        (unknown, "An annotation of provider 'unknown' cannot be resolved"),
    ],
)
async def test_a_provider_that_cannot_be_called_is_refused_when_its_worker_starts(
    provider: Callable[..., Any], words: str
) -> None:
    """Before any job is taken."""
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")

    async def work(value: str) -> None: ...

    work.__annotations__["value"] = Annotated[str, upnext.Provide(provider)]
    worker.task(work)
    with pytest.raises(upnext.ConfigError, match=words):
        async with running(worker):
            pass


def test_what_cannot_be_called_provides_nothing() -> None:
    """Where it is written."""
    with pytest.raises(upnext.ConfigError, match=r"Provide\(3\) cannot be used: give the function that provides"):
        upnext.Provide(3)  # type: ignore[arg-type]
