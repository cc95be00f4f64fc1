"""The lease that makes a worker one of the living; kept on a connection and in a thread of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from upnext.broker.connection import SOCKET_TIMEOUT, PipelinedConnection
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from upnext.broker.keys import Keys


class LeaseClient:
    """Joins, renews and leaves, blocking: user code that blocks the event loop cannot delay it.

    Args:
        url: The server's address.
        keys: The partition's keys.
        lease: Seconds that it stands without being renewed.
    """

    def __init__(self, url: str, keys: Keys, lease: float) -> None:
        self._link = PipelinedConnection(url, keys, "upnext-lease", min(SOCKET_TIMEOUT, lease / 2))
        # An event loop of this thread's own, which runs only while a command is under way.
        self._loop = asyncio.Runner()
        self._keys = keys
        self._lease_ms = round(lease * 1000)

    def join(self, worker_id: str, metadata: str) -> None:
        """Take a lease under an id never used before; `told` is what the worker says of itself, as JSON."""
        self._call("join", (self._keys.leases, self._keys.workers), (worker_id, self._lease_ms, metadata))

    def renew(self, worker_id: str) -> bool:
        """Renew the lease; False if it was taken away, or the server has lost it."""
        return bool(self._call("renew", (self._keys.leases,), (worker_id, self._lease_ms)))

    def leave(self, worker_id: str) -> int:
        """Give the lease back; returns how many jobs are left to the living to reclaim."""
        keys = self._keys
        names = (keys.leases, keys.workers, keys.claims(worker_id), keys.dead_workers)
        return int(self._call("leave", names, (worker_id,)))

    def close(self) -> None:
        """Close the connection."""
        self._loop.run(self._link.close())
        self._loop.close()

    def _call(self, name: str, keys: tuple[str, ...], words: tuple[Any, ...]) -> Any:
        return self._loop.run(self._link.call(script(name), keys, words))
