"""A worker that runs needs nothing more of its package's files: none may be left to open, and they may be replaced."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import upnext
from tests.runtime.running import ServiceFile

# Everything that a job can need after the one that takes every descriptor, each for the first time.
SERVICE = """
import contextlib, resource
from typing import Annotated
import upnext

worker = upnext.Worker("shop", concurrency=4)
LEAK = []

class Around(upnext.Hooks):
    @contextlib.contextmanager
    def around_job(self, job):
        yield

    def buried(self, letter):
        pass

worker.add_hooks(Around())

async def provided():
    yield "provided"

@worker.task
async def leak() -> str:
    resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150))
    with contextlib.suppress(OSError):
        while True:
            LEAK.append(open("/dev/null"))
    return "leaked"

@worker.task
async def done() -> str:
    return "done"

@worker.task
def in_thread() -> str:
    return "done in a thread"

@worker.task
async def given(value: Annotated[str, upnext.Provide(provided)]) -> str:
    return value

@worker.task(retries=1, retry_delay=0)
async def again() -> str:
    if upnext.get_current_context().attempt == 1:
        raise upnext.RetryLater(0)
    return "again"

@worker.task
async def discarded() -> None:
    raise upnext.Discard("no need")

@worker.task(retries=0)
async def fails() -> None:
    raise ValueError("fails")

@worker.task(retries=0, timeout=0.05)
async def late() -> None:
    await asyncio.Event().wait()

@worker.task(limit=1)
async def limited() -> str:
    return "limited"

@worker.task(limit=1, by="n")
async def limited_by_value(n: int) -> str:
    return "limited by value"

@worker.task(unique="n")
async def unique(n: int) -> str:
    return "unique"
"""
ENDS = {
    "leak": "leaked",
    "done": "done",
    "in_thread": "done in a thread",
    "given": "provided",
    "again": "again",
    "discarded": "JobDiscardedError",
    "fails": "JobFailedError",
    "late": "JobFailedError",
    "limited": "limited",
    "limited_by_value": "limited by value",
    "unique": "unique",
}


async def test_every_kind_of_job_ends_in_a_process_that_can_open_no_file(
    process_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it takes was read before the first job, also the scripts and the modules that few jobs need."""
    service = ServiceFile(tmp_path, process_url, SERVICE)
    monkeypatch.setenv("UPNEXT_REDIS_URL", process_url)
    tasks = runpy.run_path(str(service.file))
    ends: dict[str, object] = {}
    with service.process():
        for name in ENDS:
            job = await tasks[name].submit(**({"n": 1} if name in {"limited_by_value", "unique"} else {}))
            try:
                ends[name] = await job.result(timeout=20)
            except upnext.UpnextError as error:
                ends[name] = type(error).__name__
            if ends[name] == "ResultTimeoutError":
                break  # nothing ends any more: the rest would wait as long
    assert ends == ENDS
