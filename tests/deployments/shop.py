"""Load, and the memory of what became of it."""

from __future__ import annotations

import asyncio

import upnext


class Shop:
    """A worker that remembers what it ran, and a sender that remembers what was accepted."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.worker = upnext.Worker("shop", redis_url=url, lease=1, partitions=partitions)
        self.event = self.worker.event("order.placed")
        self.ran: set[int] = set()
        self.accepted: set[int] = set()
        self.event.on(self.handle)

    async def handle(self, n: int) -> None:
        self.ran.add(n)

    async def send(self, numbers: range) -> None:
        for n in numbers:
            await self.event.send(n=n)
            self.accepted.add(n)

    async def send_until(self, stop: asyncio.Event, start: int) -> None:
        n = start
        while not stop.is_set():
            await self.send(range(n, n + 1))
            n += 1
            await asyncio.sleep(0.005)  # the pace of the load
