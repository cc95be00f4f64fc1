"""One run: load, faults, and a reckoning by a ledger that lies outside the system under test."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import upnext
from tests.chaos.faults import Fleet, Injector
from tests.servers import Server, redis_binary, valkey_binary
from tests.waiting import wait_until_async
from upnext.connect import reach
from upnext.settings import load

HANDLERS = ("flaky", "steady", "threaded")
_BATCH = 5
_PACE = 0.03


@dataclass
class Reckoning:
    """What a run came to.

    Attributes:
        seed: What the faults were chosen by.
        faults: How often each was done.
        accepted: Sends that the server took.
        refused: Sends that ended with an error which says that nothing was stored.
        unknown: Sends that may have been stored.
        dead: Dead letters by handler and reason.
        repeated: Starts beyond a job's first, without those after a failure of its own.
        lost: Jobs of accepted sends that are neither done nor dead: there must be none.
        ghosts: Jobs that ran and were never sent: there must be none.
    """

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    dead: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeated: int = 0
    lost: list[tuple[str, int]] = field(default_factory=list)
    ghosts: list[tuple[str, int]] = field(default_factory=list)


async def run(seed: int, seconds: float, directory: Path) -> Reckoning:
    """Send events under faults for so long, let the fleet come to rest, and reckon."""
    random = Random(seed)
    binary = valkey_binary() if seed % 2 or redis_binary() is None else redis_binary()
    assert binary is not None
    with Server(binary, directory / "server", appendonly=True, tcp=True) as server:
        event = upnext.Worker("sender", redis_url=server.url).event("order.placed")
        fleet = Fleet(server.url, directory)
        injector = Injector(fleet, server, random)
        reckoning = Reckoning(seed, injector.done)
        sent: dict[int, str] = {}
        try:
            _, sent = await asyncio.gather(injector.run(seconds), _load(event, seconds, reckoning))
            dead = await _rest(server.url)
        finally:
            fleet.end()
    _reckon(reckoning, sent, dead, fleet.ledger.read_text().splitlines())
    return reckoning


async def _load(event: upnext.Event, seconds: float, reckoning: Reckoning) -> dict[int, str]:
    """Send until the time is over; returns the event ids of what was or may have been accepted."""
    loop = asyncio.get_running_loop()
    sent: dict[int, str] = {}

    async def send(n: int) -> None:
        try:
            sent[n] = (await event.send(n=n)).event_id
            reckoning.accepted += 1
        except upnext.SendOutcomeUnknownError:
            reckoning.unknown += 1
        except upnext.BrokerError:
            reckoning.refused += 1

    stop, n = loop.time() + seconds, 0
    while loop.time() < stop:
        await asyncio.gather(*(send(n + i) for i in range(_BATCH)))
        n += _BATCH
        await asyncio.sleep(_PACE)  # the pace of the load
    return sent


async def _rest(url: str) -> dict[tuple[str, str], str]:
    """Wait until only dead letters are left; returns their reasons by event id and handler."""
    broker = await reach(load(redis_url=url))

    async def at_rest() -> bool:
        letters = await broker.letters.dead()
        stored: int = await broker.link.command("HLEN", broker.keys.events)
        return stored == len({letter.event_id for letter in letters})

    await wait_until_async(at_rest, timeout=60, what="rest")
    return {(letter.event_id, letter.handler): letter.reason for letter in await broker.letters.dead()}


def _reckon(reckoning: Reckoning, sent: dict[int, str], dead: dict[tuple[str, str], str], ledger: list[str]) -> None:
    ended: set[tuple[str, int]] = set()
    started: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for line in ledger:
        word, handler, n, attempt = line.split()
        if word == "end":
            ended.add((handler, int(n)))
        else:
            started[handler, int(n)].append(int(attempt))
    for n, event_id in sent.items():
        for handler in HANDLERS:
            if (handler, n) not in ended and (event_id, handler) not in dead:
                reckoning.lost.append((handler, n))
    known = reckoning.accepted + reckoning.unknown
    reckoning.ghosts = [job for job in started if job[1] not in sent] if known == reckoning.accepted else []
    reckoning.dead = Counter((handler, reason) for (_, handler), reason in dead.items())
    reckoning.repeated = sum(len(attempts) - 1 for (handler, _), attempts in started.items() if handler != "flaky")
