"""Handlers that block their event loop or the whole interpreter: leases stand, other jobs go on, and it is reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

import upnext
from tests.runtime.running import ServiceFile
from tests.waiting import wait_until
from upnext.broker.activity import LISTED_JOBS, Activity, Blocked, RunningJob, Unstored, WaitingJob
from upnext.broker.keys import Keys
from upnext.connect import reach, run_blocking
from upnext.settings import load

KEYS = Keys("default")

GIL = """
import ctypes
worker = upnext.Worker("shop", concurrency=4)
event = worker.event("order.placed")

@event.on
def hold(n: int) -> None:
    note("hold", n, attempt(), os.getpid())
    # Unlike CDLL, PyDLL keeps the interpreter lock during the call, as C code does that sorts or matches.
    ctypes.PyDLL(None).usleep(ctypes.c_uint({microseconds}))
    note("held", n, attempt())

@event.on
async def neighbour(n: int) -> None:
    note("neighbour", n, attempt())
"""

LOOP = """
worker = upnext.Worker("shop", concurrency=20, grace=1.0)

@worker.task
async def block(seconds: float) -> None:
    note("block", os.getpid())
    time.sleep(seconds)
    note("blocked", os.getpid())

@worker.task
async def quick(n: int) -> None:
    note("quick", n, os.getpid(), attempt())
"""


def send(url: str, n: int) -> upnext.Receipt:
    return upnext.Worker("tests", redis_url=url).event("order.placed").send_sync(n=n)


def submit(url: str, task: str, count: int, **fields: object) -> None:
    """Submit jobs of a task of the service, as its own module would."""
    worker = upnext.Worker("shop", redis_url=url)

    @worker.task(name="block")
    async def block(seconds: float) -> None: ...

    @worker.task(name="quick")
    async def quick(n: int) -> None: ...

    for n in range(count):
        if task == "block":
            block.submit_sync(**fields)
        else:
            quick.submit_sync(n=n)


def records(url: str) -> list[dict[str, Any]]:
    """Return what the workers on a server say about themselves."""
    with Redis.from_url(url) as client:
        return [json.loads(record) for record in client.hvals(KEYS.workers)]


def dead(url: str) -> int:
    async def count() -> int:
        dead_letters = (await reach(load(redis_url=url))).dead_letters
        return len(await dead_letters.dead())

    return run_blocking(count())


def children(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that a process has started."""
    folder = Path(f"/proc/{process.pid}/task")
    lists = [file.read_text().split() for file in folder.glob("*/children")]
    return [int(number) for each in lists for number in each]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_handler_that_keeps_the_interpreter_for_leases_runs_once(process_url: str, tmp_path: Path) -> None:
    """No thread of its process can renew the lease; it stands all the same, and no crash is counted for anybody."""
    service = ServiceFile(tmp_path, process_url, GIL.format(microseconds=8_000_000), UPNEXT_LEASE="2.5")
    with service.process() as first, service.process() as second:
        wait_until(lambda: len(records(process_url)) == 2, 60)
        wait_until(lambda: children(first) and children(second), 60)
        send(process_url, 1)
        service.ledger.wait_for("held 1 1", timeout=60)
        service.ledger.wait_for("neighbour 1", timeout=60)
        for process in (first, second):
            process.terminate()
        log = "".join(process.communicate(timeout=60)[1] for process in (first, second))
    assert service.ledger.count("hold 1") == 1
    assert service.ledger.count("neighbour 1") == 1
    assert dead(process_url) == 0
    assert "is gone" not in log
    assert "code keeps the global interpreter lock; its leases are renewed for it" in log
    assert "The process did not run for" in log


def test_a_frozen_worker_loses_its_lease_and_a_killed_one_takes_its_standby_along(
    process_url: str, tmp_path: Path
) -> None:
    """What renews a lease for a busy process does not do so for one that is stopped or gone."""
    service = ServiceFile(tmp_path, process_url, LOOP)
    with service.process() as first:
        wait_until(lambda: len(records(process_url)) == 1, 60)
        wait_until(lambda: children(first), 60)
        (standby,) = children(first)
        with service.process() as second:
            wait_until(lambda: len(records(process_url)) == 2, 60)
            os.kill(first.pid, signal.SIGSTOP)
            wait_until(lambda: [record["pid"] for record in records(process_url)] == [second.pid], 60)
            os.kill(first.pid, signal.SIGKILL)
            wait_until(lambda: not is_running(standby), 60)


def test_a_worker_that_stops_in_order_leaves_no_process_behind(process_url: str, tmp_path: Path) -> None:
    """Also if the same signal reached everything in its control group."""
    service = ServiceFile(tmp_path, process_url, LOOP)
    with service.process() as process:
        wait_until(lambda: len(records(process_url)) == 1 and children(process), 60)
        (standby,) = children(process)
        os.kill(standby, signal.SIGTERM)
        process.terminate()
        assert process.wait(30) == 0
        wait_until(lambda: not is_running(standby), 60)


def test_jobs_claimed_beside_one_that_blocks_the_loop_run_elsewhere(process_url: str, tmp_path: Path) -> None:
    """They are handed back before they begin, once, and the process says what blocks it."""
    service = ServiceFile(tmp_path, process_url, LOOP, UPNEXT_LEASE="10")
    submit(process_url, "block", 1, seconds=300.0)
    submit(process_url, "quick", 40)
    with service.process() as first:
        service.ledger.wait_for("block", timeout=60)
        with service.process() as second:
            service.ledger.wait_for("quick", 40, timeout=60)
            second.terminate()
            second.wait(30)
        wait_until(lambda: "blocked" in records(process_url)[0], 60)
        (record,) = records(process_url)
        os.kill(first.pid, signal.SIGTERM)
        os.kill(first.pid, signal.SIGTERM)
        log = first.communicate(timeout=60)[1]
    assert {line.split()[1] for line in service.ledger.lines if line.startswith("quick")} == {str(n) for n in range(40)}
    assert service.ledger.count("quick") == 40
    activity = Activity.from_record(record)
    assert activity.blocked is not None
    assert (activity.blocked.what, activity.blocked.handler) == ("event loop", "|block")
    assert "service.py:" in activity.blocked.frame
    assert [job.handler for job in activity.running] == ["|block"]
    assert "The event loop has been blocked for" in log
    assert "by handler 'block'" in log
    assert "time.sleep(seconds)" in log


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"blocked": None, "running": None, "running_total": None},
        {"blocked": [], "running": {}, "running_total": "many"},
        {"blocked": {"since": "yesterday"}, "running": [1, None, {"since": True}, {"job": "x"}]},
        {"blocked": {"since": float("inf")}, "running": [{"since": 10**400}]},
        {"unstored": {"jobs": "3"}},
        {"unstored": [{"jobs": 0}]},
        {"waiting": [1, None, {}, {"since": "x"}]},
    ],
)
def test_a_record_of_another_program_says_nothing(record: dict[str, Any]) -> None:
    """Neither does it raise."""
    assert Activity.from_record(record) == Activity()


def test_a_record_reads_as_it_was_written_and_stays_small() -> None:
    """As many jobs as a record lists, and how many there were."""
    jobs = tuple(RunningJob(f"{n}.0", "order.placed|charge", 1.5 + n) for n in range(LISTED_JOBS))
    waiting = (WaitingJob("1.0", "|report", 9.5, ("charge",)),)
    blocked, unstored = Blocked("event loop", 17.5, "|block", "1.0", "shop.py:1 in block"), Unstored(3, "it is full")
    activity = Activity(blocked, jobs, 300, waiting, unstored=unstored)
    assert Activity.from_record(json.loads(json.dumps(activity.to_record()))) == activity
    assert Activity().to_record() == {}
