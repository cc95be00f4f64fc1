"""What a job costs as things grow, in CPU time, as pictures for docs/performance.md.

python benchmarks/curves.py            measure (about ten minutes) and draw
python benchmarks/curves.py handlers   measure only this one (or several), and draw
python benchmarks/curves.py --quick    the same with the largest sizes left out
python benchmarks/curves.py --draw     draw again what was measured last
python benchmarks/curves.py --check    exit 1 if a picture is not what the figures give

CPU time of the worker and of the server for each job, not jobs a second: it depends little on what else the machine
does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from plot import draw
from rig import Counter, Server, at_work, cpu, job, spread

from upnext import Event, Worker

HERE = Path(__file__).parent
FIGURES = HERE / "curves.json"
PICTURES = HERE.parent / "docs" / "pictures"
HOUR = 3600

Cost: TypeAlias = dict[str, float]
"""Line of a picture -> microseconds of CPU for each job."""


async def run(
    server: Server, jobs: int, *, handlers: int = 1, backlog: int = 0, delayed: int = 0, workers: int = 1, size: int = 0
) -> Cost:
    """Send jobs beside what is there already, let them be done, and say what each cost."""
    counter = Counter()
    worker = Worker("bench", concurrency=100, redis_url=server.url)
    events: list[Event] = [worker.event(f"order.{n}") for n in range(handlers)]
    for event in events:

        async def handle(order_id: str, user_id: str, items: list[str]) -> None:
            counter.hit()

        event.on(handle)
    async with at_work(worker):
        pass
    payloads = [{**job(n), "items": ["x" * size]} if size else job(n) for n in range(200)]

    async def send(n: int) -> None:
        await events[n % handlers].send(**payloads[n % 200])

    await spread(lambda n: events[n % handlers].options(delay=HOUR).send(**payloads[n % 200]), range(delayed))
    await spread(send, range(backlog))
    used, busy = cpu(), server.cpu
    await spread(send, range(jobs))
    cost = {"send: sender": (cpu() - used) / jobs * 1e6, "send: server": (server.cpu - busy) / jobs * 1e6}
    async with at_work(worker, workers):
        warm = min(jobs // 4, 1000)
        await counter.reached(warm)
        used, busy, before = cpu(), server.cpu, counter.count
        # Jobs run as soon as they can, which may be long before the worker says that it is ready.
        await counter.reached(min(before + jobs // 2, backlog + jobs))
        done = counter.count - before
        cost |= {"work: worker": (cpu() - used) / done * 1e6, "work: server": (server.cpu - busy) / done * 1e6}
    return cost


Measure: TypeAlias = Callable[[Server, int], Awaitable[Cost]]
CURVES: dict[str, tuple[str, list[int], Measure]] = {
    "backlog": (
        "jobs waiting in the queue",
        [1_000, 10_000, 100_000, 1_000_000],
        lambda server, n: run(server, 10_000, backlog=n),
    ),
    "handlers": ("handlers of the worker", [1, 5, 20, 100, 500], lambda server, n: run(server, 10_000, handlers=n)),
    "workers": ("worker processes", [1, 3, 10, 30, 100], lambda server, n: run(server, 10_000, workers=n)),
    "payload": (
        "bytes of payload",
        [100, 1_000, 10_000, 100_000],
        lambda server, n: run(server, 1_000 if n > 10_000 else 10_000, size=n),
    ),
    "delayed": (
        "delayed jobs that are not due",
        [0, 100, 1_000, 10_000, 100_000],
        lambda server, n: run(server, 10_000, delayed=n),
    ),
}


def main(arguments: list[str]) -> int:
    if not set(arguments) & {"--draw", "--check"}:
        figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
        for name in [name for name in CURVES if name in arguments] or CURVES:
            figures[name] = measure(name, "--quick" in arguments)
            FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    stale = []
    for name, points in json.loads(FIGURES.read_text(encoding="utf-8")).items():
        target, drawn = PICTURES / f"cost-{name}.svg", draw(CURVES[name][0], "microseconds of CPU for each job", points)
        if not target.exists() or target.read_text(encoding="utf-8") != drawn:
            stale.append(target.name)
            if "--check" not in arguments:
                target.write_text(drawn, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"Out of date: {', '.join(stale)}. Draw them with: python benchmarks/curves.py --draw", file=sys.stderr)
        return 1
    return 0


def measure(name: str, quick: bool) -> list[tuple[int, Cost]]:
    _, sizes, cost = CURVES[name]
    points = []
    for size in sizes[:-1] if quick else sizes:
        with Server() as server:
            points.append((size, {line: round(us, 1) for line, us in asyncio.run(at(cost, server, size)).items()}))
        print(name, *points[-1], flush=True)
    return points


async def at(cost: Measure, server: Server, size: int) -> Cost:
    return await cost(server, size)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
