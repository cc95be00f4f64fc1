"""`upnext handlers`: pausing lets jobs wait in every worker, resuming lets them run, and both are visible."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"
PREFIX = "upnext:{default:0}:"
CONFIRM, CHARGE = "shop|order.placed|confirm", "shop|order.placed|charge"
SAID = "Handler 'confirm' of 'order.placed' (worker 'shop')"


class Shop:
    """A worker with two handlers of one event, and what they did."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.ran: list[str] = []
        self.worker = upnext.Worker("shop", redis_url=url, partitions=partitions)
        self.placed = self.worker.event("order.placed")

        @self.placed.on
        async def confirm(n: int) -> None:
            self.ran.append(f"confirm {n}")

        @self.placed.on
        async def charge(n: int) -> None:
            self.ran.append(f"charge {n}")


async def told(command: Command, *arguments: str, url: str) -> tuple[int, str, str]:
    """Run a command beside the workers of the test."""
    return await asyncio.to_thread(command, *arguments, url=url)


@pytest.mark.parametrize("partitions", [1, 3])
async def test_a_paused_handlers_jobs_wait_and_the_others_run(
    command: Command, redis_url: str, partitions: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In every partition; resumed, they all run, and none twice."""
    caplog.set_level("INFO", "upnext")
    shop = Shop(redis_url, partitions)
    async with running(shop.worker):
        assert await told(command, "handlers", "pause", "confirm", url=redis_url) == (0, f"{SAID} is paused.\n", "")
        await wait_until_async(lambda: "Paused: handler 'confirm' of 'order.placed' (worker 'shop')" in caplog.text)
        for n in range(20):
            await shop.placed.send(n=n)
        await wait_until_async(lambda: len(shop.ran) >= 20)
        assert {line.split()[0] for line in shop.ran} == {"charge"}
        code, out, _ = await told(command, "handlers", "resume", CONFIRM, url=redis_url)
        assert (code, out) == (0, f"{SAID} is resumed.\n")
        await wait_until_async(lambda: len(shop.ran) == 40)
    assert sorted(shop.ran) == sorted(f"{name} {n}" for name in ("confirm", "charge") for n in range(20))


async def test_a_worker_that_starts_later_does_not_run_what_was_paused_before(command: Command, redis_url: str) -> None:
    """Not even in its first moments."""
    shop = Shop(redis_url)
    async with running(shop.worker):
        pass
    assert (await told(command, "handlers", "pause", "confirm", url=redis_url))[0] == 0
    for n in range(10):
        await shop.placed.send(n=n)
    async with running(shop.worker):
        await wait_until_async(lambda: len(shop.ran) == 10)
        assert {line.split()[0] for line in shop.ran} == {"charge"}


async def test_pauses_are_shown_by_status_doctor_and_list(command: Command, valkey_url: str) -> None:
    """With the time since when."""
    shop = Shop(valkey_url)
    async with running(shop.worker):
        await told(command, "handlers", "pause", "charge", url=valkey_url)
        _, out, _ = await told(command, "status", url=valkey_url)
        assert next(line for line in out.splitlines() if "charge" in line).split()[-3:-1] == ["paused", "for"]
        _, out, _ = await told(command, "status", "--format", "json", url=valkey_url)
        (paused,) = json.loads(out)["paused"]
        assert (paused["worker"], paused["event"], paused["handler"]) == ("shop", "order.placed", "charge")
        assert 0 <= paused["seconds"] < 60
        _, out, _ = await told(command, "doctor", url=valkey_url)
        assert f"warn  paused       paused: {CHARGE}" in out
        _, out, _ = await told(command, "handlers", "list", "--format", "json", url=valkey_url)
        rows = {row["handler"]: row for row in json.loads(out)["handlers"]}
        assert (rows["charge"]["paused"], rows["confirm"]["paused"]) == (True, False)
        assert rows["charge"]["served"] is True
        _, out, _ = await told(command, "handlers", "list", url=valkey_url)
        assert out.splitlines()[0].split() == ["worker", "event", "handler", "waiting", "served", "paused", "since"]


def test_twice_is_said_and_unknown_or_ambiguous_names_change_nothing(command: Command, valkey_url: str) -> None:
    """One name that is wrong keeps the others from being done by half."""
    with redis.Redis.from_url(valkey_url) as client:
        client.sadd(f"{PREFIX}queues", CONFIRM, CHARGE, "mail|order.placed|confirm", "shop||nightly")
        for done in ("is paused", "was paused already"):
            said = f"Task 'nightly' (worker 'shop') {done}.\n"
            assert command("handlers", "pause", "nightly", url=valkey_url)[:2] == (0, said)
        code, out, err = command("handlers", "pause", CHARGE, "chagre", url=valkey_url)
        assert (code, out) == (1, "")
        assert err == "upnext: There is no handler or task 'chagre' here. Did you mean 'charge'?\n"
        assert command("handlers", "pause", "charge", "--event", "order.placde", url=valkey_url) == (
            1,
            "",
            "upnext: There is no handler 'charge' of 'order.placde' here. Did you mean 'order.placed'?\n",
        )
        code, out, err = command("handlers", "pause", "confirm", url=valkey_url)
        assert (code, out) == (1, "")
        assert "Several handlers have the name 'confirm': mail|order.placed|confirm, shop|order.placed|confirm." in err
        assert client.hkeys(f"{PREFIX}paused") == [b"shop||nightly"]


def test_ending_a_subscription_ends_its_pause(command: Command, valkey_url: str) -> None:
    """Or a handler of that name that comes later would wait, and nobody knew why."""
    with redis.Redis.from_url(valkey_url) as client:
        client.sadd(f"{PREFIX}queues", CONFIRM)
        assert command("handlers", "pause", "confirm", url=valkey_url)[0] == 0
        assert command("unsubscribe", "confirm", url=valkey_url)[0] == 0
        assert not client.exists(f"{PREFIX}paused")


@pytest.mark.parametrize("kind", ["string", "list", "huge"])
async def test_another_programs_key_in_that_place_pauses_nothing_and_stops_nobody(redis_url: str, kind: str) -> None:
    """Workers go on, and say once that they cannot read it."""
    shop = Shop(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        if kind == "string":
            client.set(f"{PREFIX}paused", "x")
        elif kind == "list":
            client.rpush(f"{PREFIX}paused", "x")
        else:
            client.hset(f"{PREFIX}paused", mapping={f"k{n}": "1" for n in range(10_001)})
    async with running(shop.worker):
        await (await shop.placed.send(n=1)).results(timeout=15)
    assert len(shop.ran) == 2
