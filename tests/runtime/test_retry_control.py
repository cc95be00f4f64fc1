"""What handlers say of retries: by the exceptions that they name, and by raising `RetryLater` and `Discard`."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import upnext
from tests.runtime.running import running

ENDED = "ended"


class DeclinedError(Exception):
    pass


class Odd(type):
    def __subclasscheck__(cls, subclass: type) -> bool:
        return True


class OddError(Exception, metaclass=Odd):
    pass


async def attempts_of(valkey_url: str, raised: Callable[[], BaseException], **options: Any) -> int:
    """Run a task that always raises, and return how often it was started."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    starts: list[int] = []

    @worker.task(retries=2, retry_delay=0.0, **options)
    async def fail() -> None:
        starts.append(1)
        raise raised()

    async with running(worker):
        with pytest.raises(upnext.JobFailedError):
            await fail.wait()
    return len(starts)


@pytest.mark.parametrize(
    ("options", "raised", "attempts"),
    [
        ({"retry_on": ConnectionError}, ConnectionResetError, 3),
        ({"retry_on": ConnectionError}, ValueError, 1),
        ({"retry_on": (ConnectionError, TimeoutError)}, TimeoutError, 3),
        ({"retry_on": ()}, ValueError, 1),
        ({"give_up_on": DeclinedError}, DeclinedError, 1),
        ({"give_up_on": DeclinedError}, ValueError, 3),
        ({"retry_on": OSError, "give_up_on": ConnectionRefusedError}, ConnectionRefusedError, 1),
        ({"retry_on": OSError, "give_up_on": ConnectionRefusedError}, ConnectionResetError, 3),
        ({"retry_on": OddError}, OddError, 3),
        ({"retry_on": OddError}, ValueError, 1),
        ({"retry_on": OSError}, lambda: ExceptionGroup("both", [OSError(), TimeoutError()]), 3),
        ({"retry_on": OSError}, lambda: ExceptionGroup("both", [OSError(), ValueError()]), 1),
        ({"retry_on": ExceptionGroup}, lambda: ExceptionGroup("both", [OSError(), ValueError()]), 3),
        ({"give_up_on": DeclinedError}, lambda: ExceptionGroup("both", [OSError(), DeclinedError()]), 1),
    ],
)
async def test_the_exceptions_that_are_named_decide_whether_a_job_is_retried(
    valkey_url: str, options: dict[str, Any], raised: Callable[[], BaseException], attempts: int
) -> None:
    """As `except` clauses would catch them, and groups by their members; `give_up_on` wins."""
    assert await attempts_of(valkey_url, raised, **options) == attempts


@pytest.mark.parametrize(("kind", "starts"), [(TimeoutError, 2), (ValueError, 1)])
async def test_a_timeout_counts_as_a_timeout_error(valkey_url: str, kind: type[Exception], starts: int) -> None:
    """Whatever the handler raised when it was stopped; a thread's cannot be stopped and raises nothing."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    started: list[str] = []

    @worker.task(retries=1, retry_delay=0.0, timeout=0.05, retry_on=kind)
    async def slow() -> None:
        started.append("slow")
        await asyncio.Event().wait()

    async with running(worker):
        with pytest.raises(upnext.JobFailedError, match="timeout"):
            await slow.wait()
    assert len(started) == starts


async def test_a_job_that_asks_for_it_is_run_again_later(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """After the time that it says, whatever the options say of delays and exceptions, and as a failed attempt."""
    caplog.set_level(logging.INFO, "upnext")
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task(retries=2, retry_delay=600.0, retry_on=OSError, give_up_on=upnext.RetryLater)
    async def limited() -> int:
        attempt = upnext.get_current_context().attempt
        if attempt == 1:
            raise upnext.RetryLater(0.01, "the provider asks for a pause")
        if attempt == 2:
            async with asyncio.TaskGroup() as group:
                group.create_task(asked_to_wait())
        return attempt

    async def asked_to_wait() -> None:
        raise upnext.RetryLater(timedelta(milliseconds=10))

    async with running(worker):
        assert await limited.wait() == 3
    lines = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert ["failure 1 of 3" in lines[0], "retrying in 0.0 s" in lines[0]] == [True, True]
    assert any("the provider asks for a pause" in record.exc_text for record in caplog.records if record.exc_text)


async def test_a_job_cannot_be_put_off_for_ever(valkey_url: str) -> None:
    """Retries bound it, as every other failure."""
    assert await attempts_of(valkey_url, lambda: upnext.RetryLater(0)) == 3


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "30", None, True, timedelta(days=400)])
def test_a_time_that_cannot_be_waited_is_refused(seconds: Any) -> None:
    """Where it is raised."""
    with pytest.raises(upnext.ConfigError, match=r"RetryLater\(.*\) cannot be used: it must be seconds or a timedelta"):
        upnext.RetryLater(seconds)


async def test_a_discarded_job_ends_without_retry_and_without_dead_letter(
    valkey_url: str, caplog: pytest.LogCaptureFixture, command: Callable[..., tuple[int, str, str]]
) -> None:
    """Who waits is told, and so are the log and the command line; the event's other jobs go on."""
    caplog.set_level(logging.INFO, "upnext")
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")
    starts: list[str] = []

    @event.on(retries=5, give_up_on=ValueError)
    async def confirm(order_id: str) -> None:
        starts.append(order_id)
        raise upnext.Discard("the order is cancelled")

    @event.on(retries=5)
    def archive(order_id: str) -> None:
        starts.append(order_id)
        raise upnext.Discard

    @event.on
    async def bill(order_id: str) -> str:
        return order_id

    async with running(worker):
        receipt = await event.send(order_id="1")
        with pytest.raises(upnext.JobDiscardedError) as caught:
            await receipt.results()
        jobs = {job.handler: job for job in receipt.jobs}
        assert await jobs["bill"].result() == "1"
        assert [await jobs[name].state() for name in ("archive", "bill", "confirm")] == [
            "discarded",
            "done",
            "discarded",
        ]
        with pytest.raises(upnext.JobDiscardedError, match=r"by its handler: the order is cancelled\.$"):
            await jobs["confirm"].result()
    assert starts == ["1", "1"]
    assert (caught.value.handler, caught.value.reason) in {("confirm", "the order is cancelled"), ("archive", "")}
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # our own
    lines = [record.getMessage() for record in caplog.records if "discarded" in record.getMessage()]
    assert any("'confirm' of 'order.placed' discarded its job (attempt 1): the order is can" in line for line in lines)
    assert [record.levelname for record in caplog.records if "discarded" in record.getMessage()] == ["INFO", "INFO"]

    _, out, _ = await asyncio.to_thread(command, "dead", "list", "--format", "json", url=valkey_url)
    assert json.loads(out)["dead_letters"] == []
    _, out, _ = await asyncio.to_thread(command, "jobs", "show", jobs["confirm"].id, "--format", "json", url=valkey_url)
    shown = json.loads(out)["job"]
    assert (shown["state"], shown["error"]) == ("discarded", "the order is cancelled")


async def test_results_name_a_dead_letter_before_a_discarded_job(valkey_url: str) -> None:
    """A failure is what somebody has to look at."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    event = worker.event("order.placed")

    @event.on
    async def a_discards() -> None:
        raise upnext.Discard("x" * 100_000)

    @event.on
    async def b_fails() -> None:
        raise ValueError

    async with running(worker):
        receipt = await event.send()
        with pytest.raises(upnext.JobFailedError, match="b_fails"):
            await receipt.results()
        with pytest.raises(upnext.JobDiscardedError) as caught:
            await next(job for job in receipt.jobs if job.handler == "a_discards").result()
    assert len(caught.value.reason) == 500
