"""Subscribes a worker's handlers to their events, again whenever the worker takes a new lease."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from upnext.broker.failures import backoff, describe_failure
from upnext.broker.handler_id import HandlerId
from upnext.broker.partition_count import PartitionCount
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from upnext.broker.broker import Broker
    from upnext.runner.reaper import Agree

_LOG_FAILURES = (1, 20)  # in a row


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
        failures = 0
        while True:
            try:
                if self._was_subscribed:
                    await self._report_lost_data()
                for event in sorted(self._by_event):
                    await self._broker.publisher.subscribe(event, self._by_event[event])
                if self._agree is not None:
                    # Not earlier: a process that adds partitions after this copies these subscriptions to them.
                    await self._agree((await PartitionCount(self._broker).read()).served)
            except Exception as error:  # noqa: BLE001  # whatever it is, a worker without subscriptions would idle
                failures += 1
                if failures in _LOG_FAILURES:
                    log.warning("Cannot subscribe the handlers yet (%s); retrying", describe_failure(error))
                await asyncio.sleep(backoff(failures))
            else:
                self._was_subscribed = True
                self.ready.set()
                self._subscribed()
                return

    async def _report_lost_data(self) -> None:
        """Say so when the subscriptions made before are gone: the server has lost its data, and jobs with them."""
        keys, link = self._broker.keys, self._broker.link
        gone = [event for event in sorted(self._by_event) if not await link.command("HLEN", keys.subscriptions(event))]
        if gone:
            self._was_subscribed = False
            log.error(
                "The server has lost data: the subscriptions to %d event(s) are gone (%s, ...), and jobs that it had "
                "accepted may be. Subscribing again",
                len(gone),
                gone[0],
            )
