"""Clusters: any node will do to begin with, slots move, primaries die."""

from __future__ import annotations

import asyncio

import pytest
from redis.crc import key_slot

import upnext
from tests.deployments.shop import Shop
from tests.deployments.topology import KEY, Cluster, ask, replicated
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.cli import main
from upnext.connect import reach
from upnext.settings import load

pytestmark = [
    pytest.mark.xdist_group("cluster"),
    pytest.mark.parametrize("nodes", ["valkey9", "redis6.2"], indirect=True, scope="module"),
]


async def test_any_node_leads_to_the_one_that_serves_the_partition(nodes: Cluster) -> None:
    """Also a plain address: its answer points the way."""
    shop = Shop(nodes.other.url)
    async with running(shop.worker):
        await shop.send(range(10))
        await (await shop.event.options(delay=0.1, key="k").send(n=10)).results(timeout=20)
        sender = upnext.Worker("other", redis_url=nodes.url).event("order.placed")
        await (await sender.send(n=11)).results(timeout=20)
        await wait_until_async(lambda: shop.ran == set(range(12)))
    stored = await (await reach(load(redis_url=nodes.url))).dead_letters.dead()
    assert stored == []


async def test_a_slot_that_moves_is_followed(nodes: Cluster) -> None:
    """While it moves, key by key, sends wait; then all of it goes on at the other node, and back."""
    shop = Shop(nodes.url)
    async with running(shop.worker):
        for source, target in ((nodes.serving, nodes.other), (nodes.other, nodes.serving)):
            stop = asyncio.Event()
            load_ = asyncio.create_task(shop.send_until(stop, len(shop.accepted)))
            before = len(shop.accepted)
            await wait_until_async(lambda before=before: len(shop.accepted) > before + 20)
            steps = nodes.move_slot(source, target)
            for step in ("open", "moved", "closed"):
                assert await asyncio.to_thread(next, steps) == step
            there = len(shop.accepted)
            await wait_until_async(lambda there=there: len(shop.accepted) > there + 20)
            stop.set()
            await load_
        await wait_until_async(lambda: shop.ran == shop.accepted)
    assert shop.accepted == set(range(len(shop.accepted)))


async def test_a_slot_that_an_interrupted_move_has_left_open_is_told_with_the_way_out(
    nodes: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some of its keys are here, some there, and nothing passes by itself."""
    await upnext.Worker("sender", redis_url=nodes.url).event("order.placed").send(n=1)
    steps = nodes.move_slot(nodes.serving, nodes.other)
    assert next(steps) == "open"
    key = ask(nodes.serving, "CLUSTER", "GETKEYSINSLOT", key_slot(KEY.encode()), 1)[0]
    ask(nodes.serving, "MIGRATE", *nodes.other.address, key, 0, 5000)
    monkeypatch.setenv("UPNEXT_REDIS_URL", nodes.url)
    code = await asyncio.to_thread(main, ["doctor"])
    said = capsys.readouterr().err
    assert [*steps] == ["moved", "closed"]
    assert [*nodes.move_slot(nodes.other, nodes.serving)] == ["open", "moved", "closed"]
    assert code == 3
    assert "the cluster is moving its data: should that not pass, `redis-cli --cluster fix` ends a reshard" in said


async def test_a_primary_that_dies_under_load_is_succeeded_by_its_replica(nodes: Cluster) -> None:
    """Whatever was accepted and had reached the replica is run, and so is whatever is accepted later."""
    shop = Shop(nodes.serving.url)  # the address of the node that dies: the others are learned
    async with running(shop.worker) as service:
        stop = asyncio.Event()
        sending = asyncio.create_task(shop.send_until(stop, 0))
        await wait_until_async(lambda: len(shop.accepted) > 50)
        safe = set(shop.accepted)
        await wait_until_async(lambda: replicated(nodes.serving, nodes.replica))
        nodes.serving.kill()
        doubtful = set(shop.accepted) - safe
        await wait_until_async(lambda: b"master" in nodes.replica.command("ROLE"), timeout=40)
        there = len(shop.accepted)
        await wait_until_async(lambda: len(shop.accepted) > there + 50, timeout=40)
        stop.set()
        await sending
        await wait_until_async(lambda: shop.ran >= shop.accepted - doubtful, timeout=40)
        await service.ready()
