"""What looking through a million jobs costs `upnext gen --check --against redis://...`, and what workers notice of it.

`python benchmarks/waiting_jobs.py [--jobs 1000000] [--rounds 3]` measures all of it on one private server in one run.
Jobs that the handler of the sources cannot take, take longer than those that it can: both are measured. A worker drains
the backlog of another event, in turns alone, beside the command, and beside a process that only uses as much CPU: what
it loses to that one too it loses to the machine, as the command runs on the same one here.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from rig import Counter, Server, at_work, job, spread

from upnext import Worker

SOURCES = """
import upnext

worker = upnext.Worker("shop")
order_placed = worker.event("order.placed")

@order_placed.on
async def mail(order_id: str, user_id: str, items: list[str], {field}) -> None: ...
"""
ALL_TAKEN, NONE_TAKEN = "note: str = ''", "note: str"
GEN = (sys.executable, "-m", "upnext", "gen")
SPIN = (sys.executable, "-c", "while True: pass")
BURNED = 0.0002  # seconds of CPU that a handler of the other event takes
ALONE = 5.0  # seconds of a turn without the command
BACKLOG = 60_000  # more jobs than the worker does in one turn


class Usage(NamedTuple):
    """What one process took: seconds by the clock and of CPU, and megabytes at its highest."""

    seconds: float
    cpu: float
    memory: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--jobs", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    with Server() as server, tempfile.TemporaryDirectory(prefix="upnext-bench-") as folder:
        root = Path(folder)
        (root / "pyproject.toml").touch()
        asyncio.run(measure(server, root, given.jobs, given.rounds))


async def measure(server: Server, root: Path, jobs: int, rounds: int) -> None:
    """Fill the server, and print what each kind of turn took."""
    await fill(server, jobs)
    check = (*GEN, "--check", "--against", server.url)
    for name, field in (("all taken", ALL_TAKEN), ("all refused", NONE_TAKEN)):
        write(root, field)
        run(GEN, root)
        bare = run((*GEN, "--check"), root)
        usages, on_server = [], []
        for _ in range(rounds):
            before = server.cpu
            usages.append(run(check, root))
            on_server.append(server.cpu - before)
        seconds, cpu, memory = (statistics.median(column) for column in zip(*usages, strict=True))
        print(
            f"{jobs:,} jobs, {name}: {seconds:.1f} s, {cpu:.1f} s of CPU ({bare.cpu:.1f} s without --against), "
            f"{memory:.0f} MB ({bare.memory:.0f} MB), {statistics.median(on_server):.1f} s of the server's CPU",
            flush=True,
        )
    write(root, ALL_TAKEN)
    run(GEN, root)
    await beside(server, check, root, rounds)


async def fill(server: Server, jobs: int) -> None:
    """Send as many events to a handler that nobody runs."""
    worker = Worker("shop", redis_url=server.url)
    event = worker.event("order.placed")

    @event.on
    async def mail(order_id: str, user_id: str, items: list[str]) -> None: ...

    async with at_work(worker):  # subscribes it
        pass
    await spread(lambda n: event.send(**job(n)), range(jobs))


def write(root: Path, field: str) -> None:
    (root / "shop.py").write_text(SOURCES.format(field=field), encoding="utf-8")


async def beside(server: Server, check: tuple[str, ...], root: Path, rounds: int) -> None:
    """Print how many jobs a second a worker does, alone and beside other processes."""
    worker, counter = Worker("other", redis_url=server.url, concurrency=100), Counter()
    event = worker.event("other")

    @event.on
    async def burn(n: int) -> None:
        began = time.thread_time()
        while time.thread_time() - began < BURNED:
            pass
        counter.hit()

    rates: defaultdict[str, list[float]] = defaultdict(list)
    async with at_work(worker):  # subscribes it
        pass
    sent = 0
    for _ in range(rounds):
        for name, command in (("alone", None), ("beside the command", check), ("beside a busy process", SPIN)):
            more = BACKLOG - (sent - counter.count)
            await spread(lambda n: event.send(n=n), range(more))
            sent += more
            async with at_work(worker):
                rates[name].append(await rate_beside(command, counter, root))
            assert counter.count < sent, "the backlog was too short: raise BACKLOG"
    alone = statistics.median(rates["alone"])
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"a worker {name}: {rate:,.0f} jobs/s, {rate / alone:.2f} of alone")


async def rate_beside(command: tuple[str, ...] | None, counter: Counter, root: Path) -> float:
    """Return the jobs a second that are done while a command runs; while nothing does, without one."""
    began, before = time.perf_counter(), counter.count
    if command is None:
        await asyncio.sleep(ALONE)
    elif command is SPIN:
        spinning = await asyncio.create_subprocess_exec(*command)
        await asyncio.sleep(ALONE)
        spinning.kill()
        await spinning.wait()
    else:
        await asyncio.to_thread(run, command, root)
    return (counter.count - before) / (time.perf_counter() - began)


def run(command: tuple[str, ...], root: Path) -> Usage:
    """Run a command to its end."""
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in {0, 1}, f"{command} failed"
    return Usage(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
