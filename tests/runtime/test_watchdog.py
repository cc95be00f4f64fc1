"""The thread that watches over a worker process goes on whatever happens to it, and says so."""

from __future__ import annotations

import threading

import pytest

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.runner.full_slots import FullSlotsWatch


async def test_a_check_that_fails_is_logged_again_once_one_has_succeeded(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not each of many in a row."""
    plan = iter("ffsfff")
    over = threading.Event()

    def look(_: FullSlotsWatch, now: float) -> None:
        step = next(plan, "")
        if not step:
            over.set()
        elif step == "f":
            raise ValueError(now)

    monkeypatch.setattr(FullSlotsWatch, "look", look)
    async with running(upnext.Worker("shop", redis_url=valkey_url, lease=1)):
        await wait_until_async(over.is_set)
    assert caplog.text.count("A watchdog check failed; it will be repeated") == 2
