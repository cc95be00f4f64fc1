"""The paused handlers of a namespace: kept on the server, read by every worker twice a second."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from upnext.broker.failures import describe_failure
from upnext.broker.handler_id import HandlerId
from upnext.broker.redis_types import RedisConnectionError
from upnext.broker.replies import text
from upnext.log import log

if TYPE_CHECKING:
    from upnext.broker.broker import Broker

_INTERVAL = 0.5
_FIRST_LOOK = 5.0  # seconds that claiming waits for it: a partition whose server is away must not hold up the others
_MOST = 10_000  # handlers; more were written by another program


class PausedHandlers:
    """The handlers whose jobs are not claimed. Running jobs continue; waiting ones keep their place.

    Attributes:
        identities: Their identities.
    """

    def __init__(self) -> None:
        self.identities: frozenset[str] = frozenset()
        self._known = asyncio.Event()
        self._warned = False

    async def known(self) -> None:
        """Wait for the first look, within limits, so that a worker that starts does not run jobs of paused handlers."""
        if not self._known.is_set():
            try:
                async with asyncio.timeout(_FIRST_LOOK):
                    await self._known.wait()
            except TimeoutError:
                self._known.set()

    async def watch(self, first: Broker) -> None:
        """Look repeatedly, in the first partition, until cancelled. An outage changes nothing."""
        while True:
            try:
                await self._look(first)
                self._known.set()
            except (RedisConnectionError, OSError):
                pass  # the consumer reports it
            except Exception as error:  # noqa: BLE001  # whatever another program put there must not end the watch
                self._warn(describe_failure(error))
                self._known.set()
            await asyncio.sleep(_INTERVAL)

    async def _look(self, first: Broker) -> None:
        key = first.keys.paused
        if await first.link.command("HLEN", key) > _MOST:
            self._warn(f"{key} has more than {_MOST:,} entries")
            return
        found = frozenset(text(identity) for identity in await first.link.command("HKEYS", key))
        if found != self.identities:
            log.info("Paused: %s", ", ".join(HandlerId.parse(each).in_words for each in sorted(found)) or "no handler")
        self.identities = found
        if self._warned:
            self._warned = False
            log.info("Reads which handlers are paused again")

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            log.warning("Cannot read which handlers are paused (%s); those known before stay so", reason)
