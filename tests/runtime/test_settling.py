"""The property that no fault after user code leaves a job unsettled, shown by raising from every call on the way."""

from __future__ import annotations

import asyncio
import sys
from types import FrameType
from typing import Any

import pytest

import upnext
from tests.runtime.running import running
from upnext import failure_report
from upnext.runner import execute, job_runner, settle
from upnext.runner.loop import run_in_loop

PATH = {module.__file__ for module in (execute, failure_report, job_runner, settle)}

ASKED = {"unsettled", "pending", "known"}  # by the loop that claims jobs, whose faults end its worker


class Fault:
    """Raises from the n-th call that the settling path makes, as a machine without memory does, or a signal handler.

    Args:
        at: Which call, from 0; None to count them only.
        error: What it raises.
    """

    def __init__(self, at: int | None, error: type[BaseException] = MemoryError) -> None:
        self.at = at
        self.error = error
        self.calls = 0
        self.fired = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        caller = frame if event == "c_call" else frame.f_back if event == "call" else None
        if caller is None or caller.f_code.co_filename not in PATH or self.fired or caller.f_code.co_name in ASKED:
            return
        called = getattr(argument, "__name__", "") if event == "c_call" else frame.f_code.co_name
        self.calls += 1
        if self.calls - 1 == self.at:
            self.fired = f"{caller.f_code.co_name} -> {called}"
            raise self.error(self.fired)


@pytest.mark.filterwarnings("ignore")  # coroutines that a fault kept from being awaited
@pytest.mark.parametrize(("end", "error"), [("done", MemoryError), ("dead", MemoryError), ("dead", SystemExit)])
def test_a_fault_at_any_call_of_the_settling_path_leaves_no_job_unsettled(
    valkey_url: str, end: str, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """The job ends, as done or dead, and the worker takes the next one."""
    caplog.set_level("CRITICAL", "upnext")
    assert run_in_loop(unsettled_jobs(valkey_url, end, error), lambda: 1.0) == []


async def unsettled_jobs(valkey_url: str, end: str, error: type[BaseException]) -> list[str]:
    """Return the faults that left a job unsettled."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    arm: list[Fault] = []

    @worker.task(retries=3 if end == "retried" else 0, retry_delay=0)
    async def job(n: int) -> int:
        if arm and not sys.getprofile():
            sys.setprofile(arm[0])  # from here on, what comes after user code
        if end != "done" and (end == "dead" or upnext.get_current_context().attempt == 1):
            raise ValueError(n)
        return n

    async def outcome(fault: Fault) -> str:
        arm[:] = [fault]
        before = sys.getprofile()
        try:
            submitted = await job.submit(1)
            try:
                await submitted.result(timeout=20)
            except (upnext.JobFailedError, upnext.ResultError):
                return "dead or without a result"
            except upnext.ResultTimeoutError:
                return "unsettled"
            return "done"
        finally:
            sys.setprofile(before)
            arm.clear()

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # tasks that a fault ended
    async with running(worker):
        counting = Fault(None, error)
        await outcome(counting)
        assert counting.calls > 10
        unsettled = []
        for at in range(min(counting.calls, 300)):
            fault = Fault(at, error)
            if await outcome(fault) == "unsettled":
                unsettled.append(fault.fired)
    return unsettled
