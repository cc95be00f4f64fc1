"""Ours beside the bare ceilings of redis-py on the same server, in one run: `make bench`.

Only the ratios mean anything: they compare what was measured within seconds on one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from history import save
from pydantic_core import from_json, to_json
from redis.asyncio import Redis
from rig import Counter, Server, at_work, cpu, job, spread

from upnext import Event, Worker

HERE = Path(__file__).parent
JOBS = 20_000
SPIN_JOBS = 20_000
TARGETS = {"one after another": 0.75, "100 senders": 0.5, "drain": 0.5, "two processes": 1.7}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--scale", type=float, default=1.0, help="multiplies every number of jobs")
    arguments.add_argument("--save", action="store_true", help="add what was measured to benchmarks/history.jsonl")
    given = arguments.parse_args()
    if given.save and given.scale != 1:
        arguments.error("only whole runs are kept: leave out --scale")
    jobs = max(400, int(JOBS * given.scale) // 400 * 400)
    rows = [measure(jobs, max(2000, int(SPIN_JOBS * given.scale))) for _ in range(given.runs)]
    middle = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    for name, value in middle.items():
        print(f"{name:<58}{value:>12,.1f}")
    print()
    ratios = {
        "one after another": middle["upnext: sends one after another, /s"]
        / middle["ceiling: XADD one after another, /s"],
        "100 senders": middle["upnext: 100 senders, /s"] / middle["ceiling: XADD in pipelines of 100, /s"],
        "drain": middle["upnext: drain, jobs/s"] / middle["ceiling: drain with a task for each job, /s"],
        "two processes": middle["upnext: 2 processes, handler of 200 us, jobs/s"]
        / middle["upnext: 1 process, handler of 200 us, jobs/s"],
    }
    for name, ratio in ratios.items():
        print(f"{name:<20}{ratio:6.2f}   wanted at least {TARGETS[name]}")
    if given.save:
        save(middle, ratios, given.runs)


def measure(jobs: int, spins: int) -> dict[str, float]:
    with Server() as server:
        out = asyncio.run(ceilings(server.url, jobs))
    with Server() as server:
        out |= asyncio.run(ours(server, jobs))
    for processes in (1, 2):
        name = f"upnext: {processes} process{'es' * (processes > 1)}, handler of 200 us, jobs/s"
        with Server() as server:
            out[name] = drain_with(server, processes, spins)
    return out


async def ceilings(url: str, jobs: int) -> dict[str, float]:
    bodies = [to_json(job(n)) for n in range(jobs)]
    async with Redis.from_url(url) as redis:

        async def pipelined(key: str) -> None:
            for n in range(0, jobs, 100):
                async with redis.pipeline(transaction=False) as pipe:
                    for body in bodies[n : n + 100]:
                        pipe.xadd(key, {"data": body})
                    await pipe.execute()

        for body in bodies[:200]:
            await redis.xadd("warm", {"data": body})
        began = time.perf_counter()
        for body in bodies[: jobs // 4]:
            await redis.xadd("one", {"data": body})
        out = {"ceiling: XADD one after another, /s": jobs / 4 / (time.perf_counter() - began)}
        began = time.perf_counter()
        await pipelined("many")
        out["ceiling: XADD in pipelines of 100, /s"] = jobs / (time.perf_counter() - began)
        began = time.perf_counter()
        assert await drained(redis, "many") == jobs
        out["ceiling: drain with a task for each job, /s"] = jobs / (time.perf_counter() - began)
    return out


async def drained(redis: Any, key: str) -> int:
    """Drain a stream as plainly as can be: read 100, a task for each, acknowledge 100."""

    async def handle(order_id: str, user_id: str, items: list[str]) -> None:
        return None

    await redis.xgroup_create(key, "group", id="0")
    seen = 0
    while got := await redis.xreadgroup("group", "consumer", {key: ">"}, count=100):
        entries = got[0][1] if isinstance(got, list) else next(iter(got.values()))[0]
        for _, fields in entries:
            await asyncio.create_task(handle(**from_json(fields[b"data"])))
        await redis.xack(key, "group", *(identity for identity, _ in entries))
        seen += len(entries)
    return seen


async def ours(server: Server, jobs: int) -> dict[str, float]:
    counter = Counter()
    worker = Worker("bench", concurrency=100, redis_url=server.url)
    event: Event = worker.event("order")

    @event.on
    async def handle(order_id: str, user_id: str, items: list[str]) -> None:
        counter.hit()

    async with at_work(worker):
        await spread(lambda fields: event.send(**fields), [job(n) for n in range(400)])
        await counter.reached(400)
    payloads = [job(n) for n in range(jobs)]
    out: dict[str, float] = {}
    began, used = time.perf_counter(), cpu()
    for fields in payloads[: jobs // 4]:
        await event.send(**fields)
    out["upnext: sends one after another, /s"] = jobs / 4 / (time.perf_counter() - began)
    out["  sender's CPU, us"] = (cpu() - used) / (jobs / 4) * 1e6
    began, used, busy = time.perf_counter(), cpu(), server.cpu
    await spread(lambda fields: event.send(**fields), payloads)
    out["upnext: 100 senders, /s"] = jobs / (time.perf_counter() - began)
    out["  sender's CPU, us "] = (cpu() - used) / jobs * 1e6
    out["  server's CPU, us "] = (server.cpu - busy) / jobs * 1e6
    total = jobs + jobs // 4
    began, used, busy = time.perf_counter(), cpu(), server.cpu
    async with at_work(worker):
        await counter.reached(400 + total)
        out["upnext: drain, jobs/s"] = total / (time.perf_counter() - began)
        out["  worker's CPU, us"] = (cpu() - used) / total * 1e6
        out["  server's CPU, us"] = (server.cpu - busy) / total * 1e6
    return out


def drain_with(server: Server, processes: int, jobs: int) -> float:
    """Return the jobs per second of `upnext run --processes`, from when a tenth is done until a tenth is left."""
    environment = {**os.environ, "UPNEXT_REDIS_URL": server.url}
    subprocess.run([sys.executable, str(HERE / "spin.py"), str(jobs)], env=environment, check=True)
    key = "upnext:{default:0}:queue:spin|spin|handle"
    command = [sys.executable, "-m", "upnext", "run", str(HERE / "spin.py"), "--processes", str(processes)]
    service = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    try:
        marks = []
        for left in (int(0.9 * jobs), int(0.1 * jobs)):
            while int(server.call("LLEN", key)[1:]) > left:
                time.sleep(0.01)
            marks.append((time.perf_counter(), int(server.call("LLEN", key)[1:])))
        (first, before), (last, after) = marks
        return (before - after) / (last - first)
    finally:
        service.terminate()
        service.wait()


if __name__ == "__main__":
    main()
