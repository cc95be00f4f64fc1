"""What is not async of one attempt runs in one thread and in one context: its providers, its handler, their ends."""

import asyncio
import ctypes
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Annotated, Any

import pytest

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.transport import use_transport
from upnext_pytest.sends import Sends

AT_ONCE = 8
LOCAL = threading.local()
TENANT: ContextVar[str] = ContextVar("TENANT", default="nobody")
ENDS: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ENDS.clear()


def session() -> Iterator[list[int]]:
    """Keep something for the thread, as Django does with transactions."""
    LOCAL.session = []
    yield LOCAL.session
    ENDS.append(getattr(LOCAL, "session", None))
    del LOCAL.session


def database(context: upnext.Context) -> Iterator[sqlite3.Connection]:
    """Give a connection that refuses all other threads."""
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()


def cursor(connection: Annotated[sqlite3.Connection, upnext.Provide(database)]) -> sqlite3.Cursor:
    return connection.cursor()


Session = Annotated[list[int], upnext.Provide(session)]
Cursor = Annotated[sqlite3.Cursor, upnext.Provide(cursor)]


async def test_a_handler_runs_where_its_providers_were_opened_and_are_closed(redis_url: str) -> None:
    worker = upnext.Worker("shop", redis_url=redis_url)
    together = threading.Barrier(AT_ONCE)

    @worker.task
    def work(n: int, session: Session = upnext.PROVIDED, cursor: Cursor = upnext.PROVIDED) -> bool:
        together.wait(20)
        session.append(n)
        cursor.execute("select 1")
        return getattr(LOCAL, "session", None) is session

    async with running(worker):
        jobs = [await work.submit(n=n) for n in range(AT_ONCE)]
        assert await asyncio.gather(*(job.result(timeout=30) for job in jobs)) == [True] * AT_ONCE
    assert sorted(ENDS) == [[n] for n in range(AT_ONCE)]


async def test_providers_of_an_async_handler_are_closed_where_they_were_opened(valkey_url: str) -> None:
    worker = upnext.Worker("shop", redis_url=valkey_url)
    together = asyncio.Barrier(AT_ONCE)

    @worker.task
    async def work(session: Session = upnext.PROVIDED, cursor: Cursor = upnext.PROVIDED) -> str:
        async with asyncio.timeout(20):
            await together.wait()
        return "done"

    async with running(worker):
        jobs = [await work.submit() for _ in range(AT_ONCE)]
        assert await asyncio.gather(*(job.result(timeout=30) for job in jobs)) == ["done"] * AT_ONCE
    assert ENDS == [[]] * AT_ONCE


async def test_a_thread_is_given_back_after_each_attempt(valkey_url: str) -> None:
    """Whether it ended well, failed, or its provider did: there are few threads, and each is used again."""
    worker = upnext.Worker("shop", redis_url=valkey_url, concurrency=2)
    threads: set[int] = set()

    def counted(context: upnext.Context) -> Iterator[int]:
        threads.add(threading.get_ident())
        yield context.attempt
        if context.attempt == 3:
            raise ValueError("as it is closed")

    @worker.task(retries=3, retry_delay=0)
    def work(n: int, attempt: Annotated[int, upnext.Provide(counted)] = upnext.PROVIDED) -> int:
        if attempt < 3:
            raise ValueError(n)
        return attempt

    async with running(worker):
        jobs = [await work.submit(n=n) for n in range(10)]
        assert await asyncio.gather(*(job.result(timeout=60) for job in jobs)) == [4] * 10
        alive = [thread for thread in threading.enumerate() if thread.name.startswith("upnext-handler-shop")]
    assert len(threads) <= len(alive) < 10


class Tenant:
    """Sets a variable as it is entered, and resets it as it is left: in the same context, or it is an error."""

    def __enter__(self) -> str:
        self.token = TENANT.set("acme")
        return "acme"

    def __exit__(self, *error: object) -> None:
        ENDS.append(TENANT.get())
        TENANT.reset(self.token)


def tenant() -> Iterator[str]:
    with Tenant() as name:
        yield name


PROVIDERS = {"generator": tenant, "class": Tenant, "decorated": contextmanager(tenant)}


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize("is_async", [True, False])
async def test_what_a_provider_sets_is_seen_by_the_handler_and_can_be_reset(
    valkey_url: str, kind: str, is_async: bool
) -> None:
    worker = upnext.Worker("shop", redis_url=valkey_url)
    provide = upnext.Provide(PROVIDERS[kind])

    async def after() -> Any:
        yield None
        ENDS.append(TENANT.get())

    def see(name: str) -> str:
        seen = TENANT.get()
        if not is_async:
            TENANT.set(f"{name} of the handler")
        return seen

    async def work_async(
        closed_last: Annotated[None, upnext.Provide(after)] = upnext.PROVIDED,
        name: Annotated[str, provide] = upnext.PROVIDED,
    ) -> str:
        return see(name)

    def work(
        closed_last: Annotated[None, upnext.Provide(after)] = upnext.PROVIDED,
        name: Annotated[str, provide] = upnext.PROVIDED,
    ) -> str:
        return see(name)

    task = worker.task(name="work")(work_async if is_async else work)
    async with running(worker):
        assert await task.options(wait=20).wait() == "acme"
    assert ["acme" if is_async else "acme of the handler", "nobody"] == ENDS

    ENDS.clear()
    sends = Sends()
    with use_transport(sends):
        job = await task.submit()
        await sends.run()
        assert await job.result() == "acme"
    assert ["acme" if is_async else "acme of the handler", "nobody"] == ENDS


async def test_an_exception_that_is_thrown_into_a_lent_thread_stops_nothing(valkey_url: str) -> None:
    """Libraries that limit the time of code throw it, now and then too late: the provider is closed all the same."""
    worker = upnext.Worker("shop", redis_url=valkey_url, concurrency=1)

    def opened() -> Iterator[int]:
        yield threading.get_ident()
        ENDS.append(threading.get_ident())

    @worker.task
    async def work(thread: Annotated[int, upnext.Provide(opened)] = upnext.PROVIDED) -> int:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(SystemExit))
        return thread

    async with running(worker):
        threads = [await work.options(wait=30).wait() for _ in range(3)]
    assert threads == ENDS


class Watching(upnext.Hooks):
    """Notes what is set around each job and each burial, which may be what the buried job has set."""

    def __init__(self, seen: set[str]) -> None:
        self.seen = seen

    @contextmanager
    def around_job(self, job: upnext.HookedJob) -> Iterator[None]:
        self.seen.add(TENANT.get())
        yield

    def buried(self, letter: upnext.DeadLetter) -> None:
        self.seen.add("nobody" if TENANT.get() == letter.job_id else TENANT.get())


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_no_job_has_what_another_one_has_set(valkey_url: str, concurrency: int) -> None:
    """Nor have hooks of another one: whatever its handler is, however it ends, and whatever it sends meanwhile."""
    worker = upnext.Worker("shop", redis_url=valkey_url, concurrency=concurrency)
    placed, followed = worker.event("order.placed"), worker.event("order.followed")
    seen, ends = set[str](), list[int]()
    worker.add_hooks(Watching(seen))

    def begin(n: int) -> None:
        seen.add(TENANT.get())
        TENANT.set(upnext.get_current_context().job_id)
        if n % 3 == 0:
            raise ValueError(n)
        if n % 3 == 1:
            raise upnext.Discard

    def tenant_of_all() -> Iterator[str]:
        seen.add(TENANT.get())
        TENANT.set("of a provider")
        yield TENANT.get()

    @placed.on(retries=1, retry_delay=0)
    def plain(n: int) -> None:
        followed.send_sync(n=n)
        begin(n)

    @placed.on(retries=1, retry_delay=0)
    async def awaited(n: int) -> None:
        await followed.send(n=n)
        begin(n)

    @placed.on
    def provided(n: int, tenant: Annotated[str, upnext.Provide(tenant_of_all)]) -> None:
        assert TENANT.get() == tenant

    @followed.on(retries=0)
    def last(n: int) -> None:
        ends.append(n)
        begin(n)

    async with running(worker):
        receipts = [await placed.send(n=n) for n in range(12)]
        for receipt in receipts:
            with suppress(upnext.JobFailedError, upnext.JobDiscardedError):
                await receipt.results(timeout=30)
        await wait_until_async(lambda: len(ends) == 32)  # one for each attempt
    assert seen == {"nobody"}
