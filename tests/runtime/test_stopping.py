"""Processes that are stopped early, late, all at once or again and again, or frozen for less than their lease."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

import upnext
from tests.runtime.running import ServiceFile
from tests.waiting import wait_until
from upnext.connect import reach, run_blocking
from upnext.settings import load

SLOW = """
worker = upnext.Worker("shop", concurrency=10)

@worker.event("order.placed").on
async def handle(n: int) -> None:
    note("start", n, attempt())
    await asyncio.sleep({seconds})
    note("end", n, attempt())
"""


def send(url: str, *numbers: int) -> None:
    """Send events from the test."""
    event = upnext.Worker("tests", redis_url=url).event("order.placed")
    for n in numbers:
        event.send_sync(n=n)


def living(url: str) -> int:
    """Return how many workers hold a lease."""

    async def read() -> int:
        broker = await reach(load(redis_url=url))
        count: int = await broker.link.command("ZCARD", broker.keys.leases)
        return count

    return run_blocking(read())


@pytest.mark.parametrize("delay", [0.0, 0.2, 0.4, 0.7])
def test_sigterm_while_a_process_starts_leaves_nothing_behind(valkey_url: str, tmp_path: Path, delay: float) -> None:
    """It ends with 0, or as any process does that has not yet said what it does with signals."""
    service = ServiceFile(tmp_path, valkey_url, SLOW.format(seconds=0), UPNEXT_LEASE="60")
    with service.process() as process:
        time.sleep(delay)  # somewhere in its start
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, -signal.SIGTERM)
    assert living(valkey_url) == 0


def test_a_freeze_shorter_than_the_lease_changes_nothing(valkey_url: str, tmp_path: Path) -> None:
    """Also beside a worker with a shorter lease: whose claim it is decides how long is too long."""
    patient = ServiceFile(tmp_path, valkey_url, SLOW.format(seconds=3), UPNEXT_LEASE="60")
    with patient.process() as first:
        send(valkey_url, 1)
        patient.ledger.wait_for("start 1 1")
        patient.environment["UPNEXT_LEASE"] = "0.5"
        with patient.process():
            first.send_signal(signal.SIGSTOP)
            wait_until(lambda: living(valkey_url) == 2, timeout=60)
            send(valkey_url, 2)
            patient.ledger.wait_for("end 2 1")
            first.send_signal(signal.SIGCONT)
            patient.ledger.wait_for("end 1 1")
    assert patient.ledger.count("start 1") == 1


def test_a_whole_fleet_that_was_killed_goes_on_where_it_was(process_url: str, tmp_path: Path) -> None:
    """Every process at once, with running and waiting jobs."""
    service = ServiceFile(tmp_path, process_url, SLOW.format(seconds=0.5))
    with service.process() as first, service.process() as second:
        send(process_url, *range(30))
        service.ledger.wait_for("start", 10)
        first.kill()
        second.kill()
    with service.process():
        for n in range(30):
            service.ledger.wait_for(f"end {n} ")


def test_jobs_go_on_when_nobody_reads_the_log_any_more(valkey_url: str, tmp_path: Path) -> None:
    """A closed standard error (EPIPE) is not a reason to fail a job, nor to stop."""
    service = ServiceFile(
        tmp_path,
        valkey_url,
        """
        worker = upnext.Worker("shop")

        @worker.event("order.placed").on(retries=2, retry_delay=0.05)
        async def handle(n: int) -> None:
            note("start", n, attempt())
            if attempt() < 3:
                raise ValueError(n)
            note("end", n, attempt())
        """,
    )
    with service.process() as process:
        wait_until(lambda: living(valkey_url) == 1, timeout=60)
        assert process.stderr is not None
        process.stderr.close()
        process.stderr = None
        send(valkey_url, 1, 2)
        for n in (1, 2):
            service.ledger.wait_for(f"end {n} 3")


def test_a_handler_that_will_not_be_cancelled_keeps_nobody_from_stopping(valkey_url: str, tmp_path: Path) -> None:
    """Its slot stays taken, since nothing can stop it; after the grace its job is handed over all the same.

    The log says whose job it is, and where in the handler's own code it is, however deep.
    """
    service = ServiceFile(
        tmp_path,
        valkey_url,
        """
        worker = upnext.Worker("shop")

        @worker.event("order.placed").on(timeout=0.2)
        async def handle(n: int) -> None:
            note("start", n, attempt())
            await refuse(n)
            note("end", n, attempt())

        async def refuse(n: int) -> None:
            while attempt() == 1:
                try:
                    await asyncio.sleep(60)  # here
                except asyncio.CancelledError:
                    note("refused", n)
        """,
        UPNEXT_GRACE="0.2",
        UPNEXT_LEASE="60",
    )
    with service.process() as first:
        send(valkey_url, 1)
        service.ledger.wait_for("refused 1")
        with service.process():
            first.send_signal(signal.SIGTERM)
            assert first.wait(30) == 0
            service.ledger.wait_for("end 1 2", timeout=40)
        assert first.stderr is not None
        log = first.stderr.read()
    line = 1 + service.file.read_text().partition("  # here")[0].count("\n")
    task = r"task \"handler 'handle' of 'order.placed' \(worker 'shop'\) \[job \w+\.0\]\""
    assert re.search(rf": {task} at {re.escape(str(service.file))}:{line}\n", log), log


BLOCKING = """
worker = upnext.Worker("shop", concurrency=10)

@worker.event("order.placed").on
async def handle(n: int) -> None:
    note("start", n, attempt())
    if attempt() == 1:
        time.sleep(60)
    note("end", n, attempt())
"""


@pytest.mark.parametrize("signals", [1, 2])
def test_code_that_blocks_the_event_loop_keeps_nobody_from_stopping(
    valkey_url: str, tmp_path: Path, signals: int
) -> None:
    """It gets its grace, or none when there is a second signal; its job is run again by another worker."""
    service = ServiceFile(tmp_path, valkey_url, BLOCKING)
    with service.process() as process:
        send(valkey_url, 1)
        service.ledger.wait_for("start 1 1")
        process.send_signal(signal.SIGTERM)
        while signals == 2 and process.poll() is None:  # those that come together are one
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert process.wait(30) == (0 if signals == 1 else 128 + signal.SIGTERM)
    with service.process():
        service.ledger.wait_for("end 1 2")
    assert service.ledger.count("end 1 1") == 0


LEFT_BEHIND = """
import atexit, concurrent.futures, threading
worker = upnext.Worker("shop", grace=0.5)
api = upnext.Api("shop", port=0)
kept = set()

async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def generator():
    while True:
        try:
            yield
        except GeneratorExit:
            await asyncio.sleep(60)

@worker.event("order.placed").on
async def handle(n: int) -> None:
    {body}
    note("left")
"""


@pytest.mark.parametrize(
    "body",
    [
        "kept.add(asyncio.create_task(asyncio.to_thread(time.sleep, 120)))",
        "note('left'); await asyncio.to_thread(time.sleep, 120)",
        "kept.add(asyncio.create_task(stubborn()))",
        "g = generator(); kept.add(g); await anext(g)",
        "kept.add(concurrent.futures.ThreadPoolExecutor(1).submit(time.sleep, 120))",
        "threading.Thread(target=time.sleep, args=(120,)).start()",
        "atexit.register(time.sleep, 120)",
    ],
)
def test_what_a_handler_leaves_behind_keeps_no_process_from_ending(valkey_url: str, tmp_path: Path, body: str) -> None:
    """Python would wait for each of them for ever, or for two minutes here."""
    service = ServiceFile(tmp_path, valkey_url, LEFT_BEHIND.format(body=body))
    with service.process() as process:
        send(valkey_url, 1)
        service.ledger.wait_for("left", timeout=60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_during_the_import_ends_the_process(valkey_url: str, tmp_path: Path, number: int, code: int) -> None:
    """Before anything runs there is nothing to wait for; the first process of a container must notice it too."""
    service = ServiceFile(tmp_path, valkey_url, 'note("importing")\ntime.sleep(120)\n')
    with service.process() as process:
        service.ledger.wait_for("importing", timeout=60)
        process.send_signal(number)
        assert process.wait(60) == code
