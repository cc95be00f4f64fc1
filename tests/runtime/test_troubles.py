"""What `upnext status` and `upnext doctor` show of workers in trouble: blocked, without a handler, killed by a job."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.claims import DeadLetter
from upnext.broker.job_ids import QueueEntry
from upnext.runner import running_jobs

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"
PREFIX = "upnext:{default:0}:"


def put_worker(url: str, *, pid: int = 7, handlers: tuple[str, ...] = ("order.placed|confirm",), **record: Any) -> None:
    """Put the record of a living worker on the server."""
    whole = {"worker": "shop", "host": "web1", "pid": pid, "since": 1, "concurrency": 9, "version": "x"}
    worker_id = f"{pid:016x}.10000"
    with redis.Redis.from_url(url) as client:
        client.zadd(f"{PREFIX}leases", {worker_id: 1e14})
        client.hset(f"{PREFIX}workers", worker_id, json.dumps(whole | {"handlers": list(handlers)} | record))


def shown(command: Command, url: str, *options: str) -> dict[str, Any]:
    """Return `upnext status` as JSON."""
    answer: dict[str, Any] = json.loads(command("status", "--format", "json", *options, url=url)[1])
    return answer


def test_a_blocked_worker_is_shown_with_handler_job_and_place(command: Command, valkey_url: str) -> None:
    """In status, as text and as JSON, and in doctor."""
    blocked = {"what": "event loop", "since": time.time() - 26, "handler": "order.placed|charge", "job": "01f.0"}
    put_worker(valkey_url, blocked=blocked | {"frame": "shop.py:12 in charge"})
    _, out, _ = command("status", url=valkey_url)
    assert "shop (web1 7): event loop blocked for 2" in out
    assert "s in handler charge, job 01f.0, at shop.py:12 in charge" in out
    (row,) = shown(command, valkey_url)["blocked"]
    assert 25 < row.pop("seconds") < 600
    assert row.pop("since").startswith("20")
    assert row == {
        "what": "event loop",
        "worker": "shop",
        "event": "order.placed",
        "handler": "charge",
        "job_id": "01f.0",
        "frame": "shop.py:12 in charge",
        "host": "web1",
        "pid": 7,
    }
    _, out, _ = command("doctor", url=valkey_url)
    assert "warn  blocked      shop (web1 7): event loop blocked for" in out


@pytest.mark.parametrize(
    ("age", "total", "full"), [(120, 9, True), (120, 8, False), (30, 9, False)], ids=["full", "a slot is free", "young"]
)
def test_slots_that_are_all_taken_for_long_are_shown(
    command: Command, valkey_url: str, age: float, total: int, full: bool
) -> None:
    """In status and in doctor, with the oldest job's handler; a worker that is just busy is not."""
    jobs = [{"job": f"{n}.0", "handler": "order.placed|charge", "since": time.time() - age} for n in range(3)]
    put_worker(valkey_url, running=jobs, running_total=total)
    line = "shop (web1 7): all 9 slots are taken; the oldest job, of handler charge, has run for "
    assert (line in command("status", url=valkey_url)[1]) == full
    assert (f"warn  slots        {line}" in command("doctor", url=valkey_url)[1]) == full


async def test_a_job_that_goes_on_past_its_timeout_is_named(
    command: Command, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that hangs cannot be stopped: in status, as text and as JSON, and in doctor."""
    monkeypatch.setattr(running_jobs, "LISTED_AFTER", 0.0)
    monkeypatch.setattr(running_jobs, "LATE_AFTER", 0.0)
    worker, release = upnext.Worker("shop", redis_url=valkey_url, lease=1), threading.Event()

    @worker.task(timeout=0.1)
    def hang() -> None:
        release.wait(60)

    async def said(words: str) -> str:
        return (await asyncio.to_thread(command, *words.split(), url=valkey_url))[1]

    async with running(worker):
        try:
            job = await hang.submit()
            line = f"handler hang has been past its timeout for [0-9.]+s and goes on, job {job.id}"
            await wait_until_async(lambda: says(said, "status", line), timeout=30)
            assert re.search(f"warn  timeouts     shop .*: {line}", await said("doctor"))
            (row,) = json.loads(await said("status --format json"))["running_jobs"]
            assert 0 <= row["past_timeout_for"] < row["seconds"]
        finally:
            release.set()
        with pytest.raises(upnext.JobFailedError, match="timeout"):
            await job.result(timeout=20)


async def says(said: Callable[[str], Awaitable[str]], words: str, line: str) -> bool:
    """Tell whether a command says a line."""
    return re.search(line, await said(words)) is not None


def test_jobs_that_run_long_are_listed_by_handler_with_their_age(command: Command, valkey_url: str) -> None:
    """The oldest first, over all processes."""
    now = time.time()
    jobs = [{"job": f"{n}.0", "handler": "order.placed|confirm", "since": now - 100 * n} for n in (1, 3)]
    put_worker(valkey_url, running=jobs, running_total=2)
    put_worker(valkey_url, pid=8, running=[{"job": "2.0", "handler": "|nightly", "since": now - 200}], running_total=40)
    _, out, _ = command("status", url=valkey_url)
    lines = out[out.index("Jobs that run for 2 s or longer: 42") :].splitlines()
    assert [line.split()[-4] for line in lines[2:5]] == ["3.0", "2.0", "1.0"]
    assert lines[2].split()[:2] == ["5m", "0s"]
    assert lines[5] == "and 39 more; see `upnext jobs list --state running`"
    rows = shown(command, valkey_url)["running_jobs"]
    assert sorted((row["job_id"], row["handler"], row["pid"]) for row in rows) == [
        ("1.0", "confirm", 7),
        ("2.0", "nightly", 8),
        ("3.0", "confirm", 7),
    ]


def test_a_handler_that_no_worker_imported_is_named(
    command: Command, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the workers say, and by the lock of the project at hand; one that some process has is not missing."""
    unimported = {"visit.booked|write_bill": "shop.billing", "order.placed|confirm": "shop.mail"}
    put_worker(valkey_url, handlers=(), unimported=unimported)
    put_worker(valkey_url, pid=8)
    _, out, _ = command("status", url=valkey_url)
    assert [line for line in out.splitlines() if "imported" in line] == [
        "No worker has imported handler write_bill of visit.booked (shop.billing)"
    ]
    assert shown(command, valkey_url)["missing_handlers"] == ["write_bill (shop.billing)"]
    contract = {"handlers": {"a": {"worker": "shop", "name": "refund", "module": "shop.money"}}}
    other = {"handlers": {"a": {"worker": "elsewhere", "name": "other", "module": "other"}}}
    lock = {"events": {"order.paid": contract, "order.lost": other}}
    (tmp_path / "upnext.lock").write_text(json.dumps(lock))
    monkeypatch.chdir(tmp_path)
    _, out, _ = command("doctor", url=valkey_url)
    both = "refund of order.paid (shop.money), write_bill of visit.booked (shop.billing)"
    assert f"warn  handlers     no worker has imported {both}: " in out


def test_a_namespace_in_which_no_worker_is_alive_is_not_all_well(
    command: Command, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody ever used may be misspelt; in one that is known everything may have stopped."""
    monkeypatch.chdir(tmp_path)
    nobody = "no handler has ever connected to namespace 'prdo'"
    _, out, _ = command("doctor", "--namespace", "prdo", url=valkey_url)
    assert f"warn  workers      {nobody}\n" in out
    assert "help: run a worker; if it runs, look at its namespace" in out
    assert "ok    queues       no job waits\n" in out
    assert f"{nobody}\n" in command("status", "--namespace", "prdo", url=valkey_url)[1].lower()

    with redis.Redis.from_url(valkey_url) as client:
        client.sadd(f"{PREFIX}queues", "shop|order.placed|confirm", "shop||nightly")
        client.hset(f"{PREFIX}subs:order.placed", "shop|order.placed|confirm", 1)
    stopped = "no worker process is alive; 2 handler(s) are known here"
    assert f"warn  workers      {stopped}\n" in command("doctor", url=valkey_url)[1]
    assert f"{stopped}\n" in command("status", url=valkey_url)[1].lower()
    assert shown(command, valkey_url)["missing_handlers"] == []

    contract = {"handlers": {"a": {"worker": "shop", "name": "refund", "module": "shop.money"}}}
    (tmp_path / "upnext.lock").write_text(json.dumps({"events": {"order.paid": contract}}))
    for namespace in ("default", "prdo"):
        _, out, _ = command("doctor", "--namespace", namespace, url=valkey_url)
        assert "warn  handlers     no worker has imported refund of order.paid (shop.money): " in out
        assert shown(command, valkey_url, "--namespace", namespace)["missing_handlers"] == ["refund (shop.money)"]


def test_jobs_that_killed_their_workers_lately_are_named(command: Command, valkey_url: str) -> None:
    """Older ones are just dead letters."""
    with redis.Redis.from_url(valkey_url) as client:
        for n, (name, hours) in enumerate([("crunch", 1), ("crunch", 2), ("old", 30)]):
            letter = DeadLetter.of(f"shop|e|{name}", QueueEntry(f"{n}.0", 1), "crashed", "")
            client.hset(f"{PREFIX}dead", letter.job_id, letter.to_json())
            client.zadd(f"{PREFIX}dead:index", {letter.job_id: (time.time() - hours * 3600) * 1000})
    _, out, _ = command("doctor", url=valkey_url)
    assert "warn  crashed      2 job(s) killed their workers within a day: crunch" in out


def test_records_of_other_programs_break_no_command(command: Command, valkey_url: str) -> None:
    """Whatever is in them."""
    junk = [
        {"since": 1e300},
        {"since": "x"},
        {"concurrency": []},
        {"unimported": [1]},
        {"running": {"a": 1}},
        {"blocked": 3},
        {"waiting": [{"since": 1, "waits_for": 5}, {"since": 1, "waits_for": [[], "\x1b"]}]},
    ]
    for n, record in enumerate(junk):
        put_worker(valkey_url, pid=100 + n, **{"worker": "\x1b[2J", **record})
    for words in (("status",), ("status", "--format", "json"), ("doctor",), ("handlers", "list")):
        code, out, err = command(*words, url=valkey_url)
        assert (code in {0, 1}, err) == (True, "")  # doctor finds fault with the server
        assert "\x1b" not in out
