"""Waits on the server until there may be work for a worker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from upnext.broker.connection import PipelinedConnection
from upnext.broker.failures import backoff
from upnext.broker.redis_types import ResponseError
from upnext.runner.trouble_log import TroubleLog

if TYPE_CHECKING:
    from upnext.broker.keys import Keys

_IDLE = 1.0  # seconds after which a worker looks by itself: the cost of a lost token


class WakeUps:
    """Listens for wake-up tokens on a separate connection, because waiting for one blocks the connection.

    Args:
        url: The server's address.
        keys: The partition's keys.
        worker: The worker's name.
    """

    def __init__(self, url: str, keys: Keys, worker: str) -> None:
        self._connection = PipelinedConnection(url, keys, f"upnext-{worker}-wait", blocking=_IDLE)
        self._list = keys.wake(worker)
        # A server that is down or does not answer is reported by the consumer.
        self._refused = TroubleLog(
            f"Cannot wait for new jobs of {worker!r} (%s); looks for them from time to time", "Waits for new jobs again"
        )
        self._listening = False
        self._roused = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self._has_reason = True

    async def wait(self) -> bool:
        """Wait for a token, a second, an announced moment, or `stop`; False if the second passed."""
        if not self._listening and not self._roused.is_set():
            self._listening = True
            self._connection.post(("BLPOP", self._list, _IDLE), self._on_reply)
        if not self._stopping:
            await self._roused.wait()
            self._roused.clear()
        has_reason, self._has_reason = self._has_reason, True
        return has_reason

    def look_in(self, seconds: float) -> None:
        """End a wait after that time, unless it ends before; a token is still waited for."""
        if self._timer is not None:
            self._timer.cancel()
        if not seconds:
            self._roused.set()
            return
        self._timer = asyncio.get_running_loop().call_later(seconds, self._roused.set)

    def stop(self) -> None:
        """End the current wait, and prevent further ones."""
        self._stopping = True
        self._roused.set()

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    def _on_reply(self, reply: Any) -> None:
        self._listening = False
        if isinstance(reply, Exception):
            if isinstance(reply, ResponseError):
                self._refused.failed(reply)
            # Pause before the next look: the server may be away.
            asyncio.get_running_loop().call_later(backoff(3), self._roused.set)
        else:
            self._refused.worked()
            self._has_reason = reply is not None
            self._roused.set()
