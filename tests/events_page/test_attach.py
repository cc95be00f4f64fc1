"""The section "Attach handlers"."""

from __future__ import annotations

import pytest

import upnext
from tests.events_page.page import PAGE
from tests.events_page.stage import Stage

ONE, SEVERAL = PAGE.snippets("Attach handlers")


async def test_the_snippet_registers_a_handler(stage: Stage) -> None:
    """Use the @event.on decorator to register a handler:"""
    await stage.perform(ONE)
    await stage.serve()
    receipt = await stage.order_placed.send(order_id="123", user_id="user-1")
    assert await receipt.results(timeout=20) == {"send_confirmation": {"sent": True}}


async def test_the_handler_runs_in_the_worker_after_the_send_has_returned(stage: Stage) -> None:
    """# This runs as a background job when the event fires"""
    await stage.perform(ONE)
    # No worker runs yet, and the send returns: nothing of the handler runs in it.
    receipt = await stage.order_placed.send(order_id="123", user_id="user-1")
    await stage.serve()
    assert await receipt.results(timeout=20) == {"send_confirmation": {"sent": True}}


async def test_both_handlers_of_the_snippet_get_the_event(stage: Stage) -> None:
    """You can attach multiple handlers to the same event."""
    await stage.perform(SEVERAL)
    await stage.serve()
    receipt = await stage.order_placed.send(order_id="123", items=["Widget A"])
    assert await receipt.results(timeout=20) == {"send_confirmation": None, "update_inventory": None}


async def test_a_handler_that_fails_does_not_touch_the_other_one(stage: Stage) -> None:
    """Each handler runs as a separate background job."""
    await stage.perform(ONE)

    @stage.order_placed.on
    async def fails(context: upnext.Context, **kwargs: object) -> None:
        raise ValueError(context.job_id)

    await stage.serve()
    receipt = await stage.order_placed.send(order_id="123", user_id="user-1")
    with pytest.raises(upnext.JobFailedError, match="ValueError") as failed:
        await receipt.results(timeout=20)
    jobs = {job.handler: job for job in receipt.jobs}
    assert await jobs["send_confirmation"].result(timeout=20) == {"sent": True}
    assert failed.value.job_id == jobs["fails"].id != jobs["send_confirmation"].id


async def test_a_handler_with_kwargs_gets_fields_that_were_added_later(stage: Stage) -> None:
    """Use **kwargs in your handler signature to accept any additional event data without breaking if new fields
    are added later.
    """
    await stage.perform(SEVERAL)

    @stage.order_placed.on
    async def tell(order_id: str, **kwargs: object) -> object:
        return kwargs

    await stage.serve()
    receipt = await stage.order_placed.send(order_id="123", gift=True, wishes=["no plastic"])
    results = await receipt.results(timeout=20)
    assert results["tell"] == {"gift": True, "wishes": ["no plastic"]}
    assert results.keys() == {"send_confirmation", "update_inventory", "tell"}


async def test_a_handler_without_kwargs_breaks_when_a_field_is_added(stage: Stage) -> None:
    """Use **kwargs in your handler signature to accept any additional event data without breaking if new fields
    are added later.
    """
    await stage.perform(ONE)
    with pytest.raises(upnext.PayloadError, match="'gift'"):
        await stage.order_placed.send(order_id="123", user_id="user-1", gift=True)
