"""The top of the page and "Define an event"."""

from __future__ import annotations

import sys
from asyncio.subprocess import create_subprocess_exec

import pytest

import upnext
from tests.events_page.page import PAGE
from tests.events_page.stage import Stage
from tests.waiting import wait_until_async

SENDER = """
import upnext
order_placed = upnext.Worker("front-end").event("order.placed")
order_placed.send_sync(order_id="123", user_id="user-1")
"""


async def test_the_first_snippet_runs_as_it_stands(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """# Later, fire the event"""
    monkeypatch.setenv("UPNEXT_REDIS_URL", redis_url)
    async with Stage() as stage:
        receipt = await stage.perform(PAGE.snippets("")[0])
        assert await receipt.results(timeout=20) == {"send_confirmation": {"confirmation_sent": True}}


async def test_the_part_that_sends_need_not_know_the_part_that_handles(stage: Stage) -> None:
    """Events let you decouple parts of your application with a pub/sub pattern."""
    seen: list[str] = []

    @stage.order_placed.on
    async def handle(order_id: str, **kwargs: object) -> None:
        seen.append(order_id)

    await stage.serve()
    # Another process, which has no handler: it inherits nothing but the server's address.
    sender = await create_subprocess_exec(sys.executable, "-c", SENDER)
    assert await sender.wait() == 0
    await wait_until_async(lambda: seen)
    assert seen == ["123"]


async def test_create_an_event_with_worker_event(stage: Stage) -> None:
    """Create an event with worker.event():"""
    assert isinstance(stage.order_placed, upnext.Event)
    assert isinstance(stage.user_registered, upnext.Event)


async def test_the_name_is_what_makes_an_event_the_same_event(stage: Stage) -> None:
    """The event name is a string identifier."""
    assert stage.order_placed.name == "order.placed"

    @stage.order_placed.on
    async def handle(order_id: str) -> str:
        return order_id

    await stage.serve()
    same = upnext.Worker("front-end").event("order.placed")
    receipt = await same.send(order_id="123")
    assert await receipt.results(timeout=20) == {"handle": "123"}


@pytest.mark.parametrize("name", [1, None, "", "order placed"])
def test_a_name_that_is_no_identifier_is_refused(name: object) -> None:
    """The event name is a string identifier."""
    with pytest.raises(upnext.ConfigError, match="Event name"):
        upnext.Worker("my-worker").event(name)  # type: ignore[arg-type]


async def test_events_of_one_domain_are_told_apart(stage: Stage) -> None:
    """Use dot-notation to organize events by domain."""

    @stage.user_registered.on
    async def welcome(user_id: str) -> str:
        return f"welcome {user_id}"

    @stage.worker.event("user.left").on
    async def farewell(user_id: str) -> str:
        return f"farewell {user_id}"

    await stage.serve()
    receipt = await stage.user_registered.send(user_id="user-1")
    assert await receipt.results(timeout=20) == {"welcome": "welcome user-1"}
