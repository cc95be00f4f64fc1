"""Many jobs through one worker, with a look at its memory and the server's: `make soak JOBS=10000000`.

Fails if the worker's memory grows by more than a tenth, and 4 MB, after the first fifth.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from rig import Counter, Server, at_work, job, spread

from upnext import Worker

LOOKS = 20
AHEAD = 5_000  # jobs sent, but not done: the queue stays short


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--jobs", type=int, default=1_000_000)
    with Server() as server:
        sizes = asyncio.run(soak(server, arguments.parse_args().jobs))
    early, late = max(sizes[: LOOKS // 5 + 1]), max(sizes[LOOKS // 5 :])
    grown = late - early
    print(f"resident memory: {early:.1f} MB after a fifth, {late:.1f} MB at its highest after that")
    return int(grown > max(4.0, early / 10))


async def soak(server: Server, jobs: int) -> list[float]:
    counter = Counter()
    worker = Worker("bench", concurrency=100, redis_url=server.url)
    event = worker.event("order")

    @event.on
    async def handle(order_id: str, user_id: str, items: list[str]) -> None:
        counter.hit()

    sizes, sent, began = [], 0, time.perf_counter()
    async with at_work(worker):
        for look in range(1, LOOKS + 1):
            goal = jobs * look // LOOKS
            while sent < goal:
                batch = min(AHEAD, goal - sent)
                await spread(lambda n: event.send(**job(n)), range(sent, sent + batch))
                sent += batch
                await counter.reached(max(sent - AHEAD, 0))
            await counter.reached(sent)
            sizes.append(resident())
            rate = sent / (time.perf_counter() - began)
            print(
                f"{sent:>12,} jobs {rate:>9,.0f}/s  process {sizes[-1]:6.1f} MB  server {server.memory / 1e6:7.1f} MB",
                flush=True,
            )
    return sizes


def resident() -> float:
    """Megabytes of this process in memory now (Linux), or at its highest."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource  # noqa: PLC0415  # not where /proc is

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
