"""Delivers what committed transactions left in an outbox: at least once, and in order where required."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from upnext.broker.failures import backoff, describe_failure
from upnext.broker.outbox_reports import OutboxReports
from upnext.broker.redis_types import RedisError
from upnext.connect import broker_for, run_blocking
from upnext.errors import ConfigError, UpnextError
from upnext.log import log
from upnext.names import brief
from upnext.options import is_finite, is_whole
from upnext.outbox.backlog import BacklogWatch, RelayReading
from upnext.outbox.lanes import Lanes
from upnext.outbox.row import MAX_ATTEMPTS, ClaimedRow, Failure, OutboxStore
from upnext.registry import declarations
from upnext.settings import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.namespace import Namespace
    from upnext.outbox.lanes import Lane
    from upnext.settings import Settings
    from upnext.worker import Worker

_WARN_AFTER = (1, 20)  # failures in a row
_LONGEST_PAUSE = 300.0  # seconds between two tries of one row
_LONGEST_ERROR = 1000  # characters that are kept with a row
# Seconds before a row is claimed again that was not tried, since its partition is away: longer than it takes to put off
# many thousands, and a quarter of the time that this has lasted.
_SHORTEST_PUT_OFF, _LONGEST_PUT_OFF = 5.0, 30.0
_LONGEST_REPORT = 1.0  # seconds
_PRUNE_EVERY = 3600.0  # seconds


class Relay:
    """Takes rows out of an outbox and sends them; `upnext run` runs it beside the workers of a file.

    A row is claimed, sent with its key, and deleted. Whatever ends a relay in between, another one, or the same one
    started again, sends the row once more, which the server stores only once within 24 hours.

    Args:
        store: The rows.
        name: What it is called in the log.
        worker: A worker whose server and namespace it sends to; by default those of the environment.
        batch: How many rows it claims at once.
        interval: Seconds between two looks at an outbox that was empty.
        lease: Seconds after which others may send what it has claimed.

    Attributes:
        store: The rows.
        name: What it is called in the log.

    Raises:
        ConfigError: If one of the last three cannot be used.
    """

    def __init__(
        self,
        store: OutboxStore,
        name: str,
        worker: Worker | None = None,
        *,
        batch: int = 100,
        interval: float = 0.5,
        lease: float = 60.0,
    ) -> None:
        if not is_whole(batch, 1, 1000):
            raise ConfigError(f"Option batch={brief(batch)} cannot be used: it must be a whole number from 1 to 1000.")
        for option, value in (("interval", interval), ("lease", lease)):
            if not is_finite(value, 0.01):
                raise ConfigError(f"Option {option}={brief(value)} cannot be used: it must be seconds, at least 0.01.")
        self.store = store
        self.name = name
        self._worker = worker
        self._batch = batch
        self._interval = interval
        self._lease = lease
        self._stopping = asyncio.Event()
        self._failures = 0  # consecutive rounds in which nothing was sent
        self._trouble = ""
        self._backlog = BacklogWatch(store, name)
        self._lanes = Lanes(name)
        self._users = 0  # of the store: `run`, and calls of `send_all`
        self._prune_at = 0.0

    def __repr__(self) -> str:
        """Show the worker whose rows it sends."""
        return f"{type(self).__name__}({self.name!r})"

    @property
    def outbox(self) -> str:
        """The name of its outbox among several services: outboxes of two may share a name."""
        return self.name if self._worker is None else f"{self.name} ({self._worker.name})"

    @property
    def settings(self) -> Settings:
        """The settings of the destination."""
        return declarations.adjusted(load()) if self._worker is None else self._worker.registry.settings

    def reading(self) -> RelayReading:
        """Return the relay's state. Thread-safe."""
        return RelayReading(self.outbox, self._backlog.latest, self._trouble)

    async def run(self) -> None:
        """Send until `stop` is called, whatever happens to the database and the server meanwhile."""
        log.info("The relay of %s sends what is committed there", self.name)
        self._users += 1
        try:
            while not self._stopping.is_set():
                await self._pause(await self._try_round())
            await self._finish()
        finally:
            self._stopping = asyncio.Event()  # it may run again, perhaps in another event loop
            self._trouble = ""
            await self._close(self._lanes)

    def stop(self) -> None:
        """Begin to stop: claimed rows are still sent, but no more."""
        self._stopping.set()

    async def send_all(self) -> int:
        """Send the rows that are there now, and return their number: for tests, and for cron jobs.

        Other calls, and the relay itself if it runs, share the work: what they have taken is theirs.

        Raises:
            UpnextError: If a row could not be sent; the others were.
        """
        sent, lanes = 0, Lanes(self.name)
        self._users += 1
        try:
            namespace = await broker_for(self.settings)
            while rows := await self._claim():
                ended = await self._send(lanes, namespace, rows, patient=True)
                sent += sum(lane.sent for lane in ended)
                if failed := [lane.error for lane in ended if lane.error is not None]:
                    raise UpnextError(
                        f"{len(failed)} row(s) of {self.name} were not sent, {sent} were: {failed[0]}"
                    ) from failed[0]
        finally:
            await self._close(lanes)
        return sent

    def send_all_sync(self) -> int:
        """Do the same as `send_all`, blocking."""
        return run_blocking(self.send_all())

    async def _try_round(self) -> float:
        """Send a batch, and return the seconds until the next one."""
        try:
            namespace = await broker_for(self.settings)
        except (UpnextError, OSError) as error:
            self._trouble = f"its server cannot be used ({describe_failure(error)})"
            return self._failed(self._trouble)
        try:
            rows = await self._claim()
            ended = await self._send(self._lanes, namespace, rows)
        except Exception as error:  # noqa: BLE001  # a database's driver may raise anything; the loop goes on with the next try
            self._trouble = _database_trouble(error)
            return self._failed(self._trouble)
        again_in = await self._backlog.look_if_due()
        if again_in is not None:
            await self._report(again_in)
        return self._pause_after(rows, ended)

    def _pause_after(self, rows: Sequence[ClaimedRow], ended: Sequence[Lane]) -> float:
        """Return the seconds until the next batch."""
        if any(lane.sent for lane in ended):
            self._recovered()
            return 0.0 if rows else self._interval
        failed = [lane for lane in ended if lane.error is not None]
        if failed and (self._lanes.is_all_away or not all(lane.is_servers_fault for lane in failed)):
            # A refusal by the server concerns that row: the others are sent.
            self._trouble = str(failed[0].error) if self._lanes.is_all_away else ""
            return self._failed(str(failed[0].error))
        if not self._lanes.is_any_away and not self._lanes.is_sending:
            self._recovered()
        # Rows behind those of a partition that is away must not wait for it.
        return 0.0 if rows and not self._lanes.is_all_away else self._interval

    async def _report(self, again_in: float) -> None:
        """Report on the server how far behind the outbox is, for commands and metrics outside the relay's process."""
        backlog = self._backlog.latest
        assert backlog is not None, "it was just looked at"
        age = None if backlog.oldest is None else backlog.age(time.time())
        try:
            reports = OutboxReports((await broker_for(self.settings)).partition(0))
            async with asyncio.timeout(_LONGEST_REPORT):
                await reports.write(
                    self.outbox, waiting=backlog.waiting, set_aside=backlog.set_aside, age=age, again_in=again_in
                )
                if time.monotonic() >= self._prune_at:
                    await reports.prune()
                    self._prune_at = time.monotonic() + _PRUNE_EVERY
        except (UpnextError, RedisError, OSError) as error:
            # Sends report a server that is down; the check for missing reports covers the rest.
            log.debug("How far behind %s is cannot be said on the server: %s", self.name, error)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _failed(self, why: str) -> float:
        self._failures += 1
        if self._failures in _WARN_AFTER:
            log.warning("The relay of %s cannot send (%s); retrying", self.name, why.removesuffix("."))
        return max(self._interval, backoff(self._failures))

    def _recovered(self) -> None:
        if self._failures >= _WARN_AFTER[0]:
            log.info("The relay of %s sends again", self.name)
        self._failures, self._trouble = 0, ""

    async def _claim(self) -> Sequence[ClaimedRow]:
        now = time.time()
        return await self.store.claim(self._batch, now, now + self._lease)

    async def _send(
        self, lanes: Lanes, namespace: Namespace, rows: Sequence[ClaimedRow], *, patient: bool = False
    ) -> list[Lane]:
        """Send rows, and settle those whose sends have ended, including those of earlier batches."""
        begun = lanes.begin(namespace, self.settings.partitions, rows)
        await lanes.wait(begun, patient=patient)
        return await self._settle(lanes)

    async def _settle(self, lanes: Lanes) -> list[Lane]:
        ended = lanes.ended()
        if ended:
            await self.store.settle(
                [row for lane in ended for row in lane.ids],
                [self._failure(lanes, lane, lane.row) for lane in ended if lane.row is not None],
                [row for lane in ended for row in lane.untried],
            )
        return ended

    async def _finish(self) -> None:
        """Settle rows that are still being sent."""
        await self._lanes.finish()
        try:
            await self._settle(self._lanes)
        except Exception as error:  # noqa: BLE001  # as in a round; the rows are sent again, and stored once
            log.warning("The relay of %s cannot send (%s)", self.name, _database_trouble(error))

    async def _close(self, lanes: Lanes) -> None:
        lanes.cancel()
        self._users -= 1
        if not self._users:
            await self.store.close()

    def _failure(self, lanes: Lanes, lane: Lane, claimed: ClaimedRow) -> Failure:
        """Return what is recorded about a row that was not sent: faults of the server alone do not count against it."""
        error, now = lane.error, time.time()
        if error is None:  # put off, with its earlier reason
            pause = min(max(_SHORTEST_PUT_OFF, lanes.away_for(lane.places) / 4), _LONGEST_PUT_OFF)
            return Failure(claimed.id, claimed.attempts, None, now + pause)
        attempts, pause = claimed.attempts, backoff(self._failures + 1)
        if not lane.is_servers_fault:
            attempts += 1
            pause = min(2.0 ** (attempts - 1), _LONGEST_PAUSE)
            self._log_refusal(claimed, attempts, error)
        return Failure(claimed.id, attempts, f"{type(error).__name__}: {error}"[:_LONGEST_ERROR], now + pause)

    def _log_refusal(self, claimed: ClaimedRow, attempts: int, error: Exception) -> None:
        row = claimed.id, self.name, claimed.row.name, attempts, error
        if attempts >= MAX_ATTEMPTS:
            log.error("Row %d of %s (%s) was refused %d times and is set aside, later rows pass it: %s", *row)
        else:
            log.warning("Row %d of %s (%s) was not sent, attempt %d: %s", *row)


def _database_trouble(error: Exception) -> str:
    message = str(error).partition("\n")[0]  # SQLAlchemy's message continues with the statement
    return f"its database fails ({type(error).__name__}: {message})"
