"""What limits cost: the jobs of a handler without any beside limited ones, and those of limited handlers themselves.

Every line is measured in turns with the others, on a private server, so that a machine that is busy with something else
slows all of them alike: `python benchmarks/limits.py --rounds 15`. The last column compares the CPU time here and on
the server with the first line of its kind in the same round: the median of the rounds, and the middle half of them.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from rig import Counter, Server, at_work, cpu, spread

from upnext import Worker


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: What is measured.
        options: Options of the handler that may be limited.
        held: Its jobs that are there meanwhile, and do not end.
        limited: Whether its jobs are those that are counted.
    """

    name: str
    options: dict[str, Any]
    held: int = 0
    limited: bool = False


CASES = (
    Case("no limits, 50 jobs held", {}, held=50),
    Case("beside limit=50, no jobs", {"limit": 50}),
    Case("beside limit=50, 50 jobs held, 950 wait", {"limit": 50}, held=1000),
    Case("beside limit=5, 5 jobs held, 995 wait", {"limit": 5}, held=1000),
    Case("of the handler itself: no limits", {}, limited=True),
    Case("of the handler itself: limit=50", {"limit": 50}, limited=True),
    Case("of the handler itself: limit=5", {"limit": 5}, limited=True),
    Case("of the handler itself: limit=5 by value", {"limit": 5, "by": "n"}, limited=True),
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--jobs", type=int, default=10_000)
    arguments.add_argument("--cases", choices=("all", "beside", "limited"), default="all")
    given = arguments.parse_args()
    found: defaultdict[str, list[tuple[float, float, float]]] = defaultdict(list)
    cases = [case for case in CASES if given.cases == "all" or case.limited == (given.cases == "limited")]
    for number in range(given.rounds):
        for case in cases if number % 2 else cases[::-1]:
            with Server() as server:
                found[case.name].append(asyncio.run(measure(server, case, given.jobs)))
    head = f"{given.jobs:,} empty jobs, one process"
    print(f"{head:<45}{'jobs/s':>10}{'us of CPU':>12}{'on the server':>15}   of the first")
    for case in cases:
        first = next(other for other in cases if other.limited == case.limited)
        rate, client, on_server = (statistics.median(column) for column in zip(*found[case.name], strict=True))
        ratios = sorted(
            (here + there) / (of_here + of_there)
            for (_, here, there), (_, of_here, of_there) in zip(found[case.name], found[first.name], strict=True)
        )
        low, middle, high = (ratios[int(part * (len(ratios) - 1))] for part in (0.25, 0.5, 0.75))
        print(f"{case.name:<45}{rate:>10,.0f}{client:>12.1f}{on_server:>15.1f}   {middle:.2f} ({low:.2f}-{high:.2f})")


async def measure(server: Server, case: Case, jobs: int) -> tuple[float, float, float]:
    """Return jobs a second, and microseconds of CPU a job, here and on the server; sends are part of it."""
    worker, counter, release = Worker("bench", redis_url=server.url), Counter(), asyncio.Event()

    @worker.task(**case.options)
    async def limited(n: int) -> None:
        if case.held:
            await release.wait()
        counter.hit()

    @worker.task
    async def unlimited(n: int) -> None:
        counter.hit()

    task = limited if case.limited else unlimited
    async with at_work(worker):
        await spread(lambda n: limited.submit(n=n), range(case.held))
        began, here, there = time.perf_counter(), cpu(), server.cpu
        await asyncio.gather(spread(lambda n: task.submit(n=n), range(jobs)), counter.reached(jobs))
        took = time.perf_counter() - began
        figures = jobs / took, (cpu() - here) / jobs * 1e6, (server.cpu - there) / jobs * 1e6
        release.set()
    return figures


if __name__ == "__main__":
    main()
