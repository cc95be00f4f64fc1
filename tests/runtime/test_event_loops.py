"""Event loops that come and go: what a send opened in one ends with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
def test_no_event_loop_socket_or_warning_is_left_of_a_send(valkey_url: str, way: str) -> None:
    """However the loop was made and closed, and however many there were."""
    turn = "\n".join(f"    {line}" for line in WAYS[way].split("\n"))
    program = PROGRAM.format(url=valkey_url, turn=turn)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
