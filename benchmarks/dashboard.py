"""How long the dashboard's pages take, and how large they are, where there is much to show.

500 events with a handler each, 100 workers that have five of them each, and 10,000 dead letters with tracebacks, on a
private server: `python benchmarks/dashboard.py`. Each page is asked for when the last reading of the namespace is too
old to be shown again, so that it waits for all that it shows.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

import httpx
from rig import Server, cpu

import upnext
from upnext.broker.broker import Broker
from upnext.broker.claims import DeadLetter
from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import QueueEntry, new_event_id, pack
from upnext.broker.keys import Keys
from upnext.dashboard.app import dashboard_app
from upnext.runner.announcement import record
from upnext.settings import load

PAGES = ("/", "/dead", "/workers", "/jobs", "/handlers", "/schedules", "/events", "/events?event=event.7")
TRACEBACK = "\n".join(
    f'  File "/app/shop/module_{n}.py", line {n}, in function_{n}\n    call(order)' for n in range(12)
)
FRESH = 1.1  # seconds after which a reading is not shown again
LEASE_END = 10**14  # ms


async def fill(url: str, events: int, workers: int, letters: int) -> None:
    """Put on the server what that many workers would have left there."""
    broker = Broker(url, Keys("default"))
    handlers: list[str] = []
    for number in range(workers):
        worker = upnext.Worker(f"worker-{number}", redis_url=url)
        for event in range(number, events, workers):

            @worker.event(f"event.{event}").on
            async def handle(order_id: str) -> None: ...

        handlers += worker.registry.handlers
        worker_id = f"{number:012x}.10000"
        await broker.link.command("HSET", broker.keys.workers, worker_id, record(worker, {}))
        await broker.link.command("ZADD", broker.keys.leases, LEASE_END + number, worker_id)
        for identity in worker.registry.handlers:
            await broker.publisher.subscribe(HandlerId.parse(identity).event, [identity])
    for number in range(letters):
        event_id, handler = new_event_id(), handlers[number % len(handlers)]
        letter = DeadLetter.of(
            handler,
            QueueEntry(f"{event_id}.0", 3, 3),
            "failed",
            f"ConnectionError: payments: 503 Service Unavailable for order {number}",
            where="ConnectionError at shop/payments.py:41",
            traceback=TRACEBACK,
        )
        await broker.link.command("HSET", broker.keys.events, event_id, pack(b'{"order_id":"7"}'))
        await broker.link.command("HSET", broker.keys.dead, letter.job_id, letter.to_json())
        await broker.link.command("ZADD", broker.keys.dead_index, 1_700_000_000_000 + number, letter.job_id)
    await broker.close()


async def measure(url: str, rounds: int) -> None:
    """Ask for each page in turn, and print a line for each."""
    transport = httpx.ASGITransport(dashboard_app(load(redis_url=url)))
    took: dict[str, list[tuple[float, float]]] = {page: [] for page in PAGES}
    size: dict[str, int] = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765", timeout=60) as client:
        for _ in range(rounds):
            for page in PAGES:
                await asyncio.sleep(FRESH)
                began, used = time.perf_counter(), cpu()
                response = await client.get(page)
                took[page].append((time.perf_counter() - began, cpu() - used))
                response.raise_for_status()
                size[page] = len(response.content)
    print("| page | ms | of them CPU | kB |")
    print("|---|---|---|---|")
    for page, times in took.items():
        wall, used = (statistics.median(each[n] for each in times) * 1000 for n in (0, 1))
        print(f"| `{page}` | {wall:,.0f} | {used:,.0f} | {size[page] / 1000:,.0f} |")


async def run(arguments: argparse.Namespace) -> None:
    with Server() as server:
        await fill(server.url, arguments.events, arguments.workers, arguments.letters)
        await measure(server.url, arguments.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--letters", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
