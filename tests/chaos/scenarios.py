"""One kind of fault, done many times at random moments; each run is reckoned by itself."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from tests.chaos.fleet import GRACE, LEASE, Fleet
from tests.chaos.ledger import Job, Ledger, Reckoning, reckon
from tests.chaos.run import fleet_for
from tests.waiting import wait_until_async

_MORTALS = 2
_EVENTS = 30  # of five jobs each: more than can run at once


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done.

    Attributes:
        name: To what.
        at: When.
        pid: The worker that it was done to; 0 if all of them felt it.
        since: From when on things can go on.
    """

    name: str
    at: float
    pid: int = 0
    since: float = 0.0


Scenario: TypeAlias = Callable[[Fleet, Random], Awaitable[Fault]]


@dataclass(frozen=True, slots=True)
class Result:
    """One run: its reckoning, how many jobs the fault hit, and the seconds until the last of them had begun again."""

    fault: str
    reckoning: Reckoning
    hit: int
    recovery: float | None


@dataclass
class Summary:
    """All runs.

    Attributes:
        runs: How many there were.
        faults: How often each fault was done.
        accepted: Events that were accepted.
        jobs_hit: Jobs that ran in a process that was ended or frozen.
        repeated: Starts beyond a job's first, without those after a failure of its own.
        overlaps: Attempts that overlapped an earlier one of the same job.
        dead: Dead letters by handler and reason.
        recovery: Seconds until what was hit went on: median and maximum.
        bad: The runs in which anything was lost or invented.
    """

    runs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    jobs_hit: int = 0
    repeated: int = 0
    overlaps: int = 0
    dead: Counter[tuple[str, str]] = field(default_factory=Counter)
    recovery: str = "nothing was hit"
    bad: list[tuple[int, Mapping[str, object]]] = field(default_factory=list)


async def repeat(
    scenario: Scenario, runs: int, seed: int, directory: Path, show: Callable[[int, Result], None]
) -> Summary:
    """Do a fault so many times, each time in the middle of a burst of events, and reckon after each."""
    summary, times = Summary(), list[float]()
    with fleet_for(seed, directory, _MORTALS) as fleet:
        await fleet.rest()
        for number in range(runs):
            result = await _once(scenario, fleet, Random(f"{seed}.{number}"))
            show(number, result)
            summary.runs += 1
            summary.faults[result.fault] += 1
            summary.accepted += result.reckoning.accepted
            summary.jobs_hit += result.hit
            summary.repeated += result.reckoning.repeated
            summary.overlaps += result.reckoning.overlaps
            summary.dead += result.reckoning.dead
            times += [] if result.recovery is None else [result.recovery]
            if result.reckoning.faults:
                summary.bad.append((number, result.reckoning.faults))
    if times:
        summary.recovery = f"median {statistics.median(times):.2f} s, maximum {max(times):.2f} s"
    return summary


async def _once(scenario: Scenario, fleet: Fleet, random: Random) -> Result:
    await fleet.complete()
    fleet.read()
    fleet.ledger = Ledger(senders=fleet.ledger.senders)
    fleet.send(_EVENTS)
    await asyncio.sleep(random.uniform(0, 0.6))  # the moment of the fault
    fault = await scenario(fleet, random)
    sender = fleet.sender
    await wait_until_async(lambda: sender.poll() is not None or _answered(fleet.read()), timeout=60, what="answers")
    if sender.poll() is not None:
        fleet.replace_sender()
    buried = await fleet.rest()
    ledger = fleet.read()
    dead = {job: reason for job, reason in buried.items() if job[0] in ledger.intended}
    hit = ledger.left_by(fault.pid, fault.at) if fault.pid else []
    return Result(fault.name, reckon(ledger, dead), len(hit), _recovery(ledger, fault, hit))


def _answered(ledger: Ledger) -> bool:
    return len(ledger.accepted) + len(ledger.refused) + len(ledger.unknown) >= _EVENTS


def _recovery(ledger: Ledger, fault: Fault, hit: list[Job]) -> float | None:
    """Return how long it took until what was hit had begun again; for all workers, until any of them began anything."""
    if fault.pid:
        begun = [at for job in hit if (at := ledger.next_start(job, fault.at)) is not None]
        return max(begun) - fault.at if begun else None
    begun = [at for job in ledger.steps if (at := ledger.next_start(job, fault.since)) is not None]
    return min(begun) - fault.since if fault.since and begun else None


async def _kill(fleet: Fleet, random: Random) -> Fault:
    """`kill -9` of a worker, the sender or the server."""
    victim = random.choice(["worker", "worker", "worker", "sender", "server"])
    if victim == "server":
        return await _restart_server(fleet, random, fleet.server.kill)
    if victim == "sender":
        fleet.sender.kill()
        fleet.sender.wait()
        return Fault("kill sender", time.monotonic())
    n = random.randrange(_MORTALS)
    pid, at = fleet.workers[n].pid, time.monotonic()
    fleet.workers[n].kill()
    await asyncio.to_thread(fleet.replace_worker, n)
    return Fault("kill worker", at, pid)


async def _terminate(fleet: Fleet, random: Random) -> Fault:
    """SIGTERM of a worker whose jobs may take longer than its grace."""
    n = random.randrange(_MORTALS)
    process = fleet.workers[n]
    process.terminate()
    at = time.monotonic() + GRACE
    code = await asyncio.to_thread(process.wait, 60)
    assert code == 0, f"a worker that was told to stop ended with {code}"
    await asyncio.to_thread(fleet.replace_worker, n)
    return Fault("SIGTERM", at, process.pid)


async def _freeze(fleet: Fleet, random: Random) -> Fault:
    """SIGSTOP of a worker past its lease; it wakes when others may have run its jobs."""
    freeze = await fleet.freeze(random.randrange(_MORTALS), random.uniform(1.0, 3.0) * LEASE)
    return Fault("SIGSTOP", freeze.since, freeze.pid)


async def _restart(fleet: Fleet, random: Random) -> Fault:
    """The server is stopped or killed, and comes back with its append-only file."""
    return await _restart_server(fleet, random, random.choice([fleet.server.stop, fleet.server.kill]))


async def _restart_server(fleet: Fleet, random: Random, end: Callable[[], None]) -> Fault:
    at = time.monotonic()
    end()
    await asyncio.sleep(random.uniform(0, 1))  # how long it is away
    fleet.server.start()
    return Fault(f"{end.__name__} server", at, since=time.monotonic())


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "kill": _kill,
    "restart": _restart,
    "stop": _freeze,
    "term": _terminate,
}
