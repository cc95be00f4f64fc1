"""Sends what committed transactions left in an outbox, at least once and in order where that was asked for."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from upnext.broker.failures import backoff
from upnext.broker.outbox_reports import OutboxReports
from upnext.broker.redis_types import RedisError
from upnext.connect import broker_for, run_blocking
from upnext.errors import BrokerError, BrokerRefusedError, ConfigError, SendOutcomeUnknownError, UpnextError
from upnext.log import log
from upnext.options import is_finite, is_whole
from upnext.outbox.backlog import BacklogWatch, RelayReading
from upnext.outbox.row import MAX_ATTEMPTS, ClaimedRow, Failure, OutboxStore
from upnext.registry import declarations
from upnext.settings import load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from upnext.broker.protocols import EventPublisher
    from upnext.broker.publish_batcher import Published
    from upnext.settings import Settings
    from upnext.worker import Worker

_TELL_AFTER = (1, 20)  # failures in a row
_LONGEST_PAUSE = 300.0  # seconds between two tries of one row
_LONGEST_ERROR = 1000  # characters that are kept with a row


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
            raise ConfigError(f"Option batch={batch!r} cannot be used: it must be a whole number from 1 to 1000.")
        for option, value in (("interval", interval), ("lease", lease)):
            if not is_finite(value, 0.01):
                raise ConfigError(f"Option {option}={value!r} cannot be used: it must be seconds, at least 0.01.")
        self.store = store
        self.name = name
        self._worker = worker
        self._batch = batch
        self._interval = interval
        self._lease = lease
        self._stopping = asyncio.Event()
        self._failures = 0  # rounds in a row in which nothing went through
        self._trouble = ""
        self._backlog = BacklogWatch(store, name)

    def __repr__(self) -> str:
        """Show whose rows it sends."""
        return f"{type(self).__name__}({self.name!r})"

    @property
    def outbox(self) -> str:
        """What its outbox is called where several services are seen: outboxes of two may have one name."""
        return self.name if self._worker is None else f"{self.name} ({self._worker.name})"

    @property
    def settings(self) -> Settings:
        """Where it sends to."""
        return declarations.adjusted(load()) if self._worker is None else self._worker.registry.settings

    def reading(self) -> RelayReading:
        """Say how it stands; may be called from any thread."""
        return RelayReading(self.outbox, self._backlog.latest, self._trouble)

    async def run(self) -> None:
        """Send until `stop` is called, whatever happens to the database and the server meanwhile."""
        log.info("The relay of %s sends what is committed there", self.name)
        try:
            while not self._stopping.is_set():
                await self._pause(await self._try_round())
        finally:
            self._stopping = asyncio.Event()  # it may run again, perhaps in another event loop
            self._trouble = ""
            await self.store.close()

    def stop(self) -> None:
        """Begin to stop: what was claimed is sent, and no more."""
        self._stopping.set()

    async def send_all(self) -> int:
        """Send what is there now, and return how many rows that were: for tests, and for jobs of cron.

        Raises:
            UpnextError: If a row could not be sent; the others were.
        """
        sent = 0
        try:
            while rows := await self._claim():
                done, failed = await self._publish(rows)
                await self._settle(rows, done, failed)
                sent += len(done)
                if failed:
                    first = next(iter(failed.values()))
                    raise UpnextError(
                        f"{len(failed)} row(s) of {self.name} were not sent, {sent} were: {first}"
                    ) from first
        finally:
            await self.store.close()
        return sent

    def send_all_sync(self) -> int:
        """Do the same as `send_all`, blocking."""
        return run_blocking(self.send_all())

    async def _try_round(self) -> float:
        """Send a batch, and return the seconds until the next one."""
        try:
            rows = await self._claim()
            done, failed = await self._publish(rows) if rows else ([], {})
            if rows:
                await self._settle(rows, done, failed)
        except Exception as error:  # noqa: BLE001  # a database's driver may raise anything; the loop goes on with the next try
            said = str(error).partition("\n")[0]  # SQLAlchemy's goes on with the statement
            self._trouble = f"its database fails ({type(error).__name__}: {said})"
            return self._failed(self._trouble)
        again_in = await self._backlog.look_if_due()
        if again_in is not None:
            await self._report(again_in)
        if failed and not done:
            first = next(iter(failed.values()))
            # What the server refuses is the row's trouble: the others are sent.
            self._trouble = str(first) if _is_servers(first) else ""
            return self._failed(str(first))
        self._recovered()
        return 0.0 if rows else self._interval

    async def _report(self, again_in: float) -> None:
        """Say on the server how far behind the outbox is, for commands and metrics that see no process of a relay."""
        backlog = self._backlog.latest
        assert backlog is not None, "it was just looked at"
        age = None if backlog.oldest is None else backlog.age(time.time())
        try:
            reports = OutboxReports((await broker_for(self.settings)).partition(0))
            await reports.write(
                self.outbox, waiting=backlog.waiting, set_aside=backlog.set_aside, age=age, again_in=again_in
            )
        except (RedisError, OSError) as error:
            # A server that is away is what sends say; without a report it is said that there was none.
            log.debug("How far behind %s is cannot be said on the server: %s", self.name, error)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _failed(self, why: str) -> float:
        self._failures += 1
        if self._failures in _TELL_AFTER:
            log.warning("The relay of %s sends nothing: %s. It goes on trying", self.name, why)
        return max(self._interval, backoff(self._failures))

    def _recovered(self) -> None:
        if self._failures >= _TELL_AFTER[0]:
            log.info("The relay of %s sends again", self.name)
        self._failures, self._trouble = 0, ""

    async def _claim(self) -> Sequence[ClaimedRow]:
        now = time.time()
        return await self.store.claim(self._batch, now, now + self._lease)

    async def _publish(self, rows: Sequence[ClaimedRow]) -> tuple[list[int], dict[int, Exception]]:
        """Send rows, those of one order one after the other until one fails; returns what was sent and what failed."""
        publisher = (await broker_for(self.settings)).publisher
        lanes: dict[object, list[ClaimedRow]] = defaultdict(list)
        for row in rows:
            lanes[row.id if row.row.ordered_by is None else row.row.ordered_by].append(row)
        sent: list[int] = []
        failed: dict[int, Exception] = {}
        await asyncio.gather(*(self._publish_lane(publisher, lane, sent, failed) for lane in lanes.values()))
        return sent, failed

    @staticmethod
    async def _publish_lane(
        publisher: EventPublisher, lane: Sequence[ClaimedRow], sent: list[int], failed: dict[int, Exception]
    ) -> None:
        for claimed in lane:
            try:
                await _publish_row(publisher, claimed)
            except Exception as error:  # noqa: BLE001  # rows can be edited by hand: what one raises is kept with it
                failed[claimed.id] = error
                return
            sent.append(claimed.id)

    async def _settle(self, rows: Sequence[ClaimedRow], sent: Sequence[int], failed: dict[int, Exception]) -> None:
        failures = [self._failure(row, failed[row.id], server_works=bool(sent)) for row in rows if row.id in failed]
        settled = {*sent, *failed}
        await self.store.settle(sent, failures, [row.id for row in rows if row.id not in settled])

    def _failure(self, claimed: ClaimedRow, error: Exception, *, server_works: bool) -> Failure:
        """Say what is noted of a row that was not sent: what is the server's fault alone does not count against it."""
        is_servers = _is_servers(error) and not server_works
        attempts = claimed.attempts if is_servers else claimed.attempts + 1
        pause = backoff(self._failures + 1) if is_servers else min(2.0 ** (attempts - 1), _LONGEST_PAUSE)
        if attempts >= MAX_ATTEMPTS:
            log.error(
                "Row %d of %s (%s) was refused %d times and is set aside, later rows pass it: %s",
                claimed.id,
                self.name,
                claimed.row.name,
                attempts,
                error,
            )
        elif not is_servers:
            log.warning(
                "Row %d of %s (%s) was not sent, attempt %d: %s",
                claimed.id,
                self.name,
                claimed.row.name,
                attempts,
                error,
            )
        return Failure(claimed.id, attempts, f"{type(error).__name__}: {error}"[:_LONGEST_ERROR], time.time() + pause)


def _is_servers(error: Exception) -> bool:
    """Say whether a send failed because of the server, and not because of what was sent."""
    return isinstance(error, BrokerError) and not isinstance(error, BrokerRefusedError)


async def _publish_row(publisher: EventPublisher, claimed: ClaimedRow) -> None:
    row = claimed.row
    store: Callable[..., Awaitable[Published]] = publisher.publish
    if row.is_task:
        store = partial(publisher.submit, unique=declarations.uniqueness_of(row.name))
    delay = 0.0 if row.due_at is None else max(row.due_at - time.time(), 0.0)
    headers: dict[str, str] | None = json.loads(row.headers) if row.headers else None
    body = row.body.encode()
    try:
        await store(row.name, body, delay=delay, key=row.key, headers=headers, event_id=row.event_id)
    except SendOutcomeUnknownError:
        # With its key and its id a second try is safe.
        await store(row.name, body, delay=delay, key=row.key, headers=headers, event_id=row.event_id)
