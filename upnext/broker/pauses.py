"""Pauses handlers: their jobs wait, on every worker, until the handlers are resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.replies import text

if TYPE_CHECKING:
    from upnext.broker.broker import Broker

_MOST = 10_000
_DIGITS = 16  # of a time in ms; more were written by another program


class Pauses:
    """Reads and changes which handlers are paused; workers look this up twice a second.

    Args:
        first: The namespace's first partition, which keeps it for all.
    """

    def __init__(self, first: Broker) -> None:
        self._link = first.link
        self._key = first.keys.paused

    async def read(self) -> dict[str, float]:
        """Return each paused handler's identity with the server's time in seconds since when it is paused."""
        if await self._link.command("HLEN", self._key) > _MOST:
            return {}  # another program's
        handlers: list[bytes] = await self._link.command("HKEYS", self._key)
        times: list[bytes | None] = await self._link.command("HMGET", self._key, *handlers) if handlers else []
        entries = zip(handlers, times, strict=True)
        return {text(handler): int(ms) / 1000 for handler, ms in entries if ms and ms.isdigit() and len(ms) < _DIGITS}

    async def pause(self, handler: str) -> bool:
        """Pause a handler; False if it was paused already."""
        seconds, micros = await self._link.command("TIME")
        now = int(seconds) * 1000 + int(micros) // 1000
        return bool(await self._link.command("HSETNX", self._key, handler, now))

    async def resume(self, handler: str) -> bool:
        """Resume a handler; False if it was not paused."""
        return bool(await self._link.command("HDEL", self._key, handler))
