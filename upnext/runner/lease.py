"""The thread that keeps a worker among the living.

It has its own connection and shares nothing with the event loop, so that user code that blocks the loop does not make
the worker look dead. A lease that was taken away is not asked for again: the worker goes on under a new id, and
whatever it still does under the old one is refused by the server.
"""

from __future__ import annotations

import asyncio
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING

from upnext.broker.failures import backoff
from upnext.broker.leases import LeaseClient
from upnext.broker.redis_types import RedisError
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from upnext.broker.keys import Keys

RENEWALS = 5
"""How often a lease is renewed within its length."""


class LeaseKeeper:
    """Holds a worker's lease.

    Args:
        url: The server's address.
        keys: The partition's keys.
        lease: Its length in seconds.
        told: What the worker says of itself, as JSON.
        joined: Called in the event loop with each new worker id.
    """

    def __init__(self, url: str, keys: Keys, lease: float, metadata: str, joined: Callable[[str], None]) -> None:
        self._url = url
        self._keys = keys
        self._lease = lease
        self._metadata = metadata
        self._joined = joined
        self._loop = asyncio.get_running_loop()
        self._pulse = asyncio.Event()
        self._wake = threading.Event()
        self._stopping = False
        self._lost = False
        self._held_until = 0.0
        self._failing = False
        self._heard = monotonic()
        self.worker_id = ""
        self._thread = threading.Thread(target=self._keep, name="upnext-lease", daemon=True)

    def start(self) -> None:
        """Begin; the first lease is announced through `joined`."""
        self._thread.start()

    @property
    def held(self) -> bool:
        """Whether the lease stands for certain, by this machine's monotonic clock."""
        return monotonic() < self._held_until

    @property
    def trouble(self) -> str:
        """Why nobody should count on this worker now, "" if it is well; can be asked from any thread."""
        if self._failing or self._held_until - monotonic() < self._lease / 2:
            return "its lease cannot be renewed"
        blocked = monotonic() - self._heard
        return f"its event loop has been blocked for {blocked:.1f} s" if blocked > self._lease else ""

    def lose(self, worker_id: str) -> None:
        """Note that the server knows no lease of that id; the thread joins again under a new one."""
        if worker_id == self.worker_id:
            self._lost = True
            self._held_until = 0.0
            self._wake.set()

    async def still_mine(self, worker_id: str) -> bool:
        """Say whether jobs claimed under that id may start; waits while nobody can know (a thaw, an outage)."""
        while worker_id == self.worker_id and not self._stopping:
            if self.held:
                return True
            pulse = self._pulse
            await pulse.wait()
        return False

    def stop(self) -> None:
        """Stop renewing; `leave` ends the lease itself."""
        self._stopping = True
        self._wake.set()
        self._pulse.set()

    async def leave(self, seconds: float) -> None:
        """Give the lease back, if the server can be reached within that time; else it runs out by itself."""
        self.stop()
        await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(self._thread.join, seconds))], timeout=seconds)

    def _keep(self) -> None:
        failures = 0
        client = LeaseClient(self._url, self._keys, self._lease)
        while not self._stopping:
            self._wake.clear()
            began = monotonic()
            try:
                if not self.worker_id or self._lost or not client.renew(self.worker_id):
                    self._join(client)
                self._held_until = began + self._lease
                self._tell(self._beat)
                failures, self._failing = 0, False
            except (RedisError, OSError) as error:
                failures, self._failing = failures + 1, True
                if failures == 1:
                    log.warning("The lease cannot be renewed now: %s", type(error).__name__)
                self._wake.wait(min(backoff(failures), self._lease / 10))
                continue
            self._wake.wait(max(self._lease / RENEWALS - (monotonic() - began), 0.0))
        if self.worker_id:
            self._leave(client)
        client.close()

    def _join(self, client: LeaseClient) -> None:
        # The id carries the length of the lease: whoever watches it knows how often it must have been renewed.
        worker_id = f"{os.urandom(8).hex()}.{round(self._lease * 1000)}"
        client.join(worker_id, self._metadata)
        self._lost = False
        self.worker_id = worker_id
        self._tell(lambda: self._joined(worker_id))

    def _leave(self, client: LeaseClient) -> None:
        try:
            client.leave(self.worker_id)
        except (RedisError, OSError) as error:
            log.warning("The lease could not be given back (%s); it runs out by itself", type(error).__name__)

    def _beat(self) -> None:
        self._heard = monotonic()
        pulse, self._pulse = self._pulse, asyncio.Event()
        pulse.set()

    def _tell(self, callback: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)


class LeaseGuard:
    """What a worker holds under one id, as far as it can know.

    Args:
        keeper: What keeps the lease.
        worker_id: The id that the jobs were claimed under.
    """

    __slots__ = ("_keeper", "_worker_id")

    def __init__(self, keeper: LeaseKeeper, worker_id: str) -> None:
        self._keeper = keeper
        self._worker_id = worker_id

    def is_valid(self) -> bool:
        """Say whether its jobs may start; can be asked from any thread."""
        return self._worker_id == self._keeper.worker_id and self._keeper.held

    async def wait_valid(self) -> bool:
        """Say whether its jobs may start; waits while nobody can know (a thaw, an outage)."""
        return await self._keeper.still_mine(self._worker_id)
