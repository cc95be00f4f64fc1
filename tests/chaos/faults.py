"""What is done to a fleet and its server, chosen by a seed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

from tests.servers import Server

FLEET = 3
LEASE = 1.0


class Fleet:
    """Worker processes of the service, started again when they were ended.

    Args:
        url: The server.
        directory: Where the ledger and the processes' log are.
    """

    def __init__(self, url: str, directory: Path) -> None:
        self.ledger = directory / "ledger"
        self.ledger.touch()
        self._log = (directory / "workers.log").open("ab")
        self._environment = {
            **os.environ,
            "UPNEXT_REDIS_URL": url,
            "UPNEXT_LEASE": str(LEASE),
            "UPNEXT_GRACE": "0.3",
            "LEDGER": str(self.ledger),
        }
        self.processes = [self._spawn() for _ in range(FLEET)]

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "upnext", "run", str(Path(__file__).parent / "service.py")]
        return subprocess.Popen(command, env=self._environment, stderr=self._log)

    def replace(self, n: int) -> None:
        """Start a process in the place of one that has ended."""
        self.processes[n].wait()
        self.processes[n] = self._spawn()

    def end(self) -> None:
        """End all processes."""
        for process in self.processes:
            process.kill()
            process.wait()
        self._log.close()


class Injector:
    """Does one fault after the other.

    Args:
        fleet: The processes.
        server: The server.
        random: Chooses the faults and their times.
    """

    def __init__(self, fleet: Fleet, server: Server, random: Random) -> None:
        self._fleet = fleet
        self._server = server
        self._random = random
        self.done: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Inject faults for so long."""
        loop = asyncio.get_running_loop()
        stop = loop.time() + seconds
        faults = [self.kill, self.kill, self.terminate, self.freeze, self.cut, self.forget_scripts, self.restart]
        while loop.time() < stop:
            await asyncio.sleep(self._random.uniform(0.1, 0.8))  # the pace of the faults
            fault = self._random.choice(faults)
            self.done[fault.__name__] += 1
            await fault()

    async def kill(self) -> None:
        """`kill -9` of a worker."""
        n = self._random.randrange(FLEET)
        self._fleet.processes[n].kill()
        await asyncio.to_thread(self._fleet.replace, n)

    async def terminate(self) -> None:
        """SIGTERM of a worker with a short grace."""
        n = self._random.randrange(FLEET)
        self._fleet.processes[n].terminate()
        await asyncio.to_thread(self._fleet.replace, n)

    async def freeze(self) -> None:
        """SIGSTOP of a worker, often past its lease."""
        process = self._fleet.processes[self._random.randrange(FLEET)]
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.uniform(0.2, 2.5) * LEASE)  # how long it is frozen
        process.send_signal(signal.SIGCONT)

    async def cut(self) -> None:
        """All connections of clients are cut."""
        self._server.command("CLIENT KILL TYPE normal")

    async def forget_scripts(self) -> None:
        """The server forgets the scripts."""
        self._server.command("SCRIPT FLUSH")

    async def restart(self) -> None:
        """The server is killed or stopped, and comes back with its data."""
        end = self._server.kill if self._random.random() < 0.5 else self._server.stop
        end()
        await asyncio.sleep(self._random.uniform(0, 1))  # how long it is away
        self._server.start()
