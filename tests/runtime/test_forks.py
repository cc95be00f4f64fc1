"""Child processes that a handler forks: they share nothing with its worker, however they are made and ended."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import upnext
from tests.runtime.proxy import Proxy
from tests.runtime.running import ServiceFile
from tests.waiting import wait_until, wait_until_async
from upnext.connect import reach, run_blocking
from upnext.settings import load

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

HEAD = """
import multiprocessing, signal, concurrent.futures, warnings
warnings.simplefilter("ignore")  # what newer Pythons say of a fork beside threads
fork = multiprocessing.get_context("fork")
worker = upnext.Worker("shop")
event = worker.event("order.placed")
other = worker.event("order.counted")

def sleep(seconds):
    note("child", os.getpid())
    time.sleep(seconds)
"""
CHILDREN = {
    "terminate": """
    child = fork.Process(target=sleep, args=(60,))
    child.start()
    wait_for_child()
    child.terminate()
    child.join(60)
    return child.exitcode""",
    "interrupt": """
    child = fork.Process(target=sleep, args=(60,))
    child.start()
    wait_for_child()
    os.kill(child.pid, signal.SIGINT)
    child.join(60)
    return -15 if child.exitcode == 1 else child.exitcode""",
    "pool": """
    with fork.Pool(2) as pool:
        pool.map_async(sleep, [60, 60])
        wait_for_child()
    return -15""",
    "executor": """
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=fork) as pool:
        future = pool.submit(sleep, 60)
        wait_for_child()
        for pid in list(pool._processes):
            os.kill(pid, signal.SIGTERM)
        try:
            future.result(60)
        except concurrent.futures.process.BrokenProcessPool:
            return -15""",
    "os.fork": """
    pid = os.fork()
    if pid == 0:
        try:
            sleep(60)
        finally:
            os._exit(1)
    wait_for_child()
    os.kill(pid, signal.SIGTERM)
    return -os.WTERMSIG(os.waitpid(pid, 0)[1])""",
}
WAIT = """
def wait_for_child():
    while not any(line.startswith("child") for line in open(os.environ["LEDGER"])):
        time.sleep(0.01)
"""


def no_uvloop(directory: Path) -> dict[str, str]:
    """Return the environment of a process that finds no uvloop."""
    folder = directory / "without"
    folder.mkdir()
    hidden = "import sys, importlib.util as u\nfind = u.find_spec\n"
    hidden += "u.find_spec = lambda name, *rest: None if name == 'uvloop' else find(name, *rest)\n"
    (folder / "sitecustomize.py").write_text(hidden)
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("uvloop", [True, False], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_signal_to_a_forked_child_ends_it_and_nothing_else(
    valkey_url: str, tmp_path: Path, kind: str, *, uvloop: bool
) -> None:
    """As in any Python program: the worker goes on, and stops in order afterwards."""
    handlers = "".join(
        f"\n@worker.task(name={name!r})\n{kind} run():\n    open(os.environ['LEDGER'], 'w').close(){body}\n"
        for name, body in CHILDREN.items()
    )
    settings = {} if uvloop else no_uvloop(tmp_path)
    service = ServiceFile(tmp_path, valkey_url, HEAD + WAIT + handlers, **settings)
    sender = upnext.Worker("shop", redis_url=valkey_url)
    with service.process() as process:
        for name in CHILDREN:

            @sender.task(name=name)
            def run() -> int:
                raise AssertionError

            assert run.submit_sync().result_sync(timeout=60) == -15, name
            assert process.poll() is None
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("way", ["event.send_sync(n=2)", "asyncio.run(event.send(n=2))"])
def test_a_forked_child_sends_over_a_connection_of_its_own(
    valkey_url: str, tmp_path: Path, kind: str, way: str
) -> None:
    """Also where the parent has sent before, and goes on sending meanwhile."""
    blocking = "await other.send(n=0)" if kind == "async def" else "other.send_sync(n=0)"
    body = f"""
@event.on
{kind} handle(n: int) -> None:
    if n == 1:
        {blocking}
        pid = os.fork()
        if pid == 0:
            try:
                {way}
                {way}
                os._exit(0)
            finally:
                os._exit(1)
        for _ in range(20):
            {blocking}
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            {"await asyncio.sleep(0.01)" if kind == "async def" else "time.sleep(0.01)"}
        note("ended", os.waitstatus_to_exitcode(ended[1]))
    else:
        note("sent", n)

@other.on
async def count(n: int) -> None:
    note("counted")
"""
    service = ServiceFile(tmp_path, valkey_url, HEAD + body)
    with service.process():
        upnext.Worker("tests", redis_url=valkey_url).event("order.placed").send_sync(n=1)
        service.ledger.wait_for("ended 0", timeout=60)
        service.ledger.wait_for("sent 2", 2)
        service.ledger.wait_for("counted", 21)
    assert service.ledger.count("sent 2") == 2


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_child_that_leaves_the_handler_that_forked_it_ends_there(valkey_url: str, tmp_path: Path, kind: str) -> None:
    """It is not a second worker: the job is settled once, and nothing of the child is left."""
    body = f"""
@event.on
{kind} handle(n: int) -> None:
    if os.fork() == 0:
        note("pid", os.getpid())
        if n == 2:
            raise ValueError
        return
    note("parent", n)
"""
    service = ServiceFile(tmp_path, valkey_url, HEAD + body)
    sender = upnext.Worker("tests", redis_url=valkey_url).event("order.placed")
    with service.process() as process:
        for n in (1, 2):
            assert sender.send_sync(n=n).results_sync(timeout=60) == {"handle": None}
        service.ledger.wait_for("pid", 2)
        service.ledger.wait_for("parent", 2)
        pids = [int(line.split()[1]) for line in service.ledger.lines if line.startswith("pid")]
        wait_until(lambda: all(_has_ended(pid) for pid in pids))
        assert process.poll() is None


def test_a_forked_child_keeps_neither_the_port_nor_the_connections_of_a_dead_worker(
    valkey_url: str, tmp_path: Path
) -> None:
    """An orphan that works on must not keep the next process from listening, nor swallow its jobs' wake-ups."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    body = f"""
api = upnext.Api("shop", port={port})

@event.on
def handle(n: int) -> None:
    if os.fork() == 0:
        sleep(60)
        os._exit(0)
    wait_for_child()
    note("forked")
    time.sleep(60)
"""
    # No other test's worker has this name, nor do connections that this process still has.
    service = ServiceFile(tmp_path, valkey_url, HEAD.replace('"shop"', '"orphans"') + WAIT + body)

    async def clients() -> list[bytes]:
        """Return the connections of the worker."""
        broker = await reach(load(redis_url=valkey_url))
        listed: bytes = await broker.link.command("CLIENT", "LIST")
        return [line for line in listed.splitlines() if b"name=upnext-orphans" in line]

    with service.process() as process:
        upnext.Worker("tests", redis_url=valkey_url).event("order.placed").send_sync(n=1)
        service.ledger.wait_for("forked", timeout=60)
        assert run_blocking(clients())
        process.kill()
        process.wait()
        child = next(int(line.split()[1]) for line in service.ledger.lines if line.startswith("child"))
        try:
            wait_until(lambda: not run_blocking(clients()), what="the end of the worker's connections")
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", port))
                listener.listen()
        finally:
            os.kill(child, 9)


ORPHAN = """
import concurrent.futures.thread, logging  # their hooks hold locks: let them do so as briefly as they can
import os, sys, threading

sent = threading.Event()

def tell(word):
    print(word, flush=True)
    return sys.stdin.readline()

def send():
    try:
        upnext.Worker("tests").event("order.placed").send_sync(n=1)
    finally:
        sent.set()

def dial():
    threading.Thread(target=send, daemon=True).start()
    tell("dialling")

def finish():
    tell("forked")
    sent.wait()

life, hooked = int(sys.argv[1]), "hooked" in sys.argv
if hooked:  # registered before those of upnext: the first runs after its, the second before
    os.register_at_fork(before=dial, after_in_parent=finish)
import upnext
from upnext.runner.listeners import listen

(listener,) = listen(("127.0.0.1", 0))
if not hooked:
    dial()
lives, alive = os.pipe()
if os.fork() == 0:
    os.write(alive, b"!")
    os.read(life, 1)
else:
    os.read(lives, 1)
    print(listener.getsockname()[1], flush=True)
os._exit(0)
"""
"""Dials, listens, forks and ends. Its child lives on until the pipe ends."""


@contextmanager
def orphan(url: str, *arguments: str) -> Iterator[tuple[Callable[[], str], Callable[[], None]]]:
    """Run it; give what returns its next word (with the last, the port, it has ended), and what lets it go on."""
    life, end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", ORPHAN, str(life), *arguments],
        env=os.environ | {"UPNEXT_REDIS_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[life],
        bufsize=0,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def tell() -> None:
        stdin.write(b"\n")

    def hear() -> str:
        word: str = stdout.readline().decode().strip()
        if word.isdigit():
            process.wait()
        return word

    try:
        yield hear, tell
    finally:
        os.close(life)
        os.close(end)
        process.kill()
        process.communicate()


class Gate(Proxy):
    """Lets nothing through until it is opened, and counts the connections that have ended on the other side."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.heard, self.gate = asyncio.Event(), asyncio.Event()
        self.made = self.ended = 0

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, age: int) -> None:
        self.heard.set()
        await self.gate.wait()
        await super()._pass(data, writer, age)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.made += 1
        try:
            await super().serve(reader, writer)
        finally:
            self.ended += 1


@pytest.mark.parametrize("hooks", [["hooked"], []], ids=["answered while the fork ends", "never answered"])
async def test_a_child_that_is_forked_while_a_connection_is_made_keeps_neither_it_nor_a_port(
    valkey_url: str, hooks: list[str]
) -> None:
    """Neither where other hooks run between the fork and upnext's own, nor where its parent dies at once."""
    async with Gate(valkey_url).serving() as proxy:
        with orphan(proxy.url, *hooks) as (hear, tell):
            assert await asyncio.to_thread(hear) == "dialling"
            await wait_until_async(proxy.heard.is_set)
            tell()
            if hooks:
                assert await asyncio.to_thread(hear) == "forked"
                proxy.gate.set()
                tell()
            port = int(await asyncio.to_thread(hear))
            proxy.gate.set()
            await wait_until_async(lambda: proxy.ended == proxy.made, what="the end of all connections")
            assert proxy.made > 0
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", port))
                listener.listen()


def _has_ended(pid: int) -> bool:
    """Return whether a process has gone, or is a zombie that its parent has not looked at."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip() or state.startswith("Z")
