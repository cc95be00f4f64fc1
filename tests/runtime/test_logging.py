"""Logging is not part of delivery: whatever an application attaches to the log, jobs end and the lease is kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import upnext
from tests.runtime.running import running
from tests.servers import Server
from upnext.log import SafeLogger


class Raising(logging.Handler):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def emit(self, record: logging.LogRecord) -> None:
        raise self.error


class RaisingFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise LookupError("no tenant")


class RaisingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        raise RecursionError("the formatter logs")


@contextmanager
def attached(handler: logging.Handler) -> Iterator[None]:
    logger = logging.getLogger("upnext")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def filtering() -> logging.Handler:
    handler = logging.NullHandler()
    handler.addFilter(RaisingFilter())
    return handler


def formatting() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(RaisingFormatter())
    return handler


@pytest.mark.parametrize(
    "handler",
    [
        Raising(ConnectionError("chat is down")),
        Raising(SystemExit(3)),
        Raising(MemoryError()),
        filtering(),
        formatting(),
    ],
    ids=["ConnectionError", "SystemExit", "MemoryError", "filter", "formatter"],
)
async def test_a_failing_job_is_retried_and_buried_whatever_logging_raises(
    valkey_url: str, handler: logging.Handler
) -> None:
    """What the log refuses costs the line its place, and the job nothing."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=1)
    event = worker.event("order.placed")
    attempts: list[int] = []

    @event.on(retries=1, retry_delay=0.01)
    async def handle() -> None:
        attempts.append(upnext.get_current_context().attempt)
        raise ValueError("no")

    with attached(handler):
        async with running(worker):
            with pytest.raises(upnext.JobFailedError):
                await (await event.send()).results(timeout=20)
    assert attempts == [1, 2]


async def test_the_lease_is_kept_whatever_logging_raises(valkey_server: Server, valkey_url: str) -> None:
    """A server that stands still for longer than the lease is warned of; the thread that warns survives that."""
    worker = upnext.Worker("shop", redis_url=valkey_url, lease=0.5)

    @worker.task
    async def double(n: int) -> int:
        return 2 * n

    with attached(Raising(ConnectionError("chat is down"))):
        async with running(worker):
            assert valkey_server.command("CLIENT", "PAUSE", "7000", "ALL") == b"+OK\r\n"
            assert await (await double.submit(2)).result(timeout=40) == 4


def test_what_cannot_be_logged_is_written_to_stderr_with_the_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the line nor what refused it is lost in silence."""
    with attached(Raising(ConnectionError("chat is down"))):
        SafeLogger("upnext").warning("Job %s failed", 7)
    assert "upnext: Job 7 failed (logging this raised ConnectionError)" in capsys.readouterr().err


def test_a_line_that_cannot_be_made_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Its arguments may be objects of users."""

    class Odd:
        def __str__(self) -> str:
            raise SystemExit(9)

    SafeLogger("upnext").warning("Handler returned %s", Odd())
    capsys.readouterr()


def test_a_record_names_the_line_that_logged_it(caplog: pytest.LogCaptureFixture) -> None:
    """Not the wrapper's."""
    log = SafeLogger("upnext")
    log.warning("one")
    log.log(logging.WARNING, "two")
    assert {record.funcName for record in caplog.records} == {"test_a_record_names_the_line_that_logged_it"}
