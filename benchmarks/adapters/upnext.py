"""upnext in the form of the side-by-side harness: the same workloads as its rivals, no promise switched off."""

import asyncio

from harness import Adapter

DIST = "upnext"
REQUIREMENTS = ["-e {repo}"]
PEERS = {"upnext": {}}
NOTES = {
    "upnext": {
        "model": "async, concurrency=100; one event with a handler for each job; 100 senders",
        "default guarantee": "at least once (attempt counted before the handler, finished after it, fenced)",
        "results": "none stored: handlers return None",
        "W6 settings": "defaults (lease 10 s)",
        "redelivery_s": 15,
    },
}


class Peer(Adapter):
    """One event for each handler; in W4 one event that all handlers get."""

    def setup(self):
        """Declare the events; `order` is the one that every handler of W4 is attached to."""
        from upnext import Worker

        self.worker = Worker("bench", concurrency=self.concurrency, redis_url=self.url)
        fan = len(self.fns) > 1
        self.events = {name: self.worker.event("order" if fan else f"order.{name}") for name in self.fns}
        for name, function in self.fns.items():
            self.events[name].on(function)

    async def prepare(self):
        """Connect a worker once, as a deploy does, so that its handlers are subscribed."""
        from upnext.runner.service import Service

        service = Service([self.worker])
        running = asyncio.create_task(service.run())
        await service.ready()
        service.stop()
        await running

    async def send(self, name, kw):
        """Send one event with one handler."""
        await self.events[name].send(**kw)

    async def publish(self, kw):
        """Send one event for all handlers."""
        await next(iter(self.events.values())).send(**kw)

    def work(self):
        """Run the worker until it is killed."""
        from upnext import run

        run(self.worker)
