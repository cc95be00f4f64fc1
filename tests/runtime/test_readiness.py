"""Whether a worker takes jobs now: what `--probe` answers while the server is there, frozen, gone and back."""

from __future__ import annotations

import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import upnext
from tests.runtime.running import ServiceFile, running
from tests.servers import Server, free_port, valkey_binary
from tests.waiting import wait_until, wait_until_async
from upnext.runner.http_pages import parse
from upnext.runner.readiness_probe import answering

LEAKING = """
import resource
worker = upnext.Worker("shop")
LEAK = []

@worker.cron(every=__import__("datetime").timedelta(seconds=1))
async def leak():
    if LEAK:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150))
    try:
        while True:
            LEAK.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        os.write(LEDGER, b"leaked\\n")

LEDGER = os.open(os.environ["LEDGER"], os.O_APPEND | os.O_WRONLY)
"""


def ask(port: int) -> tuple[int, str]:
    """Return what the probe says; 0 if nobody listens there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Give a server that the test may stop."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server", tcp=True, appendonly=True) as server:
        yield server


def idle(url: str) -> upnext.Worker:
    """Return a worker with one handler."""
    worker = upnext.Worker("shop", redis_url=url, lease=1)

    @worker.event("order.placed").on
    async def handle(n: int) -> int:
        return n

    return worker


@pytest.mark.parametrize(
    ("end", "begin"),
    [(Server.pause, Server.resume), (Server.kill, Server.start)],
    ids=["frozen", "gone"],
)
async def test_a_worker_is_ready_only_while_its_server_answers(
    own_server: Server, end: Callable[[Server], None], begin: Callable[[Server], None]
) -> None:
    """It says so when the server is frozen or gone, and takes it back when the server is there again."""
    worker = idle(own_server.url)
    async with running(worker) as service:
        await wait_until_async(lambda: service.trouble() == "")
        end(own_server)
        await wait_until_async(lambda: "worker 'shop' takes no jobs: its lease cannot be renewed" in service.trouble())
        begin(own_server)
        await wait_until_async(lambda: service.trouble() == "")
        assert await (await worker.event("order.placed").send(n=1)).results(timeout=20) == {"handle": 1}
    assert service.trouble() == "worker 'shop' takes no jobs: it is stopping"


async def test_a_server_that_stores_nothing_makes_a_worker_unready(own_server: Server) -> None:
    """It answers, so that only what it answers tells."""
    async with running(idle(own_server.url)) as service:
        await wait_until_async(lambda: service.trouble() == "")
        own_server.command("CONFIG SET min-replicas-to-write 1")
        await wait_until_async(lambda: service.trouble() != "")
        own_server.command("CONFIG SET min-replicas-to-write 0")
        await wait_until_async(lambda: service.trouble() == "")


async def test_a_blocked_event_loop_is_told_by_a_thread(own_server: Server) -> None:
    """Its lease is kept, but it takes no jobs."""
    worker, port, seen = upnext.Worker("shop", redis_url=own_server.url, lease=1), free_port(), list[str]()

    @worker.task
    async def block() -> None:
        def blocked() -> bool:
            seen.append(ask(port)[1])
            return "event loop has been blocked" in seen[-1]

        wait_until(blocked)

    async with running(worker) as service:
        with answering(str(port), service.trouble):
            await block.wait()
            await wait_until_async(lambda: service.trouble() == "")
    assert seen[0] == "ready\n"


def test_each_process_answers_on_a_port_of_its_own(tmp_path: Path, own_server: Server) -> None:
    """503 while the server is waited for, 200 when jobs are taken, nothing when it has ended."""
    own_server.kill()
    body = "worker = upnext.Worker('shop')\n@worker.event('e').on\nasync def h(n: int) -> None: ...\n"
    service, port = ServiceFile(tmp_path, own_server.url, body), free_port()
    with service.process("--processes", "2", "--probe", str(port)) as process:
        for each in (port, port + 1):
            wait_until(lambda each=each: ask(each) == (503, "the server is waited for\n"), timeout=60)
        own_server.start()
        for each in (port, port + 1):
            wait_until(lambda each=each: ask(each) == (200, "ready\n"), timeout=60)
        process.terminate()
        assert process.wait(30) == 0
    assert ask(port) == (0, "")


@pytest.mark.parametrize("address", ["", "x", "0", "70000", "host:", "65535x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """With the option's name."""
    with pytest.raises(upnext.ConfigError, match=r"probe=.* cannot be used: it must be PORT or HOST:PORT"):
        parse(address)


def test_a_port_that_is_taken_is_told(own_server: Server) -> None:
    """Rather than a worker that nobody can ask."""
    assert isinstance(own_server.address, tuple)
    with pytest.raises(upnext.ConfigError, match="is the port taken"), answering(str(own_server.address[1]), str):
        pass


def test_a_client_that_goes_away_before_its_answer_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """Probes have short time limits, and go away in the middle of answers: that is nothing to see."""
    asked, gone, port = threading.Event(), threading.Event(), free_port()

    def trouble() -> str:
        asked.set()
        gone.wait(10)
        return "x" * 5_000_000

    with answering(f"127.0.0.1:{port}", trouble):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it resets
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert asked.wait(10)
        gone.set()
        wait_until(lambda: not any("process_request" in thread.name for thread in threading.enumerate()))
    assert capfd.readouterr().err == ""


def test_the_probe_answers_in_a_process_that_has_no_descriptor_left(tmp_path: Path, valkey_url: str) -> None:
    """It keeps one for that: an orchestrator would end a process that goes on with its jobs."""
    service, port = ServiceFile(tmp_path, valkey_url, LEAKING), free_port()
    with service.process("--probe", str(port)):
        service.ledger.wait_for("leaked")
        assert [ask(port) for _ in range(3)] == [(200, "ready\n")] * 3
