"""Subscribes a worker's handlers to their events, again whenever the worker takes a new lease."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from upnext.broker.failures import backoff, describe_failure
from upnext.broker.foreign_data import ForeignDataError, is_wrong_type, warn_foreign
from upnext.broker.handler_id import HandlerId
from upnext.broker.partition_count import PartitionCount
from upnext.broker.redis_types import ResponseError
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from upnext.broker.broker import Broker
    from upnext.runner.reaper import Agree

_LOG_FAILURES = (1, 20)  # in a row
_NAMED = 3  # events in a line of the log
_FOREIGN_PAUSE = 5.0  # seconds between looks whether another program's key is gone


class Subscriber:
    """Subscribes the handlers of one worker in one partition, for as long as it takes.

    Args:
        broker: The partition.
        handlers: Identities of the worker's handlers and tasks.
        agree: Awaited with the number of partitions to serve; None for all partitions but the first, which knows it.
        subscribed: Called each time the handlers have been subscribed.

    Attributes:
        ready: Set while the handlers are subscribed under the current lease, as far as this process knows.
    """

    def __init__(
        self, broker: Broker, handlers: Iterable[str], agree: Agree | None, subscribed: Callable[[], None]
    ) -> None:
        self._broker = broker
        self._agree = agree
        self._subscribed = subscribed
        self._by_event: dict[str, list[str]] = {}
        for identity in handlers:
            handler_id = HandlerId.parse(identity)
            if not handler_id.is_task:
                self._by_event.setdefault(handler_id.event, []).append(identity)
        self._task: asyncio.Task[None] | None = None
        self._was_subscribed = False
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
            await self._broker.publisher.subscribe(event, self._by_event[event])
        except ForeignDataError as error:
            only_this = error.key == self._broker.keys.subscriptions(event)
            whose = f"the handlers of event {event!r}" if only_this else "the handlers of several events"
            warn_foreign(error.key, f"{whose} cannot be subscribed; the worker's others run. Delete the key")
            return False
        return True

    async def _report_lost_data(self) -> None:
        """Say so when the subscriptions made before are gone: the server has lost its data, and jobs with them."""
        gone = [event for event in sorted(self._by_event) if not await self._is_subscribed(event)]
        if gone:
            self._was_subscribed = False
            named = ", ".join(map(repr, gone[:_NAMED])) + (f" and {len(gone) - _NAMED} more" * (len(gone) > _NAMED))
            log.error(
                "The server has lost data: the subscriptions to %s are gone, and jobs that it had accepted may be. "
                "Subscribing again",
                named,
            )

    async def _is_subscribed(self, event: str) -> bool:
        try:
            return bool(await self._broker.link.command("HLEN", self._broker.keys.subscriptions(event)))
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            return True  # nothing was lost: another program's key is there, which subscribing will say
