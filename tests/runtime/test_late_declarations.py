"""What is declared after a worker has started does not run in it, and each such declaration is named at once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis

import upnext
from tests.runtime.running import ServiceFile, running
from tests.waiting import wait_until_async
from upnext.broker.keys import Keys

LATE = """
from service import placed, worker

@placed.on
async def second(n: int) -> None: ...

@worker.task
async def lazy(n: int) -> None: ...
"""


def test_a_module_that_a_job_imports_first_is_named_with_its_handlers_and_the_way_out(
    valkey_url: str, tmp_path: Path
) -> None:
    """In every process of a worker: they all run what was declared before they started."""
    (tmp_path / "plugin.py").write_text(LATE)
    service = ServiceFile(
        tmp_path,
        valkey_url,
        """
        sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
        worker = upnext.Worker("late")
        placed = worker.event("late.placed")

        class Started(upnext.Hooks):
            def worker_started(self, worker):
                note("started")

        worker.add_hooks(Started())

        @placed.on
        async def first(n: int) -> None:
            import plugin
            note("handled", n)
        """,
    )
    sender = upnext.Worker("late", redis_url=valkey_url).event("late.placed")
    with service.process() as process:
        service.ledger.wait_for("started")
        sender.send_sync(n=1)
        service.ledger.wait_for("handled")
        process.terminate()
        log = process.communicate(timeout=60)[1]
    assert (
        "Handler 'second' of event 'late.placed' (plugin.py:4) was declared after worker 'late' had started, so it "
        "does not run here: import its module before the worker starts\n"
    ) in log
    assert "Task 'lazy' (plugin.py:7) was declared after worker 'late' had started, so" in log
    assert log.count("was declared after") == 2


async def test_nothing_that_is_declared_late_is_half_taken_up(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No schedule, no partition that is added later, and no further start of the worker is confused by it."""
    worker = upnext.Worker("late", redis_url=valkey_url)
    placed = worker.event("late.placed")
    runs: list[str] = []

    @worker.cron(every=timedelta(seconds=1))
    async def first() -> None:
        runs.append("first")

    def declare_again_and_more() -> None:
        @placed.on
        async def second(n: int) -> None:
            runs.append("second")

        @worker.cron(every=timedelta(seconds=1))
        async def third() -> None:
            runs.append("third")

    with caplog.at_level(logging.WARNING, "upnext"), Redis.from_url(valkey_url) as server:
        async with running(worker):
            declare_again_and_more()
            declare_again_and_more()
            before = len(runs)
            await wait_until_async(lambda: runs.count("first") > before + 2)
            assert server.hkeys(Keys("default").schedules) == [b"late||first"]
        late = [text for text in caplog.messages if "was declared after" in text]
        assert [text.split(" (")[0] for text in late] == ["Handler 'second' of event 'late.placed'", "Task 'third'"]
        async with running(worker):
            await placed.send(n=1)
            await wait_until_async(lambda: {"second", "third"} <= set(runs))
    assert len([text for text in caplog.messages if "was declared after" in text]) == 2


async def test_a_worker_within_an_application_says_so_as_well(
    valkey_url: str, caplog: pytest.LogCaptureFixture, command: Callable[..., tuple[int, str, str]]
) -> None:
    """And its block ends as if nothing had been declared."""
    worker = upnext.Worker("late", redis_url=valkey_url)

    @worker.task
    async def early() -> int:
        return 1

    async with worker.running():

        @worker.task
        async def lazy() -> int:
            return 2

        assert await early.wait() == 1
        await lazy.submit()
    assert [text.split(" (")[0] for text in caplog.messages if "was declared after" in text] == ["Task 'lazy'"]
    assert "late||lazy" not in command("handlers", url=valkey_url)[1]
