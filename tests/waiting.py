"""Waiting for something to become true, in place of a sleep that is too short here and too long there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

INTERVAL = 0.01


def wait_until(
    predicate: Callable[[], object], timeout: float = 15.0, what: str = "", interval: float = INTERVAL
) -> None:
    """Return as soon as the predicate is true; fail if it is not within so many seconds."""
    deadline = time.monotonic() + timeout
    while not predicate():
        assert time.monotonic() < deadline, f"{what or predicate} did not come true within {timeout:g} seconds"
        time.sleep(interval)


async def wait_until_async(predicate: Callable[[], object], timeout: float = 15.0, what: str = "") -> None:
    """Do the same without blocking the event loop. The predicate may return an awaitable."""
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if await answer if asyncio.iscoroutine(answer) else answer:
            return
        assert time.monotonic() < deadline, f"{what or predicate} did not come true within {timeout:g} seconds"
        await asyncio.sleep(INTERVAL)
