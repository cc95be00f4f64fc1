"""The lease that marks a worker as alive, kept on its own connection and event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from upnext.broker.claims import Claims
from upnext.broker.connection import PipelinedConnection
from upnext.broker.foreign_data import warn_foreign
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.claims import Claim
    from upnext.broker.keys import Keys

_MOST_DIGITS = 12  # of a lease in ms; more digits were written by another program


class LeaseClient:
    """Joins, renews and leaves, blocking: user code that blocks the event loop cannot delay it.

    Args:
        url: The server's address.
        keys: The partition's keys.
        lease: Seconds that it stands without being renewed.

    Attributes:
        clock_offset: Seconds by which the server's clock is ahead of this machine's, as the last renewal showed.
    """

    def __init__(self, url: str, keys: Keys, lease: float) -> None:
        self._connection = PipelinedConnection(url, keys, "upnext-lease", timeout=lease / 2)
        # An event loop of this thread's own, which runs only while a command is under way.
        self._loop = asyncio.Runner()
        self._keys = keys
        self._lease_ms = round(lease * 1000)
        self.clock_offset = 0.0

    def join(self, worker_id: str, record: str) -> None:
        """Take a lease under an id never used before; `record` is what the worker says about itself, as JSON."""
        if not self._call("join", (self._keys.leases, self._keys.workers), (worker_id, self._lease_ms, record)):
            warn_foreign(self._keys.workers, "no worker can be described there; delete the key")

    def renew(self, worker_id: str, record: str | None = None) -> bool:
        """Renew the lease, and replace the worker's record if one is given.

        Returns:
            Whether the lease stands; not if it was taken away, or if the server has lost it.
        """
        words = (worker_id, self._lease_ms) if record is None else (worker_id, self._lease_ms, record)
        now = int(self._call("renew", (self._keys.leases, self._keys.workers), words))
        if now:
            self.clock_offset = now / 1000 - time.time()
        return now > 0

    def release(self, worker_id: str, jobs: Sequence[Claim]) -> None:
        """Hand claimed jobs back for other workers to take at once, except those no longer held."""
        claims = Claims(self._connection, self._keys, worker_id, 0.0)

        async def release() -> None:
            await asyncio.gather(*map(claims.release, jobs))

        self._loop.run(release())

    def held(self, worker_id: str, epoch: int) -> list[Claim]:
        """Return everything that the worker holds according to the server, in an epoch that it has begun."""
        return self._loop.run(Claims(self._connection, self._keys, worker_id, 0.0).held_in(epoch))

    def leave(self, worker_id: str) -> int:
        """Give the lease back; returns how many jobs are left for living workers to reclaim."""
        keys = self._keys
        names = (keys.leases, keys.workers, keys.claims(worker_id), keys.dead_workers)
        return int(self._call("leave", names, (worker_id,)))

    def close(self) -> None:
        """Close the connection."""
        self._loop.run(self._connection.close())
        self._loop.close()

    def _call(self, name: str, keys: tuple[str, ...], words: tuple[Any, ...]) -> Any:
        return self._loop.run(self._connection.call(script(name), keys, words))


def lease_of(worker_id: str) -> float:
    """Return the length of a worker's lease in seconds, which its id contains; 0 if not."""
    milliseconds = worker_id.rpartition(".")[2]
    plain = milliseconds.isascii() and milliseconds.isdecimal() and len(milliseconds) <= _MOST_DIGITS
    return int(milliseconds) / 1000 if plain else 0.0
