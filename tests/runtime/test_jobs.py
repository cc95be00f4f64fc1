"""Attempts, retries, timeouts, results and what a job can know of itself."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import functools
import gc
import threading
import time
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest
from pydantic import BaseModel

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async


class Total(BaseModel):
    amount: int


async def test_a_failing_handler_is_retried_and_the_others_are_left_alone(redis_url: str) -> None:
    """It fails twice and then passes; its neighbour runs once."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")
    starts: list[tuple[str, int]] = []

    @event.on(retries=3, retry_delay=0.05)
    async def shaky(order_id: str) -> int:
        attempt = upnext.get_current_context().attempt
        starts.append(("shaky", attempt))
        if attempt < 3:
            raise ValueError(order_id)
        return attempt

    @event.on
    async def steady(order_id: str) -> None:
        starts.append(("steady", upnext.get_current_context().attempt))

    async with running(worker):
        assert await (await event.send(order_id="1")).results(timeout=10) == {"shaky": 3, "steady": None}
    assert sorted(starts) == [("shaky", 1), ("shaky", 2), ("shaky", 3), ("steady", 1)]


async def test_a_handler_that_cancels_its_own_task_has_failed(valkey_url: str) -> None:
    """It is not taken for one that the worker stopped, which would run again for ever."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.event("order.placed").on
    async def handler() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(60)

    async with running(worker):
        with pytest.raises(upnext.JobFailedError) as caught:
            await (await worker.event("order.placed").send()).results(timeout=20)
    assert (caught.value.reason, caught.value.error) == ("failed", "CancelledError")


async def test_what_a_task_raises_that_a_handler_awaits_is_that_jobs_failure(valkey_url: str) -> None:
    """Also where it closes every coroutine that awaits it, as GeneratorExit does."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    async def part() -> None:
        raise GeneratorExit

    @worker.event("order.placed").on(retries=1, retry_delay=0)
    async def handler() -> int:
        if upnext.get_current_context().attempt == 1:
            await asyncio.create_task(part())
        return 1

    async with running(worker):
        assert await (await worker.event("order.placed").send()).results(timeout=10) == {"handler": 1}


async def test_what_a_job_leaves_behind_needs_no_garbage_collection(valkey_url: str) -> None:
    """Its context is gone with it: in a cycle, payloads would pile up between two collections."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    held: contextvars.ContextVar[Total] = contextvars.ContextVar("held")
    left: list[weakref.ref[Total]] = []

    @worker.event("order.placed").on
    async def handler(amount: int) -> None:
        total = Total(amount=amount)
        left.append(weakref.ref(total))
        held.set(total)

    async with running(worker):
        gc.disable()
        try:
            for n in range(3):
                await (await worker.event("order.placed").send(amount=n)).results(timeout=10)
            await wait_until_async(lambda: [total() for total in left] == [None] * 3)
        finally:
            gc.enable()


class OddError(BaseException):
    def __str__(self) -> str:
        raise RuntimeError("no message")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"), asyncio.CancelledError(), TimeoutError("mine"), SystemExit(3), KeyboardInterrupt(),
        GeneratorExit(), ExceptionGroup("many", [ValueError("no")]), StopIteration(), OddError(), MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_whatever_a_handler_raises_is_that_jobs_failure(valkey_url: str, error: BaseException, kind: str) -> None:
    """It is counted, retried and buried; the worker goes on."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")
    attempts: list[int] = []

    if kind == "async":

        @event.on(retries=1, retry_delay=0)
        async def handler(**kwargs: object) -> None:
            attempts.append(upnext.get_current_context().attempt)
            raise error
    else:

        @event.on(name="handler", retries=1, retry_delay=0)
        def in_thread(**kwargs: object) -> None:
            attempts.append(upnext.get_current_context().attempt)
            raise error

    async with running(worker):
        with pytest.raises(upnext.JobFailedError) as caught:
            await (await event.send()).results(timeout=10)
        expected = "RuntimeError" if kind == "async" and isinstance(error, StopIteration) else type(error).__name__
        assert caught.value.error.startswith(expected)
        assert caught.value.reason == "failed"
        with pytest.raises(upnext.JobFailedError):
            await (await event.send()).results(timeout=10)
    assert attempts == [1, 2, 1, 2]


async def test_an_async_handler_past_its_timeout_is_stopped_and_retried(redis_url: str) -> None:
    """Its clean-up runs, and the attempt counts as a failure."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")
    cleaned: list[int] = []

    @event.on(timeout=0.2, retries=1, retry_delay=0)
    async def slow(order_id: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(upnext.get_current_context().attempt)

    async with running(worker):
        with pytest.raises(upnext.JobFailedError) as caught:
            await (await event.send(order_id="1")).results(timeout=10)
    assert caught.value.reason == "timeout"
    assert cleaned == [1, 2]


async def test_a_thread_past_its_timeout_fails_and_keeps_its_slot_until_it_returns(redis_url: str) -> None:
    """A thread cannot be stopped: with one slot, the next job starts only after the first has returned."""
    worker = upnext.Worker("shop", redis_url=redis_url, concurrency=1)
    event = worker.event("order.placed")
    release = threading.Event()
    overlap: list[bool] = []

    @event.on(timeout=0.2)
    def slow(order_id: str) -> None:
        if order_id == "1":
            release.wait(10)
        else:
            overlap.append(not release.is_set())

    async with running(worker):
        first, second = await event.send(order_id="1"), await event.send(order_id="2")
        with pytest.raises(upnext.ResultTimeoutError):
            await second.results(timeout=0.5)
        release.set()
        await second.results(timeout=10)
        with pytest.raises(upnext.JobFailedError, match="timeout"):
            await first.results(timeout=10)
    assert overlap == [False]


async def test_a_thread_that_another_has_ended_takes_no_job_along(valkey_url: str) -> None:
    """Libraries that limit the time of code raise an exception in its thread, and may be too late."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    def job() -> int:
        return threading.get_ident()

    async with running(worker):
        thread = await (await job.submit()).result(timeout=20)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(SystemExit))
        assert await (await job.submit()).result(timeout=20)


async def test_two_hundred_interleaved_jobs_each_see_their_own_context(redis_url: str) -> None:
    """Async or in threads, before and after waiting."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")

    @event.on
    async def coroutine(n: int) -> bool:
        before = upnext.get_current_context().event_id
        await asyncio.sleep(0)
        return before == upnext.get_current_context().event_id

    @event.on
    def thread(n: int) -> str:
        time.sleep(0)
        return upnext.get_current_context().event_id

    async with running(worker):
        receipts = await asyncio.gather(*(event.send(n=n) for n in range(200)))
        for receipt in receipts:
            assert await receipt.results(timeout=20) == {"coroutine": True, "thread": receipt.event_id}


async def test_tasks_are_submitted_and_waited_for_with_typed_results(redis_url: str) -> None:
    """Positional and keyword arguments, defaults, models as results, sync and async."""
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.task
    async def add(a: int, b: int = 2) -> Total:
        return Total(amount=a + b)

    @worker.task(retries=1, retry_delay=0, name="twice")
    def double(context: upnext.Context, text: str) -> str:
        if context.attempt == 1:
            raise ValueError(text)
        return text * 2

    async with running(worker):
        assert await add.wait(1, b=5) == Total(amount=6)
        job = await add.submit(a=1)
        assert await job.result(timeout=10) == Total(amount=3)
        assert await double.wait("ab") == "abab"
        assert await asyncio.to_thread(add.wait_sync, 4) == Total(amount=6)
        later = await add.options(delay=0.3, key="k").submit(1)
        assert (await add.options(key="k").submit(1)).id == later.id
        assert await later.result(timeout=10) == Total(amount=3)
    assert await add(1) == Total(amount=3)
    with pytest.raises(upnext.PayloadError, match="field 'a' should be a valid integer, got str"):
        await add.submit("1")  # type: ignore[arg-type]


async def test_a_result_that_json_cannot_carry_does_not_run_the_job_again(redis_url: str) -> None:
    """The work is done; only the result is not kept, and a caller that waits for it is told so."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    runs: list[int] = []

    @worker.task(retries=3, retry_delay=0)
    async def odd() -> object:
        runs.append(1)
        return object()

    async with running(worker):
        with pytest.raises(upnext.ResultTypeError, match="must be something that JSON can carry, got object"):
            await odd.wait()
    assert runs == [1]


async def test_waiting_for_a_result_ends_in_time(redis_url: str) -> None:
    """The job goes on, and can be asked again."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    release = asyncio.Event()

    @worker.task
    async def slow() -> str:
        await release.wait()
        return "done"

    async with running(worker):
        job = await slow.submit()
        with pytest.raises(TimeoutError):
            await job.result(timeout=0.2)
        release.set()
        assert await job.result(timeout=10) == "done"


async def test_a_handler_can_send_its_own_event_again(redis_url: str) -> None:
    """A chain of sends from inside handlers ends when the handler says so."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("countdown")
    done = asyncio.Event()

    @event.on
    async def step(left: int) -> None:
        if left:
            await event.send(left=left - 1)
        else:
            done.set()

    async with running(worker):
        await event.send(left=20)
        await asyncio.wait_for(done.wait(), 20)


async def test_a_backlog_of_instant_jobs_is_drained_without_a_pause(redis_url: str) -> None:
    """Handlers that are faster than the server can be told never leave the worker waiting for a sign of itself."""
    worker = upnext.Worker("shop", redis_url=redis_url, concurrency=4)
    event = worker.event("order.placed")
    numbers: set[int] = set()
    done = asyncio.Event()

    @event.on
    async def handle(n: int) -> None:
        numbers.add(n)
        if len(numbers) == 1500:
            done.set()

    await asyncio.gather(*(event.send(n=n) for n in range(1500)))
    async with running(worker):
        await asyncio.wait_for(done.wait(), 60)


def traced(function: Any) -> Any:
    """Wrap a function of either kind in a plain one, as many decorators do."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


async def test_functions_under_other_decorators_run_to_their_end(redis_url: str) -> None:
    """A coroutine that a plain wrapper returns is awaited; static methods are functions; timeouts hold for all."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")

    @event.on
    @traced
    async def wrapped(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    @event.on
    @traced
    def in_thread(n: int) -> int:
        return n + 2

    @event.on
    def returns_a_coroutine(n: int) -> Coroutine[Any, Any, int]:
        async def later() -> int:
            return n + 3

        return later()

    class Handlers:
        @event.on
        @staticmethod
        async def inner(n: int) -> int:
            return n + 4

        @staticmethod
        @event.on
        async def outer(n: int) -> int:
            return n + 5

    @event.on(timeout=0.2)
    @traced
    async def slow(n: int) -> None:
        await asyncio.Event().wait()

    async with running(worker):
        receipt = await event.send(n=0)
        with pytest.raises(upnext.JobFailedError, match="timeout"):
            await receipt.results(timeout=10)
        jobs = {job.handler: job for job in receipt.jobs if job.handler != "slow"}
        results = {name: await job.result(timeout=10) for name, job in jobs.items()}
    assert results == {"wrapped": 1, "in_thread": 2, "returns_a_coroutine": 3, "inner": 4, "outer": 5}
    assert await Handlers.outer(n=0) == 5


async def test_a_job_of_an_idle_handler_does_not_wait_for_the_backlogs_of_many_others(redis_url: str) -> None:
    """Whoever was left out of a claim comes first in the next."""
    worker = upnext.Worker("shop", redis_url=redis_url, concurrency=4)
    order: list[int] = []

    def attach(number: int) -> upnext.Event:
        event = worker.event(f"order.{number}")

        @event.on(name=f"handle_{number}")
        async def handle(n: int) -> None:
            order.append(number)

        return event

    events = [attach(number) for number in range(100)]
    async with running(worker):
        pass  # it only subscribes
    for event in events[:-1]:
        await asyncio.gather(*(event.send(n=n) for n in range(10)))
    last = await events[-1].send(n=0)
    async with running(worker):
        await last.results(timeout=30)
    assert order.index(99) < 300
