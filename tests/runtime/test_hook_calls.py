"""What hooks may do to the tasks, threads and lists that they are called in: nothing of it lasts."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType

import pytest

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async


class Slow(upnext.Hooks):
    """Is not left before it is cancelled, and notes what it is around."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.leaving = asyncio.Event()

    @asynccontextmanager
    async def around_send(self, send: upnext.HookedSend) -> AsyncIterator[None]:
        self.notes.append(send.name)
        yield
        self.leaving.set()
        if len(self.notes) == 1:
            await asyncio.Event().wait()


async def test_a_send_that_is_cancelled_while_its_hooks_are_left_hides_no_later_one_from_them(valkey_url: str) -> None:
    """As `asyncio.timeout` around a send does it, in a task that goes on."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    worker.add_hooks(hooks := Slow())

    async def send() -> None:
        with suppress(asyncio.CancelledError):
            await worker.event("first").send()
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        await worker.event("second").send()

    task = asyncio.create_task(send())
    await hooks.leaving.wait()
    task.cancel()
    await task
    assert hooks.notes == ["first", "second"]


class Locked:
    """A lock that is only had long after it was asked for."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.notes: list[str] = []

    def __enter__(self) -> None:
        self.free.wait(30)
        self.notes.append("entered")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.notes.append(f"left after {error!r}")


async def test_a_hook_that_is_entered_after_its_time_is_left_at_once(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What it opened would stay open, such as a lock or a session: nobody knows of it any more."""
    locked = Locked()

    class Late(upnext.Hooks):
        timeout = 0.05

        def around_send(self, send: upnext.HookedSend, /) -> Locked:
            return locked

    worker = upnext.Worker("shop", redis_url=valkey_url)
    worker.add_hooks(Late())
    await worker.event("first").send()
    assert "Late.around_send was left out: it took longer than 0.05 s" in caplog.text
    assert locked.notes == []
    locked.free.set()
    await wait_until_async(lambda: len(locked.notes) == 2)
    assert locked.notes == ["entered", "left after TimeoutError('it was entered too late, and is left out')"]


@dataclass
class Tenant(upnext.Hooks):
    """Hooks that equal each other, and cannot be hashed."""

    name: str
    notes: list[str] = field(default_factory=list[str], compare=False)

    @contextmanager
    def around_send(self, send: upnext.HookedSend) -> Iterator[None]:
        self.notes.append(send.name)
        yield


async def test_hooks_that_equal_others_are_hooks_of_their_own(valkey_url: str) -> None:
    worker = upnext.Worker("shop", redis_url=valkey_url)
    one, other = Tenant("a"), Tenant("a")
    worker.add_hooks(one, other)
    worker.add_hooks(one)
    await worker.event("first").send()
    assert (one.notes, other.notes) == (["first"], ["first"])


class Failing(upnext.Hooks):
    """Cannot be entered."""

    def around_send(self, send: upnext.HookedSend, /) -> None:
        raise ValueError


async def test_each_hook_that_fails_is_logged_though_it_may_have_the_id_of_one_that_is_gone(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def work() -> None: ...

    seen: set[int] = set()
    for _ in range(5):
        made = [Failing() for _ in range(1000)]
        hooks = next((each for each in made if id(each) in seen), made[0])
        seen.add(id(hooks))
        del made
        upnext.add_hooks(hooks)
        await work.submit()
        await work.submit()
        upnext.remove_hooks(hooks)
        del hooks
        said = [record.getMessage() for record in caplog.records]
        assert said == ["Hook Failing.around_send was left out: it raised ValueError"], "once for each"
        caplog.records[0].exc_info = None  # its frames hold the hooks
        caplog.clear()
        gc.collect()
    assert len(seen) < 5, "one had the id of another"


TENANT: ContextVar[str] = ContextVar("TENANT", default="nobody")
UNSET: ContextVar[str] = ContextVar("UNSET")


class Reset:
    """Sets variables as it is entered, and resets them as it is left, which takes the context that they were set in."""

    def __init__(self, value: str, notes: list[str]) -> None:
        self.value = value
        self.notes = notes

    def __enter__(self) -> None:
        self.tokens = TENANT.set(self.value), UNSET.set(self.value)

    def __exit__(self, *error: object) -> None:
        TENANT.reset(self.tokens[0])
        UNSET.reset(self.tokens[1])
        self.notes.append(f"left {self.value}")


class Tenants(upnext.Hooks):
    def __init__(self) -> None:
        self.notes: list[str] = []

    @contextmanager
    def around_send(self, send: upnext.HookedSend) -> Iterator[None]:
        with Reset("of the send", self.notes):
            yield

    def around_job(self, job: upnext.HookedJob) -> Reset:
        return Reset("of the job", self.notes)


async def test_a_hook_resets_what_it_has_set_for_the_sender_and_for_the_handler(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = upnext.Worker("shop", redis_url=valkey_url)
    worker.add_hooks(hooks := Tenants())

    @worker.task
    async def work() -> list[str]:
        return [TENANT.get(), UNSET.get("unset")]

    @worker.task
    def work_in_a_thread() -> list[str]:
        return [TENANT.get(), UNSET.get("unset")]

    async with running(worker):
        for token, sender in ((TENANT.set("acme"), "acme"), (None, "nobody")):
            for task in (work, work_in_a_thread):
                hooks.notes.clear()
                assert await task.options(wait=20).wait() == ["of the job", "of the job"]
                assert [TENANT.get(), UNSET.get("unset")] == [sender, "unset"]
                await wait_until_async(lambda: len(hooks.notes) == 2)
                assert sorted(hooks.notes) == ["left of the job", "left of the send"]
            if token is not None:
                TENANT.reset(token)
    assert "around_" not in caplog.text


async def test_a_hook_that_fails_as_it_is_left_was_not_left_out(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Fails(upnext.Hooks):
        @contextmanager
        def around_send(self, send: upnext.HookedSend) -> Iterator[None]:
            token = TENANT.set("of the send")
            yield
            TENANT.reset(token)
            raise ValueError

    worker = upnext.Worker("shop", redis_url=valkey_url)
    worker.add_hooks(Fails())
    await worker.event("order.placed").send()
    assert "Hook Fails.around_send failed as it was left: it raised ValueError" in caplog.text
    assert TENANT.get() == "nobody"
