"""Servers that are there and will not do what they are asked, for a while: nobody gives up, and nothing is lost."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

import upnext
from tests.runtime.running import running
from tests.servers import Server, valkey_binary
from tests.waiting import wait_until, wait_until_async


@contextmanager
def demoted(server: Server) -> Iterator[None]:
    """READONLY for writes, and UNBLOCKED for whoever waits in a blocking read."""
    server.command("REPLICAOF 127.0.0.1 1")
    yield
    server.command("REPLICAOF NO ONE")


@contextmanager
def without_replicas(server: Server) -> Iterator[None]:
    """NOREPLICAS."""
    server.command("CONFIG SET min-replicas-to-write 1")
    yield
    server.command("CONFIG SET min-replicas-to-write 0")


@contextmanager
def unable_to_save(server: Server) -> Iterator[None]:
    """MISCONF: the last snapshot could not be written, a folder being where it should go."""
    (server.directory / "dump.rdb").mkdir()
    server.command("CONFIG SET save", '"3600 1"')
    server.command("BGSAVE")
    wait_until(lambda: b"rdb_last_bgsave_status:err" in server.command("INFO persistence"))
    yield
    server.command("CONFIG SET stop-writes-on-bgsave-error no")


@contextmanager
def busy(server: Server) -> Iterator[None]:
    """BUSY: somebody's script runs for long."""
    server.command("CONFIG SET lua-time-limit 10")
    endless = threading.Thread(target=server.command, args=('EVAL "while 1 do end" 0',))
    endless.start()
    wait_until(lambda: server.command("PING").startswith(b"-BUSY"))
    yield
    wait_until(lambda: server.command("SCRIPT KILL").startswith(b"-NOTBUSY"))
    endless.join()


@contextmanager
def starved(server: Server) -> Iterator[None]:
    """Half a second of every second nothing is answered."""
    server.command("CLIENT PAUSE 500 ALL")
    yield
    server.command("CLIENT PAUSE 500 ALL")


@contextmanager
def crowded(server: Server) -> Iterator[None]:
    """No more connections are taken, and those that were are cut, all but our own."""
    with socket.socket(socket.AF_UNIX) as only:
        only.connect(str(server.address))
        only.sendall(b"CONFIG SET maxclients 1\r\nCLIENT KILL TYPE normal SKIPME yes\r\n")
        wait_until(lambda: server.command("PING") == b"-ERR max number of clients reached\r\n")
        yield
        only.sendall(b"CONFIG SET maxclients 100\r\n")


@pytest.mark.parametrize("trouble", [demoted, without_replicas, unable_to_save, busy, starved, crowded])
async def test_a_server_that_refuses_for_a_while_is_waited_for(
    tmp_path: Path, trouble: Callable[[Server], AbstractContextManager[None]]
) -> None:
    """Sends that began meanwhile are stored after it, what was running ends, and the worker goes on."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server") as server:
        worker = upnext.Worker("shop", redis_url=server.url, lease=1)
        event = worker.event("order.placed")
        release, numbers = asyncio.Event(), []

        @event.on
        async def handle(n: int) -> int:
            numbers.append(n)
            await release.wait()
            return n

        async with running(worker):
            first = await event.send(n=1)
            await wait_until_async(lambda: numbers == [1])
            with trouble(server):
                sending = asyncio.create_task(event.send(n=2))
                release.set()
                await asyncio.wait([sending], timeout=0.5)
                assert trouble is starved or not sending.done()
            assert await (await sending).results(timeout=20) == {"handle": 2}
            assert await first.results(timeout=20) == {"handle": 1}
            assert await (await event.send(n=3)).results(timeout=20) == {"handle": 3}
    assert sorted(set(numbers)) == [1, 2, 3]


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """Connections stay open, and nothing is answered."""
    server.pause()
    yield
    server.resume()


async def test_a_send_ends_with_a_typed_error_when_the_trouble_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its deadline; and where it says that nothing was stored, nothing was."""
    monkeypatch.setenv("UPNEXT_SEND_DEADLINE", "3")  # until then a busy server takes all of a processor
    troubles = [demoted, without_replicas, unable_to_save, busy, crowded, frozen]
    ends = await asyncio.gather(*(_send_in(trouble, tmp_path / trouble.__name__) for trouble in troubles))
    texts = "\n".join(map(str, ends))
    for words in ("is a replica, and", "has fewer replicas than it wants", "cannot write its data to disk"):
        assert f"Nothing was stored, the server {words}" in texts
    names = dict(zip((trouble.__name__ for trouble in troubles), map(type, ends), strict=True))
    assert names.pop("frozen") is upnext.SendOutcomeUnknownError
    assert set(names.values()) <= {upnext.BrokerUnavailableError, upnext.SendOutcomeUnknownError}
    assert upnext.BrokerUnavailableError in names.values()


async def _send_in(trouble: Callable[[Server], AbstractContextManager[None]], directory: Path) -> upnext.BrokerError:
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, directory) as server:
        event = upnext.Worker("shop", redis_url=server.url).event("order.placed")
        await event.send(n=0)
        with trouble(server), pytest.raises(upnext.BrokerError) as raised:
            await event.send(n=1)
        stored = int(server.command("HLEN upnext:{default:0}:events").strip(b":\r\n"))
        assert stored <= 2 - isinstance(raised.value, upnext.BrokerUnavailableError)
        return raised.value


async def test_a_retry_is_stored_on_a_full_server(redis_url: str) -> None:
    """It only moves what is there already; the job then ends, and makes room."""
    worker = upnext.Worker("shop", redis_url=redis_url, lease=1)
    event = worker.event("order.placed")
    started, release = asyncio.Event(), asyncio.Event()

    @event.on(retries=1, retry_delay=0)
    async def handle(n: int) -> int:
        started.set()
        await release.wait()
        if upnext.get_current_context().attempt == 1:
            raise ValueError(n)
        return n

    async with running(worker), Redis.from_url(redis_url) as client:
        receipt = await event.send(n=1)
        await started.wait()
        await client.config_set("maxmemory", "1")
        try:
            release.set()
            assert await receipt.results(timeout=20) == {"handle": 1}
        finally:
            await client.config_set("maxmemory", "0")


async def test_a_server_that_is_still_loading_its_data_is_waited_for(tmp_path: Path) -> None:
    """LOADING is not a refusal: a send that begins before the data are there is stored, and they are delivered too."""
    binary = valkey_binary()
    assert binary is not None
    slow = ("--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024")
    server = Server(binary, tmp_path / "server", appendonly=True, args=slow)
    with server:
        sender = upnext.Worker("sender", redis_url=server.url).event("order.placed")
        before = [await sender.send(n=n) for n in range(150)]
        server.kill()
        coming = asyncio.create_task(asyncio.to_thread(server.start))
        await wait_until_async(lambda: server.command("PING").startswith(b"-LOADING"))
        after = await sender.send(n=150)
        await coming
        worker = upnext.Worker("shop", redis_url=server.url)

        @worker.event("order.placed").on
        async def handle(n: int) -> int:
            return n

        async with running(worker):
            for n, receipt in enumerate([*before, after]):
                assert await receipt.results(timeout=20) == {"handle": n}


def test_a_server_with_too_many_clients_is_named_with_the_way_out(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    """It runs, and this is its address."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server") as server, crowded(server):
        code, out, err = command("status", url=server.url)
    assert (code, out) == (3, "")
    assert "takes no more clients" in err
    assert "Raise maxclients" in err
    assert "Check that it runs" not in err
