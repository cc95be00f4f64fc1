"""One run: load, faults of all kinds, and a reckoning."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.chaos.faults import Injector
from tests.chaos.fleet import LEASE, Fleet, Size
from tests.chaos.ledger import Reckoning, crowded, doubled, missed, most_at_once, reckon, unheard
from tests.servers import Server, redis_binary, valkey_binary

_MORTALS = 3
_PACE = 0.1
_EVENTS = 3  # so often


@dataclass
class Run:
    """What came of a run.

    Attributes:
        seed: What the faults were chosen by.
        injected: How often each fault was done.
        reckoning: The reckoning.
        ends: How often workers ended with which exit code, 0 for those that live.
        sizes: What the worker that nothing was done to, and the server, held: when all was warm, and in the end.
    """

    seed: int
    injected: Counter[str]
    reckoning: Reckoning
    ends: Counter[int]
    sizes: tuple[Size, Size]


@contextmanager
def fleet_for(
    seed: int,
    directory: Path,
    mortals: int,
    beside: str = sys.executable,
    partitions: int = 1,
    *,
    renames: bool = False,
) -> Iterator[Fleet]:
    """Start a server and a fleet: Valkey 9 for odd seeds, Redis 6.2 for even ones."""
    binary = valkey_binary() if seed % 2 or redis_binary() is None else redis_binary()
    assert binary is not None
    with Server(binary, directory / "server", appendonly=True, tcp=True) as server:
        fleet = Fleet(server, directory, mortals, beside, partitions, renames=renames)
        try:
            fleet.wait_until_it_works()
            yield fleet
        finally:
            fleet.end()


async def run(
    seed: int,
    seconds: float,
    directory: Path,
    beside: str = sys.executable,
    partitions: int = 1,
    *,
    renames: bool = False,
) -> Run:
    """Send events under faults for so long, let the fleet come to rest, and reckon."""
    with fleet_for(seed, directory, _MORTALS, beside, partitions, renames=renames) as fleet:
        injector = Injector(fleet, Random(seed))
        warm = asyncio.create_task(_measure(fleet, seconds / 4))
        await asyncio.gather(injector.run(seconds), _load(fleet, seconds))
        fleet.stop_sending()
        dead = await fleet.rest()
        reckoning = reckon(fleet.read(), dead)
        if renames:  # what is sent under either name has all that a handler asks for
            reckoning.lost += [job for job, reason in dead.items() if reason == "payload"]
        # More may run, and wait, while it grows, where a release has no limits, and where a handler has two names.
        if partitions == 1 and beside == sys.executable and not renames:
            reckoning.most, reckoning.crowded = most_at_once(fleet.ledger), crowded(fleet.ledger)
            reckoning.doubled = doubled(fleet.ledger, 2 * LEASE)
        if beside == sys.executable:
            reckoning.unheard = unheard(fleet.ledger)
            ticks = await fleet.ticks()
            reckoning.ticks, reckoning.missed = len(ticks), missed(ticks)
            # Two may store one tick while they know of different numbers of partitions.
            reckoning.again = sorted(fleet.ledger.ticked - set(ticks.values())) if partitions == 1 else []
        ends, sizes = fleet.survivors(), (await warm, await fleet.size())
        await fleet.replay_refused_payloads()
        left = await fleet.rest()
        reckoning.lost += [job for job, reason in left.items() if reason == "payload"]
        await fleet.tidy()
    return Run(seed, injector.done, reckoning, ends, sizes)


def by_themselves(ends: Counter[int]) -> dict[int, int]:
    """Return the exit codes of workers that ended though nobody had told them to."""
    return {code: count for code, count in ends.items() if code not in (0, -signal.SIGKILL, -signal.SIGTERM)}


async def _measure(fleet: Fleet, delay: float) -> Size:
    await asyncio.sleep(delay)  # until caches are full
    return await fleet.size()


async def _load(fleet: Fleet, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    stop = loop.time() + seconds
    while loop.time() < stop:
        fleet.send(_EVENTS)
        await asyncio.sleep(_PACE)  # the pace of the load
