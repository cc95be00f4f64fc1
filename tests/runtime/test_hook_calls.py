"""What hooks may do to the tasks, threads and lists that they are called in: nothing of it lasts."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType

import pytest

import upnext
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
    event = upnext.Worker("shop", redis_url=valkey_url).event("first")
    seen: set[int] = set()
    for _ in range(5):
        made = [Failing() for _ in range(1000)]
        hooks = next((each for each in made if id(each) in seen), made[0])
        seen.add(id(hooks))
        del made
        upnext.add_hooks(hooks)
        await event.send()
        await event.send()
        upnext.remove_hooks(hooks)
        del hooks
        said = [record.getMessage() for record in caplog.records]
        assert said == ["Hook Failing.around_send was left out: it raised ValueError"], "once for each"
        caplog.records[0].exc_info = None  # its frames hold the hooks
        caplog.clear()
        gc.collect()
    assert len(seen) < 5, "one had the id of another"
