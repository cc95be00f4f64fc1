"""Makes a worker's handlers and tasks known to the server, again whenever the worker takes a new lease."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from upnext.broker.failures import FailureKind, backoff, classify, describe_failure
from upnext.broker.foreign_data import ForeignDataError, is_wrong_type, warn_foreign
from upnext.broker.handler_id import HandlerId
from upnext.broker.partition_count import PartitionCount
from upnext.broker.redis_types import ResponseError
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from upnext.broker.broker import Broker
    from upnext.broker.uniqueness import Uniqueness
    from upnext.runner.reaper import Agree

_LOG_FAILURES = (1, 20)  # in a row
_NAMED = 3  # events or tasks in a line of the log
_FOREIGN_PAUSE = 5.0  # seconds between looks whether another program's key is gone


class Subscriber:
    """Subscribes the handlers of one worker in one partition, and registers its tasks, for as long as it takes.

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
        self.ready = asyncio.Event()

    def restart(self) -> None:
        """Subscribe afresh: the lease is new, and the server may be new as well."""
        self.ready.clear()
        self.stop()
        self._task = asyncio.create_task(self._subscribe())

    def stop(self) -> None:
        """Stop trying."""
        if self._task is not None:
            self._task.cancel()

    async def _subscribe(self) -> None:
        failures, left = 0, sorted(self._by_event)
        while True:
            try:
                if self._was_subscribed and not self.ready.is_set():
                    await self._report_lost_data()
                left = [event for event in left if not await self._subscribe_event(event)]
                await self._register_tasks()
                if self._agree is not None and not self.ready.is_set():
                    # Not earlier: a process that adds partitions after this copies these subscriptions to them.
                    await self._agree((await PartitionCount(self._broker).read()).served)
            except Exception as error:  # noqa: BLE001  # whatever it is, a worker without subscriptions would idle
                failures += 1
                if failures in _LOG_FAILURES:
                    log.warning("Cannot subscribe the handlers yet (%s); retrying", describe_failure(error))
                await asyncio.sleep(backoff(failures))
            else:
                failures, self._was_subscribed = 0, True
                self.ready.set()
                self._subscribed()
                if not left:
                    return
                await asyncio.sleep(_FOREIGN_PAUSE)

    async def _subscribe_event(self, event: str) -> bool:
        """Subscribe an event's handlers; False if another program's key keeps this event, and no other, from it."""
        try:
            await self._broker.publisher.subscribe(event, self._by_event[event], self._uniqueness)
        except ForeignDataError as error:
            only_this = error.key == self._broker.keys.subscriptions(event)
            whose = f"the handlers of event {event!r}" if only_this else "the handlers of several events"
            warn_foreign(error.key, f"{whose} cannot be subscribed; the worker's others run. Delete the key")
            return False
        return True

    async def _report_lost_data(self) -> None:
        """Say so when the subscriptions made before are gone: the server has lost its data, and jobs with them."""
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
        else:
            return
        self._was_subscribed = self._are_registered = False

    async def _is_subscribed(self, event: str) -> bool:
        try:
            return bool(await self._broker.link.command("HLEN", self._broker.keys.subscriptions(event)))
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            return True  # nothing was lost: another program's key is there, which subscribing will say

    async def _register_tasks(self) -> None:
        """List the tasks beside the handlers that have queues, so that commands show them, and a loss of data shows.

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
