"""Partitions of one namespace on the nodes of a cluster: all carry it, and one that dies takes only its own along."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from redis.crc import key_slot

import upnext
from tests.deployments.shop import Shop
from tests.deployments.topology import SLOTS, Cluster, ask, replicated
from tests.runtime.running import running
from tests.servers import Server
from tests.waiting import wait_until_async
from upnext.broker.job_ids import partition_of
from upnext.cli import exits, main

pytestmark = pytest.mark.xdist_group("cluster")

PARTITIONS = 6


def home(nodes: Cluster, event_id: str) -> Server:
    """Return the node that serves an event's partition."""
    slot = key_slot(f"upnext:{{default:{partition_of(event_id)}}}:leases".encode())
    return nodes.primaries[slot * len(nodes.primaries) // SLOTS]


async def test_a_namespace_of_several_partitions_uses_every_node(nodes: Cluster) -> None:
    """One worker and one sender are enough for that."""
    shop = Shop(nodes.url, partitions=PARTITIONS)
    async with running(shop.worker):
        receipts = [await shop.event.send(n=n) for n in range(2 * PARTITIONS)]
        for receipt in receipts:
            await receipt.results(timeout=20)
    assert Counter(partition_of(receipt.event_id) for receipt in receipts) == dict.fromkeys(range(PARTITIONS), 2)
    assert {home(nodes, receipt.event_id) for receipt in receipts} == set(nodes.primaries)
    for server in nodes.primaries:
        assert ask(server, "DBSIZE") > 0


async def test_a_primary_that_dies_holds_up_only_its_own_partitions(nodes: Cluster) -> None:
    """The others take events and run them meanwhile; after the failover everything that was accepted is run."""
    shop = Shop(nodes.url, partitions=PARTITIONS)
    sent: dict[int, str] = {}
    refused: list[int] = []

    async def send(n: int) -> None:
        try:
            sent[n] = (await shop.event.send(n=n)).event_id
        except upnext.BrokerError:
            refused.append(n)

    async def send_all(numbers: range) -> None:
        async with asyncio.TaskGroup() as group:
            for n in numbers:
                group.create_task(send(n))
                await asyncio.sleep(0.001)  # the pace of the load

    def elsewhere() -> set[int]:
        return {n for n, event_id in sent.items() if home(nodes, event_id) is not nodes.serving}

    async with running(shop.worker) as service:
        await send_all(range(60))
        await wait_until_async(lambda: shop.ran >= set(sent), timeout=20)
        assert not refused
        await wait_until_async(lambda: replicated(nodes.serving, nodes.replica))
        ask(nodes.replica, "CONFIG", "SET", "cluster-replica-no-failover", "yes")
        nodes.serving.kill()
        sending = asyncio.create_task(send_all(range(100, 160)))
        # Nobody may succeed it yet: what is sent to the others is stored and run all the same.
        await wait_until_async(lambda: len({n for n in elsewhere() if n >= 100} & shop.ran) >= 30, timeout=30)
        ask(nodes.replica, "CONFIG", "SET", "cluster-replica-no-failover", "no")
        await wait_until_async(lambda: b"master" in nodes.replica.command("ROLE"), timeout=40)
        await sending
        await send_all(range(200, 260))
        await wait_until_async(lambda: shop.ran >= set(sent), timeout=40)
        assert {n for n in sent if n >= 200} == set(range(200, 260))
        await service.ready()


async def test_what_is_on_a_node_that_is_away_is_named_and_the_rest_is_shown(
    nodes: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`status` and `dead list` end with 3 then: they have not seen everything."""
    monkeypatch.setenv("UPNEXT_REDIS_URL", nodes.url)
    shop = Shop(nodes.url, partitions=PARTITIONS)
    failing = shop.worker.event("order.lost")

    @failing.on
    async def fail(n: int) -> None:
        raise ValueError(n)

    async with running(shop.worker):
        receipts = [await failing.send(n=n) for n in range(PARTITIONS)]
        for receipt in receipts:
            with pytest.raises(upnext.JobFailedError):
                await receipt.results(timeout=20)
    nodes.other.kill()
    there = {receipt.event_id for receipt in receipts if home(nodes, receipt.event_id) is not nodes.other}
    away = sorted(partition_of(receipt.event_id) for receipt in receipts if receipt.event_id not in there)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        return code, *capsys.readouterr()

    capsys.readouterr()
    shown = {}
    for words, key in ((("status",), "workers"), (("dead", "list"), "dead_letters")):
        code, out, err = await asyncio.to_thread(run, *words, "--format", "json")
        shown = json.loads(out)
        assert code == exits.UNREACHABLE
        assert [one["partition"] for one in shown["unreachable"]] == away
        assert all(f"{partition} (the server cannot be reached: " in err for partition in away)
        assert key in shown
        code, text, err = await asyncio.to_thread(run, *words)
        assert (code, bool(text)) == (exits.UNREACHABLE, True)
        assert err.count("\n") == 2  # where it looked, and what it cannot see
    assert {letter["event_id"] for letter in shown["dead_letters"]} >= there > set()
