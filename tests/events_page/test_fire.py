"""The section "Fire events", and where the page says that events are fired from."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import upnext
from tests.events_page.page import PAGE
from tests.events_page.stage import Stage
from tests.servers import free_port
from tests.waiting import wait_until_async

HANDLERS = PAGE.snippets("Attach handlers")[1]
FIRE = PAGE.snippets("Fire events")[0]
ENDPOINT, TASK = FIRE.until("# From inside a task"), FIRE.starting("# From inside a task")


def spy(event: upnext.Event) -> list[dict[str, Any]]:
    """Attach a handler to an event; returns the list of what it gets."""
    seen: list[dict[str, Any]] = []

    @event.on
    async def note(**kwargs: Any) -> None:
        seen.append(kwargs)

    return seen


async def posted(port: int) -> httpx.Response | None:
    """Post to the page's endpoint; None if nobody listens yet."""
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return await client.post(f"http://127.0.0.1:{port}/orders", json={"any": "order"})
        except httpx.ConnectError:
            return None


async def fire_over_http(stage: Stage) -> httpx.Response:
    """Post an order to the endpoint of the page, as soon as it is served."""
    answers: list[httpx.Response] = []

    async def try_it() -> bool:
        answer = await posted(stage.port)
        answers.extend([answer] if answer else [])
        return bool(answers)

    await stage.serve()
    await wait_until_async(try_it, what="an answer of the API")
    return answers[0]


@pytest.fixture
def api(stage: Stage) -> upnext.Api:
    """Give the API that the page's endpoint is part of, and its port."""
    stage.names["port"] = free_port()
    stage.names["api"] = upnext.Api("shop", port=stage.port)
    return stage.api


async def test_the_endpoint_of_the_snippet_sends_to_all_handlers(stage: Stage, api: upnext.Api) -> None:
    """# From an API endpoint"""
    await stage.perform(HANDLERS, ENDPOINT)
    seen = spy(stage.order_placed)
    answer = await fire_over_http(stage)
    assert (answer.status_code, answer.json()) == (200, {"status": "submitted"})
    await wait_until_async(lambda: seen)
    assert seen == [{"order_id": "123", "user_id": "user-1", "items": ["Widget A", "Widget B"]}]


async def test_http_endpoints_are_those_of_fastapi(api: upnext.Api, stage: Stage) -> None:
    """Next: APIs Build HTTP endpoints powered by FastAPI."""
    fastapi = pytest.importorskip("fastapi")
    assert isinstance(api, fastapi.FastAPI)
    await stage.perform(ENDPOINT)
    assert api.openapi()["paths"].keys() == {"/orders"}


async def test_the_task_of_the_snippet_sends(stage: Stage) -> None:
    """# From inside a task"""
    await stage.perform(TASK)
    seen = spy(stage.user_registered)
    await stage.serve()
    assert await stage.process_signup.wait(email="ada@example.org") is None
    await wait_until_async(lambda: seen)
    assert seen == [{"user_id": "user-1", "email": "ada@example.org"}]


async def test_every_handler_gets_the_keyword_arguments_of_a_send(stage: Stage) -> None:
    """Send an event with keyword arguments that get passed to all handlers:"""

    @stage.order_placed.on
    async def first(order_id: str, items: list[str], **kwargs: object) -> list[str]:
        return [order_id, *items]

    @stage.order_placed.on
    async def second(order_id: str, **kwargs: object) -> object:
        return {"order_id": order_id} | kwargs

    await stage.serve()
    fields = {"order_id": "123", "user_id": "user-1", "items": ["Widget A"]}
    results = await (await stage.order_placed.send(**fields)).results(timeout=20)
    assert results == {"first": ["123", "Widget A"], "second": fields}


async def test_a_send_takes_nothing_but_keyword_arguments(stage: Stage) -> None:
    """Send an event with keyword arguments that get passed to all handlers:"""
    await stage.perform(HANDLERS)
    with pytest.raises(upnext.PayloadError, match="keyword"):
        await stage.order_placed.send("123")


async def test_an_event_goes_on_from_an_endpoint_to_a_task_to_a_handler_to_the_next_event(
    stage: Stage, api: upnext.Api
) -> None:
    """Define named events, attach handlers, and fire them from anywhere — tasks, API endpoints, or other handlers."""
    await stage.perform(TASK)
    seen = spy(stage.order_placed)

    @api.post("/orders")
    async def enter() -> None:
        await stage.process_signup.submit(email="ada@example.org")

    @stage.user_registered.on
    async def place_a_first_order(user_id: str, email: str) -> None:
        await stage.order_placed.send(order_id="123", user_id=user_id)

    assert (await fire_over_http(stage)).status_code == 200
    await wait_until_async(lambda: seen)
    assert seen == [{"order_id": "123", "user_id": "user-1"}]
