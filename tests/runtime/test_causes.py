"""What keeps a worker or a command from its server is named by its cause, in the log, by the probe and by commands."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import ServiceFile, running
from tests.servers import Server, valkey_binary
from tests.waiting import wait_until, wait_until_async
from upnext.broker.failures import describe_failure

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

NO_PASSWORD = "the server asks for a password and the address has none"
WRONG = "the password in the address is wrong, or its user is"
FULL = "The server's memory is full (maxmemory): raise it, or let the workers catch up."
REPLICA = "The server is a replica, and takes no writes: use the address of its primary."


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Give a server whose passwords and rights the test may change."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server", tcp=True) as server:
        yield server


@pytest.fixture
def admin(own_server: Server) -> Iterator[redis.Redis]:
    """Give a user of it whose rights stay."""
    with redis.Redis.from_url(own_server.url) as client:
        client.acl_setuser("admin", enabled=True, passwords=["+pw"], commands=["+@all"], keys=["*"], channels=["*"])
    with redis.Redis.from_url(own_server.url.replace("redis://", "redis://admin:pw@")) as client:
        yield client


def shop(url: str) -> upnext.Worker:
    worker = upnext.Worker("shop", redis_url=url, lease=1)

    @worker.event("order.placed").on
    async def bill(n: int) -> int:
        return n

    return worker


async def test_a_rotated_password_is_named_and_that_it_is_taken_again(
    own_server: Server, admin: redis.Redis, command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log of a worker that runs, by its probe, and by commands; never the server's words for programmers."""
    caplog.set_level(logging.INFO, "upnext")
    admin.config_set("requirepass", "old")
    bare, url = own_server.url, own_server.url.replace("redis://", "redis://:old@")
    async with running(shop(url)) as service:
        admin.config_set("requirepass", "new")
        admin.client_kill_filter(_type="normal", skipme=True)
        await wait_until_async(lambda: WRONG in service.trouble())
        for what in ("claim jobs", "renew the lease"):
            line = f"Cannot {what} now (the server rejects this client: {WRONG}); retrying"
            await wait_until_async(lambda line=line: line in caplog.messages)
        for address, cause in ((url, WRONG), (bare, NO_PASSWORD)):
            code, out, err = await asyncio.to_thread(command, "status", url=address)
            assert (code, out) == (3, "")
            assert err.endswith(f"rejects this client: {cause}\n")
        admin.config_set("requirepass", "old")
        await wait_until_async(lambda: "Claims jobs again" in caplog.messages)
        await wait_until_async(lambda: "Renews the lease again" in caplog.messages)
        assert service.trouble() == ""


async def test_a_right_that_was_taken_away_is_named_with_its_command(
    own_server: Server, admin: redis.Redis, command: Command
) -> None:
    """Also that to the keys of a namespace."""
    admin.acl_setuser("night", enabled=True, passwords=["+pw"], commands=["+@all"], keys=["*"])
    url = own_server.url.replace("redis://", "redis://night:pw@")
    async with running(shop(url)) as service:
        admin.execute_command("ACL", "SETUSER", "night", "-evalsha")
        await wait_until_async(
            lambda: "this user may not run EVALSHA; see `upnext explain rights`" in service.trouble()
        )
        admin.execute_command("ACL", "SETUSER", "night", "+evalsha", "resetkeys", "~other")
        await wait_until_async(lambda: "may not access the keys of this namespace" in service.trouble())
        code, _, err = await asyncio.to_thread(command, "status", url=url)
        assert code == 3
        assert err.endswith("may not access the keys of this namespace; see `upnext explain rights`\n")
        admin.execute_command("ACL", "SETUSER", "night", "~*")


async def test_what_cannot_be_stored_is_shown_by_the_probe_status_and_doctor(
    own_server: Server, admin: redis.Redis, command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    """A job whose handler has returned is told from one that runs, and one line says when it is over."""
    caplog.set_level(logging.INFO, "upnext")
    admin.acl_setuser("night", enabled=True, passwords=["+pw"], commands=["+@all"], keys=["*"])
    url = own_server.url.replace("redis://", "redis://night:pw@")
    worker = shop(url)
    async with running(worker) as service:
        # Ending a job takes what claiming does not.
        admin.execute_command("ACL", "SETUSER", "night", "-set")
        receipt = await worker.event("order.placed").send(n=1)
        await wait_until_async(lambda: "the end of 1 job(s) cannot be stored" in service.trouble())

        async def shown() -> bool:
            _, out, _ = await asyncio.to_thread(command, "doctor", url=own_server.url)
            return "the end of 1 job(s) cannot be stored" in out

        await wait_until_async(shown)
        _, out, _ = await asyncio.to_thread(command, "status", url=own_server.url)
        assert "the end of 1 job(s) cannot be stored" in out
        admin.execute_command("ACL", "SETUSER", "night", "+set")
        assert await receipt.results(timeout=20) == {"bill": 1}
        await wait_until_async(lambda: "Stores the ends of jobs again" in caplog.messages)
        assert service.trouble() == ""


@pytest.mark.parametrize("said", [FULL, REPLICA])
async def test_a_command_that_writes_says_why_the_server_takes_no_writes(
    own_server: Server, admin: redis.Redis, command: Command, said: str
) -> None:
    """And the way out, as a send does; the server has not gone away."""
    async with running(shop(own_server.url)):
        pass
    if said is FULL:
        admin.config_set("maxmemory", "1")
    else:
        admin.replicaof("127.0.0.1", "1")
    code, out, err = await asyncio.to_thread(command, "handlers", "pause", "bill", url=own_server.url)
    assert (code, out, err) == (3, "", f"upnext: {said}\n")
    if said is FULL:
        admin.config_set("maxmemory", "0")
    else:
        admin.replicaof("NO", "ONE")
    assert (await asyncio.to_thread(command, "handlers", "pause", "bill", url=own_server.url))[0] == 0


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.ENOSPC])
def test_an_error_of_the_system_is_not_taken_for_a_broken_connection(number: int) -> None:
    """It is named by what the system says."""
    words = f"the operating system refused: {os.strerror(number)}"
    assert describe_failure(OSError(number, os.strerror(number))) == words
    assert describe_failure(OSError(number, os.strerror(number), "/app/x.lua")) == f"{words} (/app/x.lua)"
    assert describe_failure(OSError(errno.EHOSTUNREACH, "No route to host")) == "the connection broke"
    assert describe_failure(ConnectionResetError(errno.ECONNRESET, "reset")) == "the connection broke"


LEAKING = """
import resource, threading
worker = upnext.Worker("shop")
LEAK = []

def leak():
    while True:
        try:
            LEAK.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            time.sleep(0.0001)

@worker.event("order.placed").on
async def bill(n: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150))
    threading.Thread(target=leak, daemon=True).start()
"""


def test_a_process_that_can_open_no_connection_says_that_it_is_its_own_doing(
    own_server: Server, tmp_path: Path
) -> None:
    """A leak of file descriptors looks like an outage otherwise."""
    service = ServiceFile(tmp_path, own_server.url, LEAKING)
    said = "this process has no file descriptor left for a connection"
    with service.process() as process:
        wait_until(lambda: own_server.command("EXISTS", "upnext:{default:0}:leases") == b":1\r\n")
        receipt = upnext.Worker("tests", redis_url=own_server.url).event("order.placed").send_sync(n=1)
        receipt.results_sync(timeout=20)
        with redis.Redis.from_url(own_server.url) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        assert process.stderr is not None
        assert any(said in line for line in process.stderr)
