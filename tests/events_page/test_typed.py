"""The section "Typed events", at run time; what type checkers and editors make of it is in `test_checkers.py`."""

from __future__ import annotations

import inspect

import pytest

import upnext
from tests.events_page.page import PAGE
from tests.events_page.stage import Stage

TYPED, UNTYPED = PAGE.snippets("Typed events")


async def test_a_decorated_handler_is_a_typed_event(stage: Stage) -> None:
    """When you decorate a handler, the returned object is a TypedEvent with your handler’s parameter types."""  # noqa: RUF002  # as on the page
    await stage.perform(TYPED.until("#"))
    assert isinstance(stage.send_confirmation, upnext.TypedEvent)
    assert inspect.get_annotations(stage.send_confirmation, eval_str=True) == {"order_id": str, "user_id": str}
    assert list(inspect.signature(stage.send_confirmation).parameters) == ["order_id", "user_id"]


async def test_a_send_through_the_handler_sends_the_event(stage: Stage) -> None:
    """When you decorate a handler, the returned object is a TypedEvent with your handler’s parameter types."""  # noqa: RUF002  # as on the page

    @stage.order_placed.on
    async def other(order_id: str, **kwargs: object) -> str:
        return order_id

    receipt = await stage.perform(TYPED)
    assert await receipt.results(timeout=20) == {"send_confirmation": None, "other": "123"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"order_id": "123"}, "'user_id'"), ({"order_id": 123, "user_id": "user-1"}, "'order_id'")],
    ids=["missing", "wrong-type"],
)
async def test_a_send_through_the_handler_knows_what_it_needs(
    stage: Stage, fields: dict[str, object], message: str
) -> None:
    """# send_confirmation.send() knows it needs order_id and user_id"""
    await stage.perform(TYPED.until("#"))
    with pytest.raises(upnext.PayloadError, match=message):
        await stage.send_confirmation.send(**fields)


async def test_the_handle_of_the_event_sends_to_all_handlers(stage: Stage) -> None:
    """You can also use the untyped event handle directly to send to all handlers:"""
    await stage.perform(TYPED.until("#"))

    @stage.order_placed.on
    async def other(user_id: str, **kwargs: object) -> str:
        return user_id

    receipt = await stage.perform(UNTYPED)
    assert await receipt.results(timeout=20) == {"send_confirmation": None, "other": "user-1"}
