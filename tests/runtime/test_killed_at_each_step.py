"""A worker dies between any two of its commands: no slot, claim or value stays taken, and no job is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import hiredis
import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.proxy import Proxy
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.broker import Broker
from upnext.broker.keys import Keys
from upnext.broker.resp import pack
from upnext.broker.scripts import script

_NAMES = (
    "claim", "claim_limited", "claim_by_value", "peek", "start", "finish", "retry", "bury", "free", "free_by_value",
)  # fmt: skip
STEPS = {script(name).sha.encode(): name for name in _NAMES}
"""What a worker asks for a job, by what it is called on the wire."""
FAILING = 2
DATABASES = 15


class FatalWay(Proxy):
    """A way to a server that ends at a step, for good: what its client says from there on reaches nobody.

    Args:
        upstream: The server's URL, `unix://...`.
        steps: How many steps are carried out before.
        heard: Whether the client hears what became of the last of them.
        forgetful: Whether the server loses its scripts before each step.
    """

    def __init__(self, upstream: str, steps: int = 10**9, *, heard: bool = True, forgetful: bool = False) -> None:
        super().__init__(upstream)
        self._upstream = upstream
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
                    step = STEPS.get(words[1]) if words[0] == b"EVALSHA" else None
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
    forgetful = FatalWay(valkey_url, forgetful=True)
    await killed_after(valkey_url, 0, options, forgetful)
    steps = len(forgetful.taken)
    assert {"finish", "bury", "retry"} <= set(forgetful.taken)
    ways = [FatalWay(valkey_url, step, heard=heard) for step in range(steps) for heard in (True, False)[: step + 1]]
    for start in range(0, len(ways), DATABASES):
        batch = enumerate(ways[start : start + DATABASES], 1)
        await asyncio.gather(*(killed_after(valkey_url, database, options, way) for database, way in batch))
        async with Redis.from_url(valkey_url) as client:
            await client.flushall()
