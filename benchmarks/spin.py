"""A service whose handler burns 200 us of CPU; as a program it fills the queue: `spin.py JOBS`."""

from __future__ import annotations

import asyncio
import sys
import time

from upnext import Worker
from upnext.runner.service import Service

worker = Worker("spin", concurrency=100)
event = worker.event("spin")


@event.on
async def handle(n: int) -> None:
    began = time.thread_time()
    while time.thread_time() - began < 0.0002:
        pass


async def fill(jobs: int) -> None:
    service = Service([worker])
    running = asyncio.create_task(service.run())
    await service.ready()
    service.stop()
    await running
    for start in range(0, jobs, 100):
        await asyncio.gather(*(event.send(n=n) for n in range(start, min(start + 100, jobs))))


if __name__ == "__main__":
    asyncio.run(fill(int(sys.argv[1])))
