"""A stage for the page's snippets, over each of the servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.events_page.stage import Stage, with_events


@pytest.fixture
async def stage(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Give a stage that knows the worker and the events of the page."""
    monkeypatch.setenv("UPNEXT_REDIS_URL", redis_url)
    async with Stage() as stage:
        yield await with_events(stage)
