"""What is done to a fleet and its server, chosen by a seed."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

from tests.chaos.fleet import LEASE, Fleet


class Injector:
    """Does one fault after the other.

    Args:
        fleet: The processes.
        random: Chooses the faults and their times.
    """

    def __init__(self, fleet: Fleet, random: Random) -> None:
        self._fleet = fleet
        self._server = fleet.server
        self._random = random
        self.done: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Inject faults for so long."""
        loop = asyncio.get_running_loop()
        stop = loop.time() + seconds
        faults = [
            *(self.kill, self.kill, self.kill_sender, self.terminate, self.freeze),
            *(self.cut, self.forget_scripts, self.stall, self.restart),
        ]
        while loop.time() < stop:
            await asyncio.sleep(self._random.uniform(0.1, 1.0))  # the pace of the faults
            fault = self._random.choice(faults)
            self.done[fault.__name__] += 1
            await fault()

    def _victim(self) -> int:
        return self._random.randrange(len(self._fleet.workers))

    async def kill(self) -> None:
        """`kill -9` of a worker."""
        n = self._victim()
        self._fleet.workers[n].kill()
        await asyncio.to_thread(self._fleet.replace_worker, n)

    async def kill_sender(self) -> None:
        """`kill -9` of the sender."""
        self._fleet.sender.kill()
        await asyncio.to_thread(self._fleet.replace_sender)

    async def terminate(self) -> None:
        """SIGTERM of a worker with a short grace."""
        n = self._victim()
        self._fleet.workers[n].terminate()
        await asyncio.to_thread(self._fleet.replace_worker, n)

    async def freeze(self) -> None:
        """SIGSTOP of a worker, often past its lease."""
        await self._fleet.freeze(self._victim(), self._random.uniform(0.2, 2.5) * LEASE)

    async def cut(self) -> None:
        """All connections of clients are cut."""
        self._server.command("CLIENT KILL TYPE normal")

    async def forget_scripts(self) -> None:
        """The server forgets the scripts."""
        self._server.command("SCRIPT FLUSH")

    async def stall(self) -> None:
        """The server is frozen for a while, often past all leases."""
        self._server.pause()
        await asyncio.sleep(self._random.uniform(0.1, 1.5) * LEASE)  # how long it is frozen
        self._server.resume()

    async def restart(self) -> None:
        """The server is killed or stopped, and comes back with its data."""
        end = self._server.kill if self._random.random() < 0.5 else self._server.stop
        end()
        await asyncio.sleep(self._random.uniform(0, 1))  # how long it is away
        self._server.start()
