"""What a fleet costs its server: `python benchmarks/fleet.py [--workers 500] [--contracts 300] [--processes 4]`.

Each worker is a `Service` of its own, as `upnext run` starts one in a process: with its own lease, record, connections,
threads and standby process. A few processes hold many of them, as 500 interpreters do not fit in; the JSON of the
contracts, which depends on the code alone, is made once in each of these, and what that takes is measured beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import statistics
import subprocess
import sys
import time
from collections import Counter
from typing import NamedTuple

from pydantic import BaseModel
from redis import Redis
from rig import Server, cpu

from upnext import Worker
from upnext.broker.keys import Keys
from upnext.runner import contract_publisher
from upnext.runner.service import Service

KEYS = Keys("default")
IDLE = 10.0  # seconds


class Address(BaseModel):
    street: str
    city: str
    code: str = ""


class Order(BaseModel):
    order_id: str
    total: float
    items: list[str]
    address: Address
    note: str | None = None


class State(NamedTuple):
    """A server at one moment.

    Attributes:
        seconds: By the clock.
        cpu: Seconds of the server's CPU.
        memory: Bytes that it uses.
        commands: How many it has done, those of scripts among them.
    """

    seconds: float
    cpu: float
    memory: int
    commands: int

    @classmethod
    def of(cls, server: Server) -> State:
        info = server.info()
        return cls(time.perf_counter(), server.cpu, int(info["used_memory"]), int(info["total_commands_processed"]))

    def since(self, before: State) -> State:
        """Return what has come since."""
        return State(*(after - earlier for after, earlier in zip(self, before, strict=True)))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--workers", type=int, default=500)
    arguments.add_argument("--contracts", type=int, default=300)
    arguments.add_argument("--processes", type=int, default=4)
    arguments.add_argument("--join", metavar="URL", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.join:
        asyncio.run(join(given.join, given.workers, given.contracts))
        return
    print_contracts(given.contracts)
    with Server() as server:
        measure(server, given.workers, given.contracts, given.processes)


def declared(url: str, contracts: int) -> Worker:
    """Return a worker with so many events, each with one handler."""
    worker = Worker("fleet", redis_url=url)
    for number in range(contracts):

        @worker.event(f"order.event{number}").on(name=f"handle{number}")
        async def handle(order: Order, user_id: str, attempt: int = 0) -> None: ...

    return worker


def print_contracts(contracts: int) -> None:
    """Print what a starting process does for its contracts, once."""
    worker = declared("redis://127.0.0.1:1", contracts)
    began = cpu()
    published = contract_publisher.contracts_of(worker.registry)
    print(f"{contracts} contracts: {len(published.text):,} bytes of JSON, made in {cpu() - began:.2f} s of CPU")


async def join(url: str, workers: int, contracts: int) -> None:
    """Run workers until the standard input ends; say when they are ready."""
    contract_publisher.contracts_of = functools.cache(contract_publisher.contracts_of)
    worker = declared(url, contracts)
    contract_publisher.contracts_of(worker.registry)
    services, running = [Service([worker]) for _ in range(workers)], []
    for service in services:  # one after the other: together they would hold up one event loop until they time out
        running.append(asyncio.create_task(service.run()))
        ready = asyncio.create_task(service.ready())
        await asyncio.wait([ready, running[-1]], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await running[-1]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for service in services:
        service.stop()
    await asyncio.gather(*running)


def measure(server: Server, workers: int, contracts: int, processes: int) -> None:
    """Start one worker and then the others, and print what they cost the server."""
    empty = State.of(server)
    joined = [start(server, 1, contracts)]
    wait(server, joined, 1)
    one = State.of(server)
    share = [(workers - 1) // processes + (n < (workers - 1) % processes) for n in range(processes)]
    joined += [start(server, count, contracts) for count in share if count]
    wait(server, joined[1:], workers)
    all_of_them = State.of(server)
    print_start("the first worker", one.since(empty), 1)
    print_start(f"each of {workers - 1} more", all_of_them.since(one), workers - 1)
    print_keys(server)
    rates = []
    for _ in range(3):
        before = State.of(server)
        time.sleep(IDLE)
        idle = State.of(server).since(before)
        rates.append((idle.cpu / idle.seconds, idle.commands / idle.seconds))
    share, commands = (statistics.median(column) for column in zip(*rates, strict=True))
    print(f"{workers} idle workers: {share:.1%} of the server's core, {commands:,.0f} commands/s")
    for process in joined:
        process.communicate()


def start(server: Server, workers: int, contracts: int) -> subprocess.Popen[bytes]:
    words = ["--join", server.url, "--workers", str(workers), "--contracts", str(contracts)]
    return subprocess.Popen([sys.executable, __file__, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def wait(server: Server, processes: list[subprocess.Popen[bytes]], workers: int) -> None:
    """Wait until processes are ready, and the records of as many workers name their contracts."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", "a process ended before it was ready"
    with Redis.from_url(server.url) as client:
        while sum(b'"contracts": ""' not in record for record in client.hvals(KEYS.workers)) < workers:
            time.sleep(0.2)


def print_start(name: str, cost: State, workers: int) -> None:
    print(
        f"{name}: {cost.cpu / workers * 1000:.1f} ms of the server's CPU for {cost.commands / workers:,.0f} commands, "
        f"{cost.memory / workers / 1000:,.0f} kB of its memory; all ready after {cost.seconds:.1f} s"
    )


def print_keys(server: Server) -> None:
    """Print how much memory the keys take, all of one kind together."""
    sizes: Counter[str] = Counter()
    with Redis.from_url(server.url) as client:
        for name in client.scan_iter(count=1000):
            sizes[name.decode().split(":")[3]] += client.memory_usage(name, samples=0)
    print("keys, kB: " + ", ".join(f"{kind} {size / 1000:,.0f}" for kind, size in sizes.most_common(6)))


if __name__ == "__main__":
    main()
