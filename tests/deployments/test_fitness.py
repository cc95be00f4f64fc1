"""What a server must be, and what a client must be allowed: told when a worker starts, not when a job needs it."""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

import upnext
from tests.runtime.proxy import Proxy
from tests.runtime.running import ServiceFile, running
from tests.servers import Server, valkey_binary
from upnext.broker.preflight import KEY_COMMANDS
from upnext.connect import reach
from upnext.settings import load

ROOT = Path(__file__).parents[2]
RULE = re.search(r"ACL SETUSER upnext .*", (ROOT / "docs" / "running.md").read_text())
SERVICE = "worker = upnext.Worker('shop')\n@worker.event('e').on\nasync def h(n: int) -> None: note('ran', n)\n"


def test_every_command_of_the_code_is_tried_at_the_start() -> None:
    """Those in the scripts and those that are sent by themselves; `upnext doctor` says what it may not ask."""
    scripts = [file.read_text() for file in (files("upnext.broker") / "scripts").iterdir()]
    modules = [file.read_text() for room in (".", "broker", "runner") for file in (ROOT / "upnext" / room).glob("*.py")]
    used = {name for text in scripts for name in re.findall(r"\b(?:p?call|read|may|enqueue)\('(\w+)'", text)}
    used |= {name for text in modules for name in re.findall(r"(?:command\(|_scan\(|post\(\()\s*\"([A-Z]+)\"", text)}
    operators = {"LSET", "SCAN"}  # of `upnext jobs`, which names what it lacks; no worker or sender runs them
    of_the_server = {"EVAL", "EVALSHA", "TIME", "INFO", "CLUSTER", "ROLE"}  # they name no key
    assert used - of_the_server - operators == set(KEY_COMMANDS)


async def test_the_documented_rights_are_enough(every_server: Server) -> None:
    """For sends of every kind, retries, results, dead letters and their replay."""
    assert RULE is not None
    assert every_server.command(RULE[0].replace("PASSWORD", "pw")) == b"+OK\r\n"
    assert every_server.command("FLUSHALL") == b"+OK\r\n"
    url = f"{every_server.url}?username=upnext&password=pw"
    worker = upnext.Worker("shop", redis_url=url, lease=1)
    event = worker.event("order.placed")
    tries: list[int] = []

    @event.on(retries=1, retry_delay=0.05)
    async def handle(n: int) -> int:
        tries.append(n)
        if n < 0:
            raise ValueError(n)
        return n

    try:
        early = await event.send(n=1)
        async with running(worker):
            await early.results(timeout=20)
            assert await (await event.options(delay=0.05, key="k").send(n=2)).results(timeout=20) == {"handle": 2}
            failing = await event.send(n=-1)
            for _ in range(2):
                with pytest.raises(upnext.JobFailedError):
                    await failing.results(timeout=20)
                dead_letters = (await reach(load(redis_url=url))).dead_letters
                await dead_letters.replay(failing.jobs[0].id)
        assert tries.count(-1) >= 2
    finally:
        every_server.command("ACL DELUSER upnext")


async def test_the_documented_rights_reach_no_other_namespace(every_server: Server) -> None:
    """Also not one whose name begins with this one's and a colon."""
    assert RULE is not None
    every_server.command(RULE[0].replace("PASSWORD", "pw"))
    try:
        async with Redis.from_url(f"{every_server.url}?username=upnext&password=pw") as client:
            for tag in ("default:0", "default:63"):
                await client.hlen(f"upnext:{{{tag}}}:events")
            for tag in ("default:secret:0", "default:0:0", "other:0"):
                with pytest.raises(NoPermissionError):
                    await client.hlen(f"upnext:{{{tag}}}:events")
    finally:
        every_server.command("ACL DELUSER upnext")


async def test_a_missing_right_ends_the_worker_with_3_and_its_name(server: Server, tmp_path: Path) -> None:
    """Each in the line, so that all of them can be granted at once."""
    assert RULE is not None
    server.command(RULE[0].replace("PASSWORD", "pw").replace(" +zrem", "").replace(" +ltrim", ""))
    service = ServiceFile(tmp_path, f"{server.url}?username=upnext&password=pw", SERVICE)
    try:
        with service.process() as process:
            _, err = await asyncio.to_thread(process.communicate, timeout=40)
    finally:
        server.command("ACL DELUSER upnext")
    assert process.returncode == 3
    assert "cannot be used: this client may not run LTRIM, ZREM; give its user the rights that" in err
    assert "`upnext explain rights` prints" in err
    async with Redis.from_url(server.url) as client:
        assert await client.keys("*probe*") == []


class Older(Proxy):
    """A server that says it is older than it is."""

    def answered(self, data: bytes) -> bytes:
        """Return what becomes of an answer."""
        return re.sub(rb"redis_version:6\.2\.(\d\d)", rb"redis_version:6.0.\1", data)


async def test_a_server_that_is_too_old_ends_the_worker(redis_server: Server) -> None:
    """With its version, and what would do."""
    proxy = Older(redis_server.url)
    async with proxy.serving():
        with pytest.raises(
            upnext.BrokerRefusedError, match=r"Redis 6\.0\.\d+ is too old; use Redis 6\.2 or newer, or Valkey"
        ):
            async with running(upnext.Worker("shop", redis_url=proxy.url)):
                pass


async def test_a_server_that_may_throw_jobs_away_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When a worker starts on it."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path, args=("--maxmemory-policy", "allkeys-lru")) as server:
        async with running(upnext.Worker("shop", redis_url=server.url)):
            pass
    assert (
        "maxmemory-policy is allkeys-lru: when its memory is full it will silently throw away pending jobs"
        in caplog.text
    )
