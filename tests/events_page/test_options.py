"""The section "Handler options": the table's defaults, and what each option does."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, get_overloads

import pytest

import upnext
from tests.events_page.page import PAGE, Option
from tests.events_page.stage import Stage

SINCE = ("retry_on", "give_up_on", "limit", "rate")
"""Options that came after the page was written; without them all is as it says."""
BY_NAME = pytest.mark.parametrize("option", PAGE.options, ids=lambda option: option.name)


def parameters(decorator: Any) -> dict[str, inspect.Parameter]:
    """Return the options of a decorator, by name."""
    called = inspect.signature(get_overloads(decorator)[-1]).parameters
    return {name: parameter for name, parameter in called.items() if name not in ("self", "name")}


async def failing_times(stage: Stage, **options: Any) -> list[float]:
    """Return when each attempt of a handler that always fails began."""
    times: list[float] = []

    @stage.order_placed.on(**options)
    async def fails() -> None:
        times.append(monotonic())
        raise ValueError

    await stage.serve()
    receipt = await stage.order_placed.send()
    with pytest.raises(upnext.JobFailedError):
        await receipt.results(timeout=30)
    return times


def test_events_and_tasks_take_the_same_options() -> None:
    """The @event.on decorator accepts the same options as @worker.task:"""
    assert parameters(upnext.Event.on) == parameters(upnext.Worker.task)
    assert [*parameters(upnext.Event.on)][: len(PAGE.options)] == [option.name for option in PAGE.options]
    assert {name: parameters(upnext.Event.on)[name].default for name in SINCE} == dict.fromkeys(SINCE)


@BY_NAME
def test_the_defaults_are_those_of_the_table(option: Option) -> None:
    """The @event.on decorator accepts the same options as @worker.task:"""
    parameter = parameters(upnext.Event.on)[option.name]
    assert parameter.default == float(option.default)
    assert parameter.annotation == option.type


async def test_a_failure_is_not_retried_by_default(stage: Stage) -> None:
    """retries int 0 Retry attempts on failure"""
    assert len(await failing_times(stage)) == 1


async def test_a_handler_is_retried_as_often_as_it_says(stage: Stage) -> None:
    """retries int 0 Retry attempts on failure"""
    assert len(await failing_times(stage, retries=2, retry_delay=0.01)) == 3


async def test_the_first_retry_waits_for_a_second_by_default(stage: Stage) -> None:
    """retry_delay float 1.0 Seconds before first retry"""
    first, second = await failing_times(stage, retries=1)
    assert second - first >= 1.0


async def test_each_further_retry_waits_longer_by_the_backoff(stage: Stage) -> None:
    """retry_backoff float 2.0 Backoff multiplier"""
    _, second, third, fourth = await failing_times(stage, retries=3, retry_delay=0.1)
    assert third - second >= 0.2
    assert fourth - third >= 0.4


async def test_a_job_may_take_half_an_hour_by_default(stage: Stage) -> None:
    """timeout float 1800 Max execution time in seconds"""

    @stage.order_placed.on
    async def tell(context: upnext.Context) -> str:
        return context.deadline.isoformat()

    await stage.serve()
    before = datetime.now(UTC)
    results = await (await stage.order_placed.send()).results(timeout=20)
    half_an_hour = timedelta(seconds=1800)
    assert before + half_an_hour <= datetime.fromisoformat(results["tell"]) <= datetime.now(UTC) + half_an_hour


async def test_a_job_that_takes_longer_is_stopped(stage: Stage) -> None:
    """timeout float 1800 Max execution time in seconds"""

    @stage.order_placed.on(timeout=0.1)
    async def waits() -> None:
        await asyncio.Event().wait()

    await stage.serve()
    receipt = await stage.order_placed.send()
    with pytest.raises(upnext.JobFailedError) as failed:
        await receipt.results(timeout=20)
    assert failed.value.reason == "timeout"


async def test_a_task_with_the_same_options_is_retried_as_well(stage: Stage) -> None:
    """The @event.on decorator accepts the same options as @worker.task:"""
    attempts: list[int] = []

    @stage.worker.task(retries=1, retry_delay=0.01, retry_backoff=1.0, timeout=60.0)
    async def flaky(context: upnext.Context) -> int:
        attempts.append(context.attempt)
        if context.attempt == 1:
            raise ValueError
        return context.max_attempts

    stage.names["flaky"] = flaky
    await stage.serve()
    assert await flaky.wait() == 2
    assert attempts == [1, 2]
