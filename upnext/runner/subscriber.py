"""Subscribes a worker's handlers and tasks: with each new lease, and again if the server has lost them."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from upnext.broker.failures import FailureKind, backoff, classify, describe_failure
from upnext.broker.foreign_data import ForeignDataError, is_wrong_type, warn_foreign
from upnext.broker.handler_id import HandlerId
from upnext.broker.partition_count import PartitionCount
from upnext.broker.redis_types import RedisError, ResponseError
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from upnext.broker.broker import Broker
    from upnext.broker.uniqueness import Uniqueness
    from upnext.runner.reaper import Agree

_LOG_FAILURES = (1, 20)  # in a row
_NAMED = 3  # events or tasks in a line of the log
LOOK = 10.0
"""Seconds between looks whether the subscriptions are still there."""

_MARK = "|mark"
"""Field among the versions, which no event can be called: a mark that the first worker leaves in new data."""

_FOREIGN_PAUSE = 5.0  # seconds between checks whether another program's key is gone


class Subscriber:
    """Subscribes the handlers of one worker in one partition, and registers its tasks, however long it takes.

    Args:
        broker: The partition.
        handlers: Identities of the worker's handlers and tasks.
        uniqueness: What the jobs of some of them are unique by.
        agree: Awaited with the number of partitions to serve; None for all partitions but the first, which knows it.
        subscribed: Called each time the handlers have been subscribed.

    Attributes:
        ready: Set while the handlers are subscribed under the current lease, as far as this process knows.
    """

    def __init__(
        self,
        broker: Broker,
        handlers: Iterable[str],
        uniqueness: Mapping[str, Uniqueness],
        agree: Agree | None,
        subscribed: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._uniqueness = uniqueness
        self._agree = agree
        self._subscribed = subscribed
        self._by_event: dict[str, list[str]] = {}
        self._tasks: list[str] = []
        for identity in handlers:
            handler_id = HandlerId.parse(identity)
            if handler_id.is_task:
                self._tasks.append(identity)
            else:
                self._by_event.setdefault(handler_id.event, []).append(identity)
        self._task: asyncio.Task[None] | None = None
        self._was_subscribed = False
        self._are_registered = False
        self._worker_id = ""
        self._mark = b""  # identifies the data that the handlers are subscribed in
        self._doubted = asyncio.Event()
        self.ready = asyncio.Event()

    def restart(self, worker_id: str) -> None:
        """Subscribe again: the lease is new, and the server may be new as well.

        Args:
            worker_id: The id that the lease is held under.
        """
        self._worker_id = worker_id
        self.ready.clear()
        self.stop()
        self._task = asyncio.create_task(self._subscribe())

    def look(self) -> None:
        """Check soon whether the subscriptions still exist."""
        self._doubted.set()

    def stop(self) -> None:
        """Stop trying."""
        if self._task is not None:
            self._task.cancel()

    async def _subscribe(self) -> None:
        failures, left, is_done = 0, sorted(self._by_event), False
        while True:
            try:
                if is_done:
                    left += await self._wait_for_loss(left)
                    is_done = False
                if self._was_subscribed and not self.ready.is_set():
                    await self._report_lost_data()
                left = [event for event in left if not await self._subscribe_event(event)]
                await self._register_tasks()
                await self._note_mark()
                if self._agree is not None and not self.ready.is_set():
                    # Not earlier: a process that adds partitions after this copies these subscriptions to them.
                    await self._agree((await PartitionCount(self._broker).read()).served)
            except Exception as error:  # noqa: BLE001  # whatever it is, a worker without subscriptions would idle
                failures += 1
                if failures in _LOG_FAILURES:
                    log.warning("Cannot subscribe the handlers yet (%s); retrying", describe_failure(error))
                await asyncio.sleep(backoff(failures))
            else:
                failures, self._was_subscribed, is_done = 0, True, True
                self.ready.set()
                self._subscribed()

    async def _wait_for_loss(self, left: Sequence[str]) -> list[str]:
        """Wait until there is something to subscribe; return the events whose subscriptions are gone.

        That can be while the lease stands: somebody ended them while it had run out, or deleted or evicted their key.

        Args:
            left: Events that another program's key has kept from being subscribed.
        """
        while True:
            try:
                async with asyncio.timeout(_FOREIGN_PAUSE if left else LOOK):
                    await self._doubted.wait()
            except TimeoutError:
                pass
            self._doubted.clear()
            try:
                gone = await self._gone(left)
            except (RedisError, OSError):  # the consumer reports it, and a new connection makes this look again
                continue
            if gone:
                log.warning(
                    "The subscriptions to %s are gone, although the worker lives (unsubscribed while its lease had run "
                    "out, deleted, or evicted): events sent meanwhile may have passed it by. Subscribing again",
                    _listed(gone),
                )
                self._are_registered = False
            if gone or left:
                return gone

    async def _gone(self, left: Sequence[str]) -> list[str]:
        events = [event for event in sorted(self._by_event) if event not in left]
        # The lease last: if the server has lost all of its data, everything is redone under the next lease.
        lease = self._broker.link.command("ZSCORE", self._broker.keys.leases, self._worker_id)
        *stand, ends = await asyncio.gather(*map(self._stands, events), lease)
        return [event for event, stands in zip(events, stand, strict=True) if not stands] if ends else []

    async def _stands(self, event: str) -> bool:
        key = self._broker.keys.subscriptions(event)
        try:
            return None not in await self._broker.link.command("HMGET", key, *self._by_event[event])
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            return True  # another program's key is there, which subscribing will report after the next lease

    async def _subscribe_event(self, event: str) -> bool:
        """Subscribe an event's handlers; False if a foreign key prevents it for this event only."""
        try:
            await self._broker.publisher.subscribe(event, self._by_event[event], self._uniqueness)
        except ForeignDataError as error:
            only_this = error.key == self._broker.keys.subscriptions(event)
            whose = f"the handlers of event {event!r}" if only_this else "the handlers of several events"
            warn_foreign(error.key, f"{whose} cannot be subscribed; the worker's others run. Delete the key")
            return False
        return True

    async def _report_lost_data(self) -> None:
        """Report that earlier subscriptions are gone: the server has lost its data, and jobs with them."""
        if gone := [event for event in sorted(self._by_event) if not await self._is_subscribed(event)]:
            log.error(
                "The server has lost data: the subscriptions to %s are gone, and jobs that it had accepted may be. "
                "Subscribing again",
                _listed(gone),
            )
        elif self._are_registered and (unknown := await self._unregistered_tasks()):
            log.error(
                "The server has lost data: it does not know the tasks %s any more, and jobs that it had accepted may "
                "be gone. Registering them again",
                _listed([HandlerId.parse(identity).name for identity in unknown]),
            )
        elif self._mark and await self._broker.link.command("HGET", self._broker.keys.versions, _MARK) != self._mark:
            log.error(
                "The server has lost data: other processes have begun anew there, and jobs that it had accepted before "
                "may be gone"
            )
        else:
            return
        self._was_subscribed, self._are_registered, self._mark = False, False, b""

    async def _is_subscribed(self, event: str) -> bool:
        try:
            return bool(await self._broker.link.command("HLEN", self._broker.keys.subscriptions(event)))
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            return True  # nothing was lost: another program's key is there, which subscribing will report

    async def _register_tasks(self) -> None:
        """List the tasks beside the handlers that have queues, so that commands show them and lost data is noticed.

        Nothing else depends on it, so a server that is full, or another program's key there, keeps no task waiting.
        """
        if self._are_registered or not self._tasks:
            return
        try:
            await self._broker.link.command("SADD", self._broker.keys.queues, *self._tasks)
        except ResponseError as error:
            if classify(error) is not FailureKind.FULL and not is_wrong_type(error):
                raise
        else:
            self._are_registered = True

    async def _note_mark(self) -> None:
        """Mark the data, or read their mark: a different mark later means that the data were lost."""
        if self._mark:
            return
        key = self._broker.keys.versions
        try:
            await self._broker.link.command("HSETNX", key, _MARK, uuid.uuid4().hex)
            self._mark = await self._broker.link.command("HGET", key, _MARK)
        except ResponseError as error:  # as above
            if classify(error) is not FailureKind.FULL and not is_wrong_type(error):
                raise

    async def _unregistered_tasks(self) -> list[str]:
        try:
            known = await self._broker.link.command("SMISMEMBER", self._broker.keys.queues, *self._tasks)
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            return []
        return [task for task, is_known in zip(self._tasks, known, strict=True) if not is_known]


def _listed(names: Sequence[str]) -> str:
    """Name the first few."""
    more = len(names) - _NAMED
    return ", ".join(map(repr, names[:_NAMED])) + (f" and {more} more" if more > 0 else "")
