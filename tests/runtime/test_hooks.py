"""Hooks take part in sends, jobs, starts, stops and burials, and decide nothing about them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import pytest

import upnext
from tests.runtime.running import ServiceFile, running
from tests.waiting import wait_until, wait_until_async

TRACE: ContextVar[str] = ContextVar("trace", default="")


class Sync(upnext.Hooks):
    """Notes every moment; not async."""

    def __init__(self, name: str = "") -> None:
        self.notes: list[str] = []
        self.name = name

    @contextmanager
    def around_send(self, send: upnext.HookedSend) -> Iterator[None]:
        self.notes.append(f"{self.name}send {send.name} of {send.worker} task={send.is_task} key={send.key}")
        send.headers["trace"] = TRACE.get()
        try:
            yield
        except upnext.UpnextError as error:
            self.notes.append(f"{self.name}not sent: {type(error).__name__}")
            raise
        self.notes.append(f"{self.name}sent {bool(send.event_id)} {send.jobs}")

    @contextmanager
    def around_job(self, job: upnext.HookedJob) -> Iterator[None]:
        token = TRACE.set(job.headers.get("trace", "") + "+job")
        self.notes.append(f"{self.name}job {job.event} {job.handler} {job.attempt} of {job.max_attempts}")
        try:
            yield
        except BaseException as error:
            self.notes.append(f"{self.name}{job.outcome}: {type(error).__name__}")
            raise
        else:
            self.notes.append(f"{self.name}{job.outcome}")
        finally:
            del token

    def worker_started(self, worker: str) -> None:
        self.notes.append(f"{self.name}started {worker}")

    def worker_stopped(self, worker: str) -> None:
        self.notes.append(f"{self.name}stopped {worker}")

    def buried(self, letter: upnext.DeadLetter) -> None:
        self.notes.append(f"{self.name}buried {letter.handler}: {letter.reason} after {letter.attempts}")


class Async(upnext.Hooks):
    """Does the same, async, by way of a hook that is not."""

    def __init__(self) -> None:
        self.inner = Sync()
        self.notes = self.inner.notes

    @asynccontextmanager
    async def around_send(self, send: upnext.HookedSend) -> AsyncIterator[None]:
        with self.inner.around_send(send):
            yield

    @asynccontextmanager
    async def around_job(self, job: upnext.HookedJob) -> AsyncIterator[None]:
        with self.inner.around_job(job):
            yield

    async def worker_started(self, worker: str) -> None:
        self.inner.worker_started(worker)

    async def worker_stopped(self, worker: str) -> None:
        self.inner.worker_stopped(worker)

    async def buried(self, letter: upnext.DeadLetter) -> None:
        self.inner.buried(letter)


@pytest.mark.parametrize("kind", [Sync, Async])
async def test_hooks_are_called_at_every_moment_in_order(valkey_url: str, kind: type[Sync | Async]) -> None:
    """What they set of context variables holds for the handler, and headers travel with the payload."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    worker.add_hooks(hooks := kind())
    worker.add_hooks(hooks)
    event, paid = worker.event("order.placed"), worker.event("order.paid")

    @event.on(retries=1, retry_delay=0)
    async def confirm(order_id: str) -> str:
        if upnext.get_current_context().attempt == 1:
            raise ValueError(order_id)
        await paid.send(order_id=order_id)
        return TRACE.get()

    @paid.on
    def book(order_id: str) -> str:
        hooks.notes.append(f"booked in {TRACE.get()}")
        raise upnext.Discard

    TRACE.set("request")
    async with running(worker):
        receipt = await event.options(key="k").send(order_id="1")
        assert await receipt.results() == {"confirm": "request+job"}
        await wait_until_async(lambda: any("discarded" in note for note in hooks.notes))
    # The second job may start as soon as it is stored: its moments come in any order with those of the sender's end.
    second = ["job order.paid book 1 of 1", "booked in request+job+job", "discarded: Discard"]
    assert [note for note in hooks.notes if note in second] == second
    assert [note for note in hooks.notes if note not in second] == [
        "started shop",
        "send order.placed of shop task=False key=k",
        "sent True 1",
        "job order.placed confirm 1 of 2",
        "failed: ValueError",
        "job order.placed confirm 2 of 2",
        sending := "send order.paid of shop task=False key=None",
        "sent True 1",
        "done",
        "stopped shop",
    ]
    assert hooks.notes.index(sending) < hooks.notes.index(second[0])
    assert hooks.notes[-1] == "stopped shop"


async def test_hooks_of_the_process_are_around_those_of_the_worker(valkey_url: str) -> None:
    """For every worker, and until they are removed."""
    notes: list[str] = []
    outer, inner = Sync("outer "), Sync("inner ")
    outer.notes = inner.notes = notes
    worker = upnext.Worker("shop", redis_url=valkey_url)
    worker.add_hooks(inner)

    @worker.task
    async def add(a: int) -> int:
        return a + 1

    upnext.add_hooks(outer)
    try:
        async with running(worker):
            assert await add.wait(1) == 2
    finally:
        upnext.remove_hooks(outer)
    assert notes[:2] == ["outer started shop", "inner started shop"]
    assert notes[-2:] == ["inner stopped shop", "outer stopped shop"]
    assert notes.index("outer send add of shop task=True key=None") < notes.index(
        "inner send add of shop task=True key=None"
    )
    assert notes.index("inner done") < notes.index("outer done")


class Raising(upnext.Hooks):
    """Raises at every moment, before and after."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        self.error = error

    @contextmanager
    def around_send(self, send: upnext.HookedSend) -> Iterator[None]:
        try:
            yield
        finally:
            raise self.error()

    def around_job(self, job: upnext.HookedJob) -> Any:
        raise self.error()

    async def worker_started(self, worker: str) -> None:
        raise self.error()

    def worker_stopped(self, worker: str) -> None:
        raise self.error()

    async def buried(self, letter: upnext.DeadLetter) -> None:
        raise self.error()


class RaisingAfter(Raising):
    """Raises when it is left, and swallows what the handler raised."""

    @asynccontextmanager
    async def around_job(self, job: upnext.HookedJob) -> AsyncIterator[None]:
        try:
            yield
        finally:
            raise self.error()


class Swallowing(upnext.Hooks):
    """Swallows what the handler, or the send, raised."""

    @contextmanager
    def around_send(self, send: upnext.HookedSend) -> Iterator[None]:
        with suppress(BaseException):
            yield

    around_job: Any = around_send


class Odd(upnext.Hooks):
    """Returns what is not a context manager."""

    def around_send(self, send: upnext.HookedSend) -> Any:
        send.headers = {"count": 3}  # type: ignore[dict-item]
        return "around"

    async def around_job(self, job: upnext.HookedJob) -> Any:  # type: ignore[override]
        return 7


class Cancelling(upnext.Hooks):
    """Cancels the task that runs the job, as a task group does that is left out of order; its sends are in order."""

    timeout = 5.0

    @asynccontextmanager
    async def around_job(self, job: upnext.HookedJob) -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if job.handler == "confirm":
            await asyncio.sleep(0)
        yield


@pytest.mark.parametrize(
    "hooks",
    [
        Raising(ValueError),
        Raising(SystemExit),
        Raising(StopIteration),
        Raising(asyncio.CancelledError),
        RaisingAfter(KeyboardInterrupt),
        RaisingAfter(upnext.Discard),
        RaisingAfter(GeneratorExit),
        Cancelling(),
        Swallowing(),
        Odd(),
    ],
    ids=lambda hooks: f"{type(hooks).__name__} {getattr(hooks, 'error', int).__name__}",
)
async def test_hooks_that_raise_change_nothing_of_sends_and_jobs(
    valkey_url: str, hooks: upnext.Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    """Each job runs as often as it would, and ends as it would; the log says what the hook did."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    worker.add_hooks(hooks)
    event = worker.event("order.placed")
    runs: list[str] = []

    @event.on
    async def confirm(order_id: str) -> str:
        runs.append("confirm")
        return order_id

    @event.on(retries=1, retry_delay=0)
    def fail(order_id: str) -> None:
        runs.append("fail")
        raise LookupError

    async with running(worker):
        receipt = await event.send(order_id="1")
        with pytest.raises(upnext.JobFailedError, match=r"'fail' is a dead letter \(failed\): LookupError"):
            await receipt.results(timeout=10)
        assert await next(job for job in receipt.jobs if job.handler == "confirm").result(timeout=10) == "1"
        with pytest.raises(upnext.PayloadError):
            await event.send(number=1)
    assert sorted(runs) == ["confirm", "fail", "fail"]
    messages = [record.getMessage() for record in caplog.records]
    said = [
        each for each in messages if "was left out" in each or each.startswith("A hook cancelled the task of a job")
    ]
    assert bool(said) is not isinstance(hooks, Swallowing)


class Grouping(upnext.Hooks):
    """Has a task group around the handler, whose task fails and so cancels the job."""

    @asynccontextmanager
    async def around_job(self, job: upnext.HookedJob) -> AsyncIterator[None]:
        self.begun = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fail())
            yield

    def cancel(self) -> None:
        self.begun.set()

    async def _fail(self) -> None:
        await self.begun.wait()
        raise LookupError("no connection")


class Timing(upnext.Hooks):
    """Has a time limit around the handler, and does not say so when it is over."""

    @asynccontextmanager
    async def around_job(self, job: upnext.HookedJob) -> AsyncIterator[None]:
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as self.limit:
                yield

    def cancel(self) -> None:
        self.limit.reschedule(0)


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        (Grouping(), r"'Grouping\.around_job' cancelled.*LookupError: no connection"),
        (Timing(), r"'Timing\.around_job'"),
    ],
    ids=["group", "limit"],
)
async def test_a_job_that_a_hook_cancels_fails_with_the_name_of_the_hook(
    valkey_url: str, hooks: Grouping | Timing, said: str
) -> None:
    """And with what the hook raised, as far as it did; those around it and within it are left all the same."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    outer, inner = Sync("outer "), Sync("inner ")
    for one in (outer, hooks, inner):
        worker.add_hooks(one)

    @worker.task(timeout=10)
    async def work() -> None:
        hooks.cancel()
        await asyncio.Event().wait()

    async with running(worker):
        with pytest.raises(upnext.JobFailedError, match=f"(?s)CancelledError.*{said}"):
            await work.wait()
    assert "outer failed: CancelledError" in outer.notes
    assert "inner failed: CancelledError" in inner.notes


async def test_a_job_that_ends_by_a_generator_exit_out_of_an_awaited_task_leaves_its_hooks(valkey_url: str) -> None:
    """That closes every coroutine which awaits the task, and with them the ones that are around the job."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    worker.add_hooks(outer := Sync("outer "))
    worker.add_hooks(inner := Async())

    async def part() -> None:
        raise GeneratorExit

    @worker.task
    async def work() -> None:
        await asyncio.create_task(part())

    async with running(worker):
        with pytest.raises(upnext.JobFailedError, match="GeneratorExit"):
            await work.wait()
    assert "outer failed: GeneratorExit" in outer.notes
    assert "failed: GeneratorExit" in inner.notes


class Hanging(upnext.Hooks):
    """Never returns from anything; threads end with the test."""

    timeout = 0.05

    def __init__(self) -> None:
        self.over = threading.Event()

    @asynccontextmanager
    async def around_send(self, send: upnext.HookedSend) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    def around_job(self, job: upnext.HookedJob) -> None:
        self.over.wait(30)

    async def worker_started(self, worker: str) -> None:
        await asyncio.Event().wait()

    def buried(self, letter: upnext.DeadLetter) -> None:
        self.over.wait(30)


async def test_hooks_that_hang_are_waited_for_only_so_long(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Those in threads are left out when many hang already: there is no thread for each job."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    worker.add_hooks(hooks := Hanging())
    event = worker.event("order.placed")
    runs: list[int] = []

    @event.on
    async def confirm(number: int) -> None:
        runs.append(number)
        raise ValueError

    async with running(worker):
        receipts = await asyncio.gather(*(event.send(number=number) for number in range(50)))
        for receipt in receipts:
            with pytest.raises(upnext.JobFailedError):
                await receipt.results(timeout=10)
        names = [thread.name for thread in threading.enumerate()]
    hooks.over.set()
    assert sorted(runs) == list(range(50))
    assert names.count("upnext-hook") <= 100
    said = {record.getMessage() for record in caplog.records if "was left out" in record.getMessage()}
    assert any("Hanging.around_job was left out: it took longer than 0.05 s" in line for line in said)
    assert any("Hanging.worker_started" in line for line in said)


async def test_a_worker_that_stops_hands_its_jobs_over_whatever_its_hooks_do(valkey_url: str) -> None:
    """A job that waits in a hook has not run here, and runs elsewhere; one that has ended stays ended."""
    held, runs = asyncio.Event(), list[str]()

    class Slow(upnext.Hooks):
        @asynccontextmanager
        async def around_job(self, job: upnext.HookedJob) -> AsyncIterator[None]:
            if job.handler == "before":
                await held.wait()
            yield
            if job.handler == "after":
                await held.wait()

    first = upnext.Worker("shop", redis_url=valkey_url, grace=0.2)
    first.add_hooks(Slow())

    async def before() -> str:
        runs.append("before")
        return "ran"

    async def after() -> str:
        runs.append("after")
        return "ran"

    tasks = [first.task(function) for function in (before, after)]
    async with running(first):
        jobs = [await task.submit() for task in tasks]
        await wait_until_async(lambda: runs == ["after"])
    assert await jobs[1].result(timeout=10) == "ran"
    second = upnext.Worker("shop", redis_url=valkey_url)
    second.task(before)
    async with running(second):
        assert await jobs[0].result(timeout=10) == "ran"
    assert runs == ["after", "before"]


def test_a_job_that_kills_its_workers_is_told_of_too(valkey_url: str, tmp_path: Any) -> None:
    """By the worker that takes it over last."""
    service = ServiceFile(
        tmp_path,
        valkey_url,
        """
        worker = upnext.Worker("shop")

        class Alarm(upnext.Hooks):
            def buried(self, letter):
                note("buried", letter.handler, letter.reason)

        upnext.add_hooks(Alarm())

        @worker.task
        def die():
            note("died")
            os._exit(9)
        """,
    )
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task(name="die")
    def die() -> None: ...

    die.submit_sync()
    for death in (1, 2, 3):
        with service.process() as process:
            service.ledger.wait_for("died", death)
            process.wait()
    with service.process():
        service.ledger.wait_for("buried die crashed")
    wait_until(lambda: service.ledger.count("died") == 3, 1)


@pytest.mark.parametrize("hooks", [None, "hooks", upnext.Hooks, Sync])
def test_what_are_no_hooks_is_refused(hooks: Any) -> None:
    """Where they are added."""
    with pytest.raises(upnext.ConfigError, match=r"cannot be hooks: give an object of a class that inherits from"):
        upnext.Worker("shop").add_hooks(hooks)
    with pytest.raises(upnext.ConfigError, match="cannot be hooks"):
        upnext.add_hooks(hooks)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), "5", None])
def test_a_timeout_that_bounds_nothing_is_refused(timeout: Any) -> None:
    """A hook could hold a job for ever."""
    hooks = type("Unbounded", (upnext.Hooks,), {"timeout": timeout})()
    with pytest.raises(upnext.ConfigError, match=r"timeout=.* of .* cannot be used: it must be seconds above 0\."):
        upnext.Worker("shop").add_hooks(hooks)
