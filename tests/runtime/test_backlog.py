"""Far more sends than the way to the server carries at once: each is stored, or ends with what is true of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.proxy import Proxy, proxy_to
from tests.servers import Server, valkey_binary
from tests.waiting import wait_until_async
from upnext.broker.backlog import Backlog
from upnext.connect import broker_for
from upnext.settings import load

EVENTS = "upnext:{default:0}:events"


class Gated(Proxy):
    """Lets so many bytes through to the server, and no more until it is told."""

    budget = 10**9

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, age: int) -> None:
        self.budget -= len(data)
        await wait_until_async(lambda: self.budget >= 0, timeout=60)
        await super()._pass(data, writer, age)


async def test_sends_that_wait_for_their_turn_longer_than_their_deadline_are_stored(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a slow way: as long as others are stored, or bytes move, nobody gives up."""
    monkeypatch.setenv("UPNEXT_SEND_DEADLINE", "1")
    async with proxy_to(valkey_url) as proxy:
        event = upnext.Worker("shop", redis_url=proxy.url).event("order.placed")
        await event.send(text="")
        proxy.delay = 0.02  # for each 64 kB: about 3 MB a second
        receipts = await asyncio.gather(*(event.send(text="x" * 200_000) for _ in range(60)))
        async with Redis.from_url(valkey_url) as client:
            assert await client.hlen(EVENTS) == 61
        assert len({receipt.event_id for receipt in receipts}) == 60


async def test_of_sends_that_end_in_silence_only_what_was_written_is_in_doubt(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What never left says that nothing was stored, and nothing was."""
    monkeypatch.setenv("UPNEXT_SEND_DEADLINE", "2")
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server") as server:
        event = upnext.Worker("shop", redis_url=server.url).event("order.placed")
        await event.send(text="")
        server.pause()
        ends = await asyncio.gather(*(event.send(text="x" * 500_000) for _ in range(100)), return_exceptions=True)
        server.resume()
        kinds = [type(end) for end in ends]
        unstored = kinds.count(upnext.BrokerUnavailableError)
        assert set(kinds) == {upnext.BrokerUnavailableError, upnext.SendOutcomeUnknownError}
        assert unstored > 80
        # Longer than anything that is still on its way takes.
        await event.send(text="last")
        await wait_until_async(lambda: int(server.command("HLEN " + EVENTS).strip(b":\r\n")) >= 2)
        assert int(server.command("HLEN " + EVENTS).strip(b":\r\n")) <= 102 - unstored


async def test_a_send_that_is_given_up_is_not_stored_later(valkey_url: str) -> None:
    """The command that it waits in is taken back, and those who wait in it go with another."""
    proxy = Gated(valkey_url)
    async with proxy.serving():
        event = upnext.Worker("shop", redis_url=proxy.url).event("order.placed")
        await event.send(n=-1)
        proxy.budget = 0
        written = [asyncio.create_task(event.send(text="x" * 400_000)) for _ in range(20)]
        await asyncio.sleep(0)
        broker = await broker_for(load(redis_url=proxy.url))
        await asyncio.wait(written, timeout=0.5)
        given_up = [task for n, task in enumerate(written) if n % 2]
        for task in given_up:
            task.cancel()
        await asyncio.wait(given_up)
        proxy.budget = 10**9
        receipts = await asyncio.gather(*written[::2])
        assert len({receipt.event_id for receipt in receipts}) == 10
        assert broker.backlog.is_full is False


async def test_what_waits_to_be_stored_never_takes_more_memory_than_a_limit(valkey_url: str) -> None:
    """Further sends wait before their payload is encoded, in the order in which they came."""
    proxy = Gated(valkey_url)
    async with proxy.serving():
        event = upnext.Worker("shop", redis_url=proxy.url).event("order.placed")
        await event.send(text="")
        namespace = await broker_for(load(redis_url=proxy.url))
        namespace.backlog._most = 3_000_000
        most = 0

        async def send(n: int) -> int:
            nonlocal most
            await event.send(text="x" * 300_000, n=n)
            most = max(most, namespace.backlog._bytes)
            return n

        ended = [await done for done in asyncio.as_completed([send(n) for n in range(100)])]
        assert sorted(ended) == list(range(100))
        assert 300_000 < most < 4_000_000
        assert namespace.backlog._bytes == 0


async def test_a_send_that_waits_for_room_ends_when_nothing_is_stored() -> None:
    """It says that nothing was stored, within the deadline of a send."""
    backlog = Backlog(0.2, most=10)
    backlog.add(20)
    ends = await asyncio.gather(*(backlog.room() for _ in range(5)), return_exceptions=True)
    assert [str(end) for end in ends] == ["Nothing was stored, the server has not taken anything for 0.2 s."] * 5
    backlog.remove(20, stored=False)
    assert backlog.is_full is False


async def test_the_deadline_of_a_send_is_the_setting(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away is waited for as long as that, and no longer."""
    monkeypatch.setenv("UPNEXT_SEND_DEADLINE", "1")
    event = upnext.Worker("shop", redis_url=f"unix://{tmp_path}/nothing.sock").event("order.placed")
    began = asyncio.get_running_loop().time()
    with pytest.raises(upnext.BrokerUnavailableError):
        await event.send(n=1)
    assert asyncio.get_running_loop().time() - began < 5
