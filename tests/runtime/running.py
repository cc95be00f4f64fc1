"""Running workers inside a test, or as processes of their own."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.forked import Forked
from tests.waiting import wait_until
from upnext import Worker
from upnext.outbox.relay import Relay
from upnext.runner.service import Service

LEASE = 1.0


def without_server(err: str) -> str:
    """Return what a command wrote to stderr, without the line that says which server and namespace it looks at."""
    return re.sub(r"\AServer \S+, namespace \w+\n", "", err)


@asynccontextmanager
async def running(*workers: Worker | Relay) -> AsyncIterator[Service]:
    """Run workers and relays in the test's own event loop, from when they take jobs until the block ends."""
    service = Service(workers)
    task = asyncio.create_task(service.run())
    ready = asyncio.create_task(service.ready())
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    try:
        if not ready.done():
            ready.cancel()
            await task
        yield service
    finally:
        service.stop()
        await task


class Ledger:
    """What handlers did, in a file outside the system under test: one line an entry, appended in one write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    @property
    def lines(self) -> list[str]:
        """All entries so far."""
        return self.path.read_text().splitlines()

    def count(self, start: str) -> int:
        """Return how many entries begin like that."""
        return sum(line.startswith(start) for line in self.lines)

    def wait_for(self, start: str, times: int = 1, timeout: float = 20.0) -> None:
        """Wait until so many entries begin like that."""
        wait_until(lambda: self.count(start) >= times, timeout, f"{times} x {start!r} in {self.lines[-20:]}")


SERVICE_HEAD = """
import asyncio, os, signal, sys, time
import upnext

def note(*words):
    fd = os.open(os.environ["LEDGER"], os.O_APPEND | os.O_WRONLY)
    os.write(fd, (" ".join(map(str, words)) + "\\n").encode())
    os.close(fd)

def attempt():
    return upnext.get_current_context().attempt
"""


class ServiceFile:
    """A service in a file, run by `upnext run` as often as a test needs.

    Args:
        directory: Where the file and the ledger are written.
        url: The server.
        body: The service; `note(...)` writes to the ledger, `attempt()` is the job's attempt.
        settings: Further environment variables.
    """

    def __init__(self, directory: Path, url: str, body: str, **settings: str) -> None:
        self.ledger = Ledger(directory / "ledger")
        self.file = directory / "service.py"
        self.file.write_text(SERVICE_HEAD + textwrap.dedent(body))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("UPNEXT_")},
            "UPNEXT_REDIS_URL": url,
            "UPNEXT_LEASE": str(LEASE),
            "UPNEXT_GRACE": "2",
            "LEDGER": str(self.ledger.path),
            **settings,
        }

    @contextmanager
    def process(self, *arguments: str, stdin: int = subprocess.PIPE) -> Iterator[Forked]:
        """Start the service; it is killed when the block ends, unless it has ended before.

        Args:
            arguments: Further ones of `upnext run`.
            stdin: Its standard input, by default a pipe that does not end.
        """
        command = ["run", str(self.file), *arguments]
        process = Forked(command, env=self.environment, cwd=self.file.parent, stdin=stdin)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()
