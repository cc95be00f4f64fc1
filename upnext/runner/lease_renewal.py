"""The thread that renews a worker's lease.

It has its own connection and shares nothing with the event loop, so user code that blocks the loop does not make the
worker look dead. (When code holds the interpreter lock, `lease_standby.py` takes over.) A lost lease is not requested
again: the worker continues under a new id, and the server refuses whatever it still does under the old one.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from upnext.broker.failures import backoff, describe_failure
from upnext.broker.leases import LeaseClient
from upnext.broker.redis_types import RedisError
from upnext.elapsed import elapsed
from upnext.log import log
from upnext.runner.running_jobs import unknown
from upnext.runner.trouble_log import TroubleLog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from upnext.broker.claims import Claim, Claims
    from upnext.broker.keys import Keys
    from upnext.runner.worker_record import WorkerRecord

RENEWALS = 5
"""How often a lease is renewed within its length."""

_RELEASES = 100  # jobs handed back by one command


@dataclass(frozen=True, slots=True)
class _Validity:
    """How long a lease is valid if the server has not lost it, by two clocks, because neither shows every pause.

    The one that passes during a suspension of the machine may stand still while a virtual machine is paused; the wall
    clock is then set right, and shows the pause.
    """

    elapsed: float = 0.0
    wall: float = 0.0

    @classmethod
    def of(cls, lease: float) -> _Validity:
        """Return the validity of a lease that is renewed now."""
        return cls(elapsed() + lease, time.time() + lease)

    @property
    def left(self) -> float:
        """The seconds that are left; a wall clock that was set back proves nothing."""
        return min(self.elapsed - elapsed(), self.wall - time.time())


class LeaseKeeper:
    """Holds a worker's lease on one partition.

    Args:
        url: The server's address.
        keys: The partition's keys.
        lease: Its length in seconds.
        record: What the worker says about itself on the server.
        joined: Called in the event loop with each new worker id.
        resumed: Called in the event loop when the lease is renewed after it could not be for a while, or had run out:
            the server may not know any more what it was told before.

    Attributes:
        url: The server's address.
        keys: The partition's keys.
        length: The lease's length in seconds.
        record: What the worker says about itself on the server.
        worker_id: The id that the lease is held under; "" before the first one.
        clock_offset: Seconds by which the server's clock is ahead of this machine's.
        failures: How many renewals have failed.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        lease: float,
        record: WorkerRecord,
        joined: Callable[[str], None],
        *,
        resumed: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = url
        self.keys = keys
        self.length = lease
        self.worker_id = ""
        self.record = record
        self.clock_offset = 0.0
        self.failures = 0
        self._written = ""
        self._joined = joined
        self._resumed = resumed
        self._loop = asyncio.get_running_loop()
        self._pulse = asyncio.Event()
        self._wake = threading.Event()
        self._releases: deque[tuple[str, Claim]] = deque()
        self._recounts: deque[tuple[Claims, int, Callable[[Claims], set[tuple[str, str]]]]] = deque()
        self._stopping = False
        self._lost = False
        self._failing = ""
        self._valid = _Validity()
        self._renewed = 0.0  # when the last renewal that succeeded began
        self._reported_lost: str = ""
        self._thread = threading.Thread(target=self._keep, name="upnext-lease", daemon=True)

    def start(self) -> None:
        """Start the thread; the first lease is announced through `joined`."""
        self._thread.start()

    def is_valid(self) -> bool:
        """Return whether the lease is certainly valid, by this machine's clocks. Thread-safe."""
        return self.is_valid_under(self.worker_id)

    def is_valid_under(self, worker_id: str) -> bool:
        """Return whether the lease is certainly valid and held under that id. Thread-safe."""
        valid = self._valid
        return worker_id == self.worker_id and valid.elapsed > elapsed() and valid.wall > time.time()

    async def wait_valid(self, worker_id: str) -> bool:
        """Return whether jobs claimed under that id may start; waits while that is unknown (a freeze, an outage)."""
        while worker_id == self.worker_id and not self._stopping:
            if self.is_valid_under(worker_id):
                return True
            pulse = self._pulse
            await pulse.wait()
        return False

    @property
    def trouble(self) -> str:
        """Reason that this worker is unhealthy, or an empty string; may be called from any thread."""
        failing = self._failing
        if not failing and self._valid.left >= self.length / 2:
            return ""
        return f"its lease cannot be renewed{': ' if failing else ''}{failing}"

    def lose(self, worker_id: str) -> None:
        """Record that the server knows no lease with that id; the thread joins again under a new one."""
        if worker_id == self.worker_id:
            self._lost = True
            self._valid = _Validity()
            self._wake.set()

    def release(self, worker_id: str, jobs: Sequence[Claim]) -> None:
        """Hand back jobs that were claimed under that id. Thread-safe, returns at once."""
        self._releases.extend((worker_id, claim) for claim in jobs)
        self._wake.set()

    def recount(self, claims: Claims, known: Callable[[Claims], set[tuple[str, str]]]) -> None:
        """Hand back jobs in replies that the event loop has not read; returns at once.

        The server answers a claim also while the loop is blocked. Until this is done nothing is claimed, and the reply
        is not used any more. May be called from any thread.

        Args:
            claims: What the event loop claims with.
            known: Returns field and fencing token of the jobs that it knows.
        """
        claims.recounting = True
        self._recounts.append((claims, claims.begin_epoch(), known))
        self._wake.set()

    def publish(self) -> None:
        """Write the worker's record now instead of with the next renewal. Thread-safe."""
        self._wake.set()

    async def leave(self, seconds: float) -> None:
        """Give the lease back, if the server can be reached in time; otherwise it expires by itself."""
        self._stopping = True
        self._wake.set()
        self._pulse.set()
        await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(self._thread.join, seconds))], timeout=seconds)

    def _keep(self) -> None:
        failures = 0
        renewing = TroubleLog("Cannot renew the lease now (%s); retrying", "Renews the lease again")
        client = LeaseClient(self.url, self.keys, self.length)
        while not self._stopping:
            self._wake.clear()
            began, valid = elapsed(), _Validity.of(self.length)
            try:
                stands = self.worker_id and not self._lost and self._renew(client)
                if not stands:
                    self._join(client)
                elif failures or self._valid.left <= 0:
                    self._in_loop(self._resumed)
                self._renewed, self._valid = began, valid
                self._in_loop(self._beat)
                failures, self._failing = 0, ""
                renewing.worked()
                self._hand_back(client)
            except Exception as error:  # noqa: BLE001  # no reply of a server may end the thread
                failures, self._failing = failures + 1, renewing.failed(error)
                self.failures += 1
                self._wake.wait(min(backoff(failures), self.length / 10))
                continue
            self._wake.wait(max(self.length / RENEWALS - (self.length - valid.left), 0.0))
        if self.worker_id:
            self._leave(client)
        client.close()

    def _renew(self, client: LeaseClient) -> bool:
        record = self.record.text(client.clock_offset)
        stands = client.renew(self.worker_id, None if record == self._written else record)
        self._written, self.clock_offset = record, client.clock_offset
        return stands

    def _join(self, client: LeaseClient) -> None:
        if self.worker_id != self._reported_lost:  # once, even if joining takes several tries
            self._reported_lost = self.worker_id
            log.warning(
                "Lost the lease of worker process %s (last renewed %.1f s ago): what it was running may run elsewhere, "
                "and its results here are discarded; continuing under a new lease",
                self.worker_id,
                elapsed() - self._renewed,
            )
        # The id carries the length of the lease, so that a watcher knows how often it must have been renewed.
        worker_id = f"{os.urandom(8).hex()}.{round(self.length * 1000)}"
        self._written = self.record.text(client.clock_offset)
        client.join(worker_id, self._written)
        self._lost = False
        self.worker_id = worker_id
        self._releases.clear()
        self._recounts.clear()
        self._in_loop(lambda: self._joined(worker_id))

    def _hand_back(self, client: LeaseClient) -> None:
        while self._recounts:
            claims, epoch, known = self._recounts[0]
            if claims.worker_id == self.worker_id:
                held = client.held(claims.worker_id, epoch)
                unread, is_more = unknown(held, known(claims))
                client.release(claims.worker_id, unread)
                if unread:
                    log.info("%d job(s) that were claimed while the event loop is blocked are handed back", len(unread))
                if is_more:
                    self._in_loop(self._resumed)
            claims.recounting = False
            self._recounts.popleft()
        while self._releases:
            batch = [self._releases[n] for n in range(min(len(self._releases), _RELEASES))]
            client.release(self.worker_id, [claim for worker_id, claim in batch if worker_id == self.worker_id])
            for _ in batch:
                self._releases.popleft()

    def _leave(self, client: LeaseClient) -> None:
        try:
            client.leave(self.worker_id)
        except (RedisError, OSError) as error:
            log.warning("Cannot give the lease back (%s); it runs out by itself", describe_failure(error))

    def _beat(self) -> None:
        pulse, self._pulse = self._pulse, asyncio.Event()
        pulse.set()

    def _in_loop(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(callback)


class LeaseGuard:
    """What a worker holds under one id, as far as it can know.

    Args:
        keeper: What keeps the lease.
        worker_id: The id that the jobs were claimed under.

    Attributes:
        is_valid: Returns whether its jobs may start; may be called from any thread.
        wait_valid: Returns whether its jobs may start; waits while that is unknown (after a freeze, during an outage).
    """

    __slots__ = ("is_valid", "wait_valid")

    def __init__(self, keeper: LeaseKeeper, worker_id: str) -> None:
        self.is_valid: Callable[[], bool] = partial(keeper.is_valid_under, worker_id)
        self.wait_valid: Callable[[], Awaitable[bool]] = partial(keeper.wait_valid, worker_id)
