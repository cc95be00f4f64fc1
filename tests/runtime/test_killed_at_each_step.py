"""A worker dies between any two of its commands: no slot, claim or value stays taken, and no job is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import hiredis
import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.proxy import Proxy
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.broker import Broker
from upnext.broker.idempotency import task_scope
from upnext.broker.keys import Keys
from upnext.broker.resp import pack
from upnext.broker.schedules import ScheduleStore
from upnext.broker.scripts import script
from upnext.runner.scheduler import Scheduler

_NAMES = (
    "claim", "claim_limited", "claim_by_value", "peek", "start", "finish", "retry", "bury", "free", "free_by_value",
)  # fmt: skip
_JOB_STEPS = {script(name).sha.encode(): name for name in _NAMES}
FAILING = 2
DATABASES = 15


_TICK_SCRIPTS = {script(name).sha.encode(): name for name in ("publish", "publish_unique")}


def step_of_a_job(words: list[bytes]) -> str | None:
    """Return what a worker asks for a job with this command, None if it is about something else."""
    return _JOB_STEPS.get(words[1]) if words[0] == b"EVALSHA" else None


def step_of_a_tick(words: list[bytes]) -> str:
    """Return what a process asks that sends ticks: whatever it says is a step."""
    return _TICK_SCRIPTS.get(words[1]) or "script" if words[0] == b"EVALSHA" else words[0].decode()


class FatalWay(Proxy):
    """A way to a server that ends at a step, for good: what its client says from there on reaches nobody.

    Args:
        upstream: The server's URL, `unix://...`.
        step_of: Names the step that a command is, None if it is none.
        steps: How many steps are carried out before.
        heard: Whether the client hears what became of the last of them.
        forgetful: Whether the server loses its scripts before each step.
    """

    def __init__(
        self,
        upstream: str,
        step_of: Callable[[list[bytes]], str | None],
        steps: int = 10**9,
        *,
        heard: bool = True,
        forgetful: bool = False,
    ) -> None:
        super().__init__(upstream)
        self._upstream = upstream
        self._step_of = step_of
        self.left = steps
        self.heard = heard
        self.forgetful = forgetful
        self.taken: list[str] = []
        self.ended = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    def _end(self) -> None:
        self.ended.set()
        for writer in self._open:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, a command at a time."""
        if self.ended.is_set():
            writer.close()
            return
        up_reader, up_writer = await asyncio.open_unix_connection(self._path)
        self._open |= {writer, up_writer}
        back = asyncio.create_task(self._copy(up_reader, writer, 0))
        commands = hiredis.Reader()
        try:
            while data := await reader.read(1 << 16):
                commands.feed(data)
                while (words := commands.gets()) is not False:
                    step = self._step_of(words)
                    if step is not None and not self.left:
                        self._end()
                    if self.ended.is_set():
                        return
                    if step is not None:
                        self.left -= 1
                        self.taken.append(step)
                        if self.forgetful:
                            async with Redis.from_url(self._upstream) as client:
                                await client.script_flush()
                        if not self.left and not self.heard:
                            back.cancel()
                            await asyncio.wait([back])
                            up_writer.write(pack(words))
                            await up_reader.read(1)
                            self._end()
                            return
                    up_writer.write(pack(words))
        finally:
            back.cancel()
            up_writer.close()
            writer.close()


class Shop:
    """A worker whose handler fails on one of its jobs; what it does after it was killed does not count."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self.worker = upnext.Worker("shop", redis_url=url, lease=60, grace=0)
        self.now = Counter[int]()
        self.peak = 0
        self.worker.event("saved").on(name="index", retries=1, retry_delay=0, **options)(self._index)
        self.saved = self.worker.event("saved")

    async def _index(self, doc: int, n: int) -> int:
        self.now[doc] += 1
        self.peak = max(self.peak, *self.now.values())
        await asyncio.sleep(0)
        self.now[doc] -= 1
        if n == FAILING:
            raise ValueError(n)
        return n


async def take_over(url: str) -> None:
    """Do at once what living workers do when the lease of a dead one has run out."""
    broker = Broker(url, Keys("default"))
    for worker_id in await broker.link.command("ZRANGE", broker.keys.leases, 0, -1):
        await broker.link.command("ZADD", broker.keys.leases, 1, worker_id)
        assert await broker.maintenance.expire(worker_id.decode(), 1)
        while await broker.maintenance.reclaim(worker_id.decode()):
            pass
    await broker.close()


def ways(server: str, step_of: Callable[[list[bytes]], str | None], steps: int) -> list[FatalWay]:
    """Return those that end before each step, and after each without its answer."""
    told = [(step, heard) for step in range(steps) for heard in (True, False)[: step + 1]]
    return [FatalWay(server, step_of, step, heard=heard) for step, heard in told]


async def at_each(scenes: Sequence[Callable[..., Awaitable[None]]], server: str) -> None:
    """Play every scene, each in a database of its own."""
    for start in range(0, len(scenes), DATABASES):
        batch = enumerate(scenes[start : start + DATABASES], 1)
        await asyncio.gather(*(scene(database=database) for database, scene in batch))
        async with Redis.from_url(server) as client:
            await client.flushall()


async def killed_after(server: str, database: int, options: dict[str, Any], way: FatalWay) -> None:
    """Have a worker die at a step of its work, and another one end what it has begun."""
    url = f"{server}?db={database}"
    async with way.serving():
        victim, heir = Shop(f"{way.url.removesuffix('0')}{database}", options), Shop(url, options)
        async with running(victim.worker):
            docs = [1, 1, 2, 2]
            receipts = [await heir.saved.send(doc=doc, n=n) for n, doc in enumerate(docs)]
            waits = asyncio.gather(*(receipt.results(timeout=30) for receipt in receipts), return_exceptions=True)
            ends = asyncio.ensure_future(waits)
            while not (ends.done() or way.ended.is_set()):
                await asyncio.wait([ends], timeout=0.01)
    await take_over(url)
    async with running(heir.worker), Redis.from_url(url) as client:
        for receipt, end in zip(receipts, await ends, strict=True):
            expected = isinstance(end, upnext.JobFailedError) or (isinstance(end, dict) and end.keys() == {"index"})
            assert expected, (way.taken, receipt, end)
        # What has ended takes nothing from the next ones.
        for doc in (1, 2):
            again = await heir.saved.send(doc=doc, n=0)
            assert not any(job.existing for job in again.jobs), way.taken
            assert await again.results(timeout=30) == {"index": 0}

        async def left() -> list[Any]:
            kinds = ("slots", "taken", "line", "unique", "later", "queue")
            return [key for kind in kinds for key in await client.keys(f"upnext:*:{kind}*")]

        async def nothing_left() -> bool:
            return not [key for key in await left() if not key.endswith(b":queues")]

        await wait_until_async(nothing_left, timeout=30)
    assert max(victim.peak, heir.peak) <= options.get("limit", 9), way.taken


MORE: list[dict[str, Any]] = [{"unique": True}, {"limit": 1}, {"limit": 1, "by": "doc"}, {"rate": "1000/second"}]


@pytest.mark.parametrize(
    "options",
    [{"unique": "doc", "limit": 1}, *(pytest.param(each, marks=pytest.mark.modes) for each in MORE)],
    ids=str,
)
async def test_a_worker_that_is_killed_between_two_commands_leaves_nothing_taken(
    valkey_url: str, options: dict[str, Any]
) -> None:
    """Before each of its steps, and after it without having heard of it; and where the server loses its scripts."""
    forgetful = FatalWay(valkey_url, step_of_a_job, forgetful=True)
    await killed_after(valkey_url, 0, options, forgetful)
    steps = len(forgetful.taken)
    assert {"finish", "bury", "retry"} <= set(forgetful.taken)
    await at_each(
        [partial(killed_after, valkey_url, options=options, way=way) for way in ways(valkey_url, step_of_a_job, steps)],
        valkey_url,
    )


MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
LATE = timedelta(milliseconds=5)  # by which processes look after a tick
LOOKS = [timedelta(minutes=10), timedelta(hours=1) + LATE, timedelta(hours=3, minutes=20), timedelta(hours=3.5) + LATE]
TICKS = {"hourly": [1], "often": [1, 3.5], "nightly": [3]}
"""The hours at which each is to run. Nobody looks from one to three, and only what is to run at night catches up."""


class Clock(ScheduleStore):
    """What the server knows of schedules, at a time that the test sets."""

    time = MIDNIGHT

    async def now(self) -> datetime:
        await super().now()
        return self.time


class Keeper:
    """A process that keeps the schedules of a worker, without running their tasks."""

    def __init__(self, url: str) -> None:
        worker = upnext.Worker("shop", redis_url=url)

        @worker.cron(every=timedelta(hours=1))
        async def hourly() -> None: ...

        @worker.cron(every=timedelta(minutes=30), unique=True)
        async def often() -> None: ...

        @worker.cron("0 3 * * *", catch_up=True)
        async def nightly() -> None: ...

        self._broker = Broker(url, Keys("default"))
        self._clock = Clock(self._broker)
        self._scheduler = Scheduler(worker.registry, self._clock)

    async def look(self, moment: datetime) -> None:
        self._clock.time = moment
        await self._scheduler.look()

    async def close(self) -> None:
        await self._broker.close()


async def look_until_killed(keeper: Keeper, moment: datetime, way: FatalWay) -> None:
    """Have a process look at its schedules, as far as it comes."""
    look, killed = asyncio.create_task(keeper.look(moment)), asyncio.create_task(way.ended.wait())
    await asyncio.wait([look, killed], return_when=asyncio.FIRST_COMPLETED)
    if not way.ended.is_set():
        killed.cancel()
        return await look
    look.cancel()
    await asyncio.wait([look])
    return None


async def tick_sender_killed_after(server: str, database: int, way: FatalWay, *, is_alone: bool) -> None:
    """Have a process die at a step of its ticks; one that starts in its place, or others that were up, go on."""
    url = f"{server}?db={database}"
    async with way.serving():
        victim = Keeper(f"{way.url.removesuffix('0')}{database}")
        others = [] if is_alone else [Keeper(url)]
        for after in LOOKS:
            moment = MIDNIGHT + after
            if not way.ended.is_set():
                await look_until_killed(victim, moment, way)
            if way.ended.is_set() and is_alone and not others:
                others = [Keeper(url)]
            for other in others:
                await other.look(moment + timedelta(seconds=20))
        for keeper in (victim, *others):
            await keeper.close()
    async with Redis.from_url(url) as client:
        for task, hours in TICKS.items():
            handler, names = f"shop||{task}", Keys("default")
            moments = [round((MIDNIGHT + timedelta(hours=hour)).timestamp() * 1000) for hour in hours]
            expected = {names.idempotency(task_scope(handler), f"tick-{moment}") for moment in moments}
            assert {key.decode() for key in await client.keys(f"*:key:*{task}:*")} == expected, (way.taken, way.heard)
            waiting = await client.lrange(names.queue(handler), 0, -1)
            assert len(waiting) == (1 if task == "often" else len(hours)), (task, way.taken, way.heard)


@pytest.mark.parametrize("is_alone", [True, False])
async def test_a_process_that_is_killed_at_any_step_of_its_ticks_leaves_each_to_run_once(
    valkey_url: str, is_alone: bool
) -> None:
    """Whether another one starts in its place or has been up: among several schedules, and as it catches up."""
    unharmed = FatalWay(valkey_url, step_of_a_tick)
    await tick_sender_killed_after(valkey_url, 0, unharmed, is_alone=is_alone)
    assert {"TIME", "ZSCORE", "ZADD", "publish", "publish_unique"} <= set(unharmed.taken)
    await at_each(
        [
            partial(tick_sender_killed_after, valkey_url, way=way, is_alone=is_alone)
            for way in ways(valkey_url, step_of_a_tick, len(unharmed.taken))
        ],
        valkey_url,
    )
