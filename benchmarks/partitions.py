"""What partitions add on a cluster of three nodes: how the servers' CPU spreads, and what it costs the client.

python benchmarks/partitions.py [--jobs 20000] [--runs 3]

All of it runs on this machine: on fewer cores than there are processes, jobs a second say nothing about a cluster.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import logging
import os
import random
import socket
import statistics
import time
from contextlib import ExitStack, suppress

from redis.crc import key_slot
from rig import Counter, Server, at_work, cpu, job, spread

from upnext import Worker

NODES = 3
SLOTS = 16384
LOAD = 600  # senders, and jobs at the same time: partitions are for loads that fill batches in each of them


class Node(Server):
    """One node of a cluster."""

    options = ("--cluster-enabled", "yes")

    def free_port(self) -> int:
        """Find one whose bus, 10,000 above it, is free too."""
        while True:
            port = random.randrange(20_000, 30_000)
            with socket.socket() as one, socket.socket() as other, suppress(OSError):
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
                return port


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--jobs", type=int, default=20_000)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--partitions", type=int, nargs="+", default=[1, 3, 6, 12])
    given = arguments.parse_args()
    logging.disable()  # the nodes keep nothing on disk
    with ExitStack() as stack:
        nodes = [stack.enter_context(Node()) for _ in range(NODES)]
        gather(nodes)
        rows: dict[int, list[list[float]]] = {number: [] for number in given.partitions}
        for run in range(given.runs):
            for number in given.partitions:
                os.environ["UPNEXT_NAMESPACE"] = evenly_placed(f"run{run}", number)
                rows[number].append(asyncio.run(measure(nodes, number, given.jobs)))
    print("partitions  us of CPU a job: client, all nodes   share of each node, %   us of CPU a job of the busiest")
    for number, measured in rows.items():
        client, *servers = (statistics.median(column) for column in zip(*measured, strict=True))
        shares = "  ".join(f"{100 * used / sum(servers):4.0f}" for used in servers)
        print(f"{number:>10}  {client:>29.1f}  {sum(servers):>9.1f}   {shares:>21}   {max(servers):>30.1f}")


def gather(nodes: list[Node]) -> None:
    """Make a cluster of servers."""
    for n, node in enumerate(nodes):
        for start in range(n * SLOTS // NODES, (n + 1) * SLOTS // NODES, 1000):
            slots = range(start, min(start + 1000, (n + 1) * SLOTS // NODES))
            node.call("CLUSTER", "ADDSLOTS", *map(str, slots))
        node.call("CLUSTER", "MEET", "127.0.0.1", str(nodes[0].port))
    for node in nodes:
        while "cluster_state:ok" not in node.call("CLUSTER", "INFO"):
            time.sleep(0.05)


def evenly_placed(name: str, partitions: int) -> str:
    """Return a namespace whose partitions are spread evenly: their slots follow from its name."""
    for n in itertools.count():
        tags = [f"{name}.{n}:{partition}" for partition in range(partitions)]
        counts = collections.Counter(key_slot(tag.encode()) * NODES // SLOTS for tag in tags)
        if partitions < NODES or (len(set(counts.values())) == 1 and len(counts) == NODES):
            return f"{name}.{n}"
    raise AssertionError


async def measure(nodes: list[Node], partitions: int, jobs: int) -> list[float]:
    """Send jobs and let them be done; returns microseconds of CPU a job, of this process and of each node."""
    url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    worker, counter = Worker("bench", redis_url=url, partitions=partitions, concurrency=LOAD), Counter()
    event = worker.event("order.placed")

    @event.on
    async def handle(order_id: str, user_id: str, items: list[str]) -> None:
        counter.hit()

    async with at_work(worker):
        await spread(lambda n: event.send(**job(n)), range(2000), LOAD)
        await counter.reached(2000)
        before = [cpu(), *(node.cpu for node in nodes)]
        await spread(lambda n: event.send(**job(n)), range(jobs), LOAD)
        await counter.reached(2000 + jobs)
        after = [cpu(), *(node.cpu for node in nodes)]
    return [1e6 * (b - a) / jobs for a, b in zip(before, after, strict=True)]


if __name__ == "__main__":
    main()
