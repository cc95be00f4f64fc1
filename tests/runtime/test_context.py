"""What a handler is told of the job that it runs in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import pytest

import upnext
from tests.runtime.running import running


async def test_the_context_is_injected_and_tells_of_the_job(redis_url: str) -> None:
    """A parameter annotated as Context is not a field, however it is spelt."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")
    seen: dict[str, upnext.Context | None] = {}

    @event.on(retries=2, timeout=60)
    async def first(context: upnext.Context, order_id: str) -> None:
        assert context == upnext.get_current_context()
        seen["first"] = context

    @event.on
    def second(order_id: str, context: Annotated[upnext.Context, "meta"] | None = None) -> None:
        seen["second"] = context

    async with running(worker):
        receipt = await event.send(order_id="1")
        await receipt.results(timeout=10)
    ids = {job.handler: job.id for job in receipt.jobs}
    context = seen["first"]
    assert context is not None
    assert (context.job_id, context.event_id, context.event) == (ids["first"], receipt.event_id, "order.placed")
    assert (context.handler, context.attempt, context.max_attempts) == ("first", 1, 3)
    assert (context.failures, context.is_last_attempt) == (0, False)
    assert 50 < (context.deadline - datetime.now(UTC)).total_seconds() <= 60
    assert seen["second"] is not None
    assert seen["second"].handler == "second"
    with pytest.raises(upnext.UpnextError, match="No job is running here"):
        upnext.get_current_context()


class Described(upnext.Context):
    def describe(self) -> str:
        return f"{self.event}, attempt {self.attempt}"


class Demanding(upnext.Context):
    def __init__(self, *, tenant: str, **fields: Any) -> None:
        raise AssertionError(tenant, fields)


async def test_a_subclass_of_the_context_is_injected_as_what_it_is(valkey_url: str) -> None:
    """Made of what the job's context holds; one that asks for more is that job's failure."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def describe(context: Described) -> str:
        return context.describe()

    @worker.task
    async def demand(context: Demanding) -> None: ...

    async with running(worker):
        assert await describe.wait() == "describe, attempt 1"
        with pytest.raises(upnext.JobFailedError, match="missing 1 required keyword-only argument: 'tenant'"):
            await demand.wait()
