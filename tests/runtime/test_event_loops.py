"""Event loops that come and go: what a send opened in one ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import upnext
from tests.runtime.running import running
from tests.servers import Server
from upnext.connect import broker_for, connections

WAYS = {
    "asyncio.run": "asyncio.run(send())",
    "loop.close": "loop = asyncio.new_event_loop(); loop.run_until_complete(send()); loop.close(); del loop",
    "thread": "thread = threading.Thread(target=lambda: asyncio.run(send())); thread.start(); thread.join()",
    "uvloop": "loop = uvloop.new_event_loop(); loop.run_until_complete(send()); loop.close(); del loop",
    "shutdown": "loop = asyncio.new_event_loop(); loop.run_until_complete(send());"
    " loop.run_until_complete(loop.shutdown_asyncgens()); loop.close(); del loop",
    "twice": "with asyncio.Runner() as runner: runner.run(send()); runner.run(send())\ndel runner",
}
PROGRAM = """
import asyncio, gc, os, threading, warnings
try:
    import uvloop
except ImportError:
    uvloop = asyncio
import upnext

warnings.simplefilter("error")
worker = upnext.Worker("shop", redis_url={url!r})
placed = worker.event("order.placed")

async def send():
    await placed.send(n=1)

def state():
    gc.collect()
    loops = sum(isinstance(thing, asyncio.AbstractEventLoop) for thing in gc.get_objects())
    return loops, len(os.listdir("/proc/self/fd"))

def turn():
{turn}

turn()
before = state()
for _ in range(20):
    turn()
print(before, state())
assert state() == before
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
@pytest.mark.parametrize("way", WAYS)
async def test_no_event_loop_socket_or_warning_is_left_of_a_send(valkey_url: str, way: str) -> None:
    """However the loop was made and closed, and however many there were."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    namespace = await broker_for(worker.registry.settings)
    await namespace.partition(0).publisher.subscribe("order.placed", ["shop|order.placed|confirm"])
    turn = "\n".join(f"    {line}" for line in WAYS[way].split("\n"))
    program = PROGRAM.format(url=valkey_url, turn=turn)
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


CUT_OFF = """
import asyncio, gc, socket, threading, warnings
import upnext

warnings.simplefilter("error")
server = socket.create_server(("127.0.0.1", 0))
asked = threading.Event()
hung_up = threading.Event()

def be_silent():
    connection, _ = server.accept()
    with connection:
        while connection.recv(1000):
            asked.set()
        hung_up.set()

async def send():
    sending = asyncio.create_task(upnext.Worker("shop", redis_url=url).event("order.placed").send(n=1))
    await asyncio.to_thread(asked.wait)
    assert not sending.done()

url = f"redis://127.0.0.1:{server.getsockname()[1]}"
threading.Thread(target=be_silent, daemon=True).start()
gc.disable()
asyncio.run(send())
assert hung_up.wait(10), "the connection stays open"
gc.collect()
server.close()
"""


@pytest.mark.parametrize("when", ["before the last step", "in it", "after it"])
def test_a_loop_that_ends_while_a_connection_is_closed_waits_for_that(
    when: str, valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As where the namespace of a test is taken away and the loop of all tests ends."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(worker.event("order.placed").send(n=1))
    close = partial(connections.disconnect, valkey_url, "default")

    async def last() -> None:
        close()
        if when == "before the last step":
            await asyncio.sleep(0)

    if when == "after it":
        close()
    else:
        loop.run_until_complete(last())
    loop.close()
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_a_connection_that_is_still_being_made_ends_with_its_event_loop() -> None:
    """Whose server has not said yet who it is."""
    done = subprocess.run([sys.executable, "-c", CUT_OFF], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


CANCELLED = """
import asyncio, gc, logging, sys, warnings
import upnext
from upnext.runner.service import Service

logging.disable(logging.CRITICAL)
warnings.simplefilter("error")

async def work(rounds):
    worker = upnext.Worker("shop", redis_url={url!r})

    @worker.event("order.placed").on
    async def handle(n: int) -> None:
        await asyncio.sleep(0.001)

    service = Service([worker])
    working = asyncio.create_task(service.run())
    if rounds > 20:
        await service.ready()
        await asyncio.gather(*(worker.event("order.placed").send(n=n) for n in range(10)))
    for _ in range(rounds):
        await asyncio.sleep(0.0005)
    for _ in range(1 + rounds % 7):
        working.cancel()
        await asyncio.sleep(0.0005)

for rounds in range(40):
    gc.disable()
    asyncio.run(work(rounds))
    gc.collect()
"""


def test_nothing_is_left_of_a_worker_that_is_cancelled_however_often_and_whenever(valkey_url: str) -> None:
    """Also while it is starting, and while it is stopping because it has been cancelled."""
    program = CANCELLED.format(url=valkey_url)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_job_that_outlives_its_worker_opens_no_connection_again(valkey_server: Server, valkey_url: str) -> None:
    """One that holds out against its cancellation, and ends when everything of the worker is closed."""
    worker = upnext.Worker("shop", redis_url=valkey_url, grace=0)
    began, may_end, ended = (asyncio.Event() for _ in range(3))

    @worker.event("order.placed").on
    async def handle() -> None:
        began.set()
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()
        ended.set()

    async with running(worker):
        await worker.event("order.placed").send()
        await began.wait()
    assert not ended.is_set()
    may_end.set()
    await ended.wait()
    for _ in range(20):  # time in which the worker could have connected again
        await worker.event("order.placed").send()
    assert b"name=upnext-shop " not in valkey_server.command("CLIENT", "LIST")
