"""A shop that is killed again and again: is every committed send there, no other one, and each order kept?

    python -m tests.outbox.killing DATABASE_URL REDIS_URL --runs 100 --seed 1

Each run forks a process that takes orders, some of which it rolls back, and one that relays them. Both die by
SIGKILL at steps that the seed chooses: before and after each flush, commit, claim, publication and settling. They are
started again until all orders were taken and the outbox is empty.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import select
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import upnext
from tests.outbox.model import arrived, shop_at
from tests.waiting import wait_until_async
from upnext.connect import broker_for
from upnext.outbox import lanes
from upnext.outbox.row import ClaimedRow, Failure, ListedRow, OutboxBacklog, OutboxStore

LANES = 3
HANDLER = "shop|order.taken|note"


class Fate:
    """Kills this process at some of the steps that it passes.

    Args:
        seed: What decides at which.
        chance: Of a death at each.
    """

    def __init__(self, seed: str, chance: float) -> None:
        self._random = random.Random(seed)
        self._chance = chance

    def step(self) -> None:
        """Pass a step, or die there."""
        if self._random.random() < self._chance:
            os.kill(os.getpid(), signal.SIGKILL)


class FatalStore:
    """A store of an outbox at whose steps the process may die."""

    def __init__(self, store: OutboxStore, fate: Fate) -> None:
        self._store = store
        self._fate = fate

    async def claim(self, most: int, now: float, until: float) -> Sequence[ClaimedRow]:
        self._fate.step()
        rows = await self._store.claim(most, now, until)
        if rows:
            self._fate.step()
        return rows

    async def settle(self, sent: Sequence[int], failed: Sequence[Failure], released: Sequence[int]) -> None:
        self._fate.step()
        await self._store.settle(sent, failed, released)
        self._fate.step()

    async def backlog(self) -> OutboxBacklog:
        return await self._store.backlog()

    async def listed(self, most: int, *, set_aside: bool) -> Sequence[ListedRow]:
        return await self._store.listed(most, set_aside=set_aside)

    async def retry(self, ids: Sequence[int] | None) -> int:
        return await self._store.retry(ids)

    async def close(self) -> None:
        await self._store.close()


def in_child(work: Callable[[], object]) -> bool:
    """Run something in a forked process; False if it was killed."""
    pid = os.fork()
    if pid == 0:
        _child(work)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, "the child failed"
        return True
    return False


def _child(work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        work()
        code = 0
    except BaseException as error:  # noqa: BLE001  # a forked child must not run its parent's code
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    os._exit(code)


def take_orders(shop: Any, worker: upnext.Worker, orders: int, fate: Fate) -> None:
    """Commit the orders that are still missing, as the database says, and roll every fifth back."""
    placed = worker.event("order.taken")
    taken = shop.orders()
    for number in range(taken[-1] + 1 if taken else 0, orders):
        with shop.transaction(commits=number % 5 != 4) as transaction:
            fate.step()
            shop.add_order(transaction, number)
            placed.within(shop.outbox(transaction, f"lane {number % LANES}")).send_sync(order=number)
            fate.step()
        fate.step()


def relay_all(shop: Any, worker: upnext.Worker, writer: int, fate: Fate) -> None:
    """Send what is in the outbox until nothing is and the writer has ended, which the end of a pipe tells."""
    send = lanes._send_row

    async def fatal_send(*arguments: Any) -> Any:
        fate.step()
        published = await send(*arguments)
        fate.step()
        return published

    lanes._send_row = fatal_send
    made = shop.relay(worker, batch=5, interval=0.01, lease=0.1)
    made.store = FatalStore(made.store, fate)

    async def run() -> None:
        task = asyncio.create_task(made.run())
        await wait_until_async(lambda: select.select([writer], [], [], 0)[0] and shop.count() == 0, timeout=60)
        made.stop()
        await task

    asyncio.run(run())


def run(database_url: str, redis_url: str, orders: int, seed: int) -> str:
    """Perform one run; returns what is wrong, "" if nothing is."""
    os.environ["UPNEXT_NAMESPACE"] = f"killing-{os.getpid()}-{seed}"
    # Made here, so that each child need not import what they need; they connect to nothing.
    shop, worker = shop_at(database_url), _worker(redis_url)
    in_child(shop.create)
    in_child(lambda: asyncio.run(_subscribe(worker)))
    for life in range(1000):
        if _live(shop, worker, orders, f"{seed} {life}"):
            break
    else:
        return "it never came to an end"
    reading, writing = os.pipe()
    in_child(lambda: os.write(writing, _judge(shop, worker, orders).encode()))
    os.close(writing)
    with os.fdopen(reading) as found:
        return found.read()


def _live(shop: Any, worker: upnext.Worker, orders: int, seed: str) -> bool:
    """Take orders and relay them until both have died or are done; returns whether both are done."""
    ended, alive = os.pipe()
    relay = os.fork()
    if relay == 0:
        os.close(alive)
        _child(lambda: relay_all(shop, worker, ended, Fate(f"relay {seed}", 0.06)))
    os.close(ended)
    is_written = in_child(lambda: take_orders(shop, worker, orders, Fate(f"writer {seed}", 0.04)))
    os.close(alive)
    _, status = os.waitpid(relay, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the relay failed"
    return is_written and os.WIFEXITED(status)


def _judge(shop: Any, worker: upnext.Worker, orders: int) -> str:
    found = [each["order"] for each in asyncio.run(arrived(worker, HANDLER))]
    committed = shop.orders()
    problems = {
        "lost": sorted(set(committed) - set(found)),
        "ghosts": sorted(set(found) - set(committed)),
        "twice": sorted({each for each in found if found.count(each) > 1}),
        "disorder": [
            lane for lane in range(LANES) if (own := [each for each in found if each % LANES == lane]) != sorted(own)
        ],
        "too few": [] if len(committed) == orders - orders // 5 else [len(committed)],
    }
    return ", ".join(f"{what}: {which}" for what, which in problems.items() if which)


def _worker(redis_url: str) -> upnext.Worker:
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.event("order.taken").on
    async def note(order: int) -> None: ...

    return worker


async def _subscribe(worker: upnext.Worker) -> None:
    namespace = await broker_for(worker.registry.settings)
    await namespace.partition(0).publisher.subscribe("order.taken", [HANDLER])


def main() -> int:
    """Perform the runs that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database_url")
    parser.add_argument("redis_url")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--orders", type=int, default=30)
    arguments = parser.parse_args()
    wrong = 0
    for seed in range(arguments.seed, arguments.seed + arguments.runs):
        if problem := run(arguments.database_url, arguments.redis_url, arguments.orders, seed):
            wrong += 1
            sys.stdout.write(f"seed {seed}: {problem}\n")
    sys.stdout.write(f"{arguments.runs} runs, {wrong} wrong\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
