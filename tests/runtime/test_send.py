"""What a send stores, and what it tells its caller."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import upnext
from tests.runtime.running import running
from upnext.transport import use_transport
from upnext_pytest.sends import Sends


async def test_each_handler_of_an_event_runs_as_a_job_of_its_own(redis_url: str) -> None:
    """Three handlers get the fields they name, and their results come back by name."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    order_placed = worker.event("order.placed")

    @order_placed.on
    async def confirm(order_id: str, **kwargs: object) -> dict[str, object]:
        return {"order": order_id, "rest": kwargs}

    @order_placed.on(name="stock")
    def update_stock(items: list[str] | None = None, **kwargs: object) -> int:
        return len(items or [])

    @order_placed.on
    async def audit(**fields: object) -> list[str]:
        return sorted(fields)

    async with running(worker):
        receipt = await order_placed.send(order_id="1", items=["a", "b"], note="x")
        results = await receipt.results(timeout=10)

    assert results == {
        "confirm": {"order": "1", "rest": {"items": ["a", "b"], "note": "x"}},
        "stock": 2,
        "audit": ["items", "note", "order_id"],
    }
    assert sorted(job.handler for job in receipt.jobs) == ["audit", "confirm", "stock"]
    assert len({job.id for job in receipt.jobs}) == 3


async def test_handlers_of_several_workers_each_get_the_event(redis_url: str) -> None:
    """Events are global: workers that declare the same name all get it, and a common handler name is told apart."""
    emails, stock = (upnext.Worker(name, redis_url=redis_url) for name in ("emails", "stock"))

    @emails.event("order.placed").on(name="handle")
    async def handle_email(order_id: str) -> str:
        return "mail " + order_id

    @stock.event("order.placed").on(name="handle")
    async def handle_stock(order_id: str) -> str:
        return "stock " + order_id

    async with running(emails, stock):
        receipt = await stock.event("order.placed").send(order_id="7")
        assert await receipt.results(timeout=10) == {"emails.handle": "mail 7", "stock.handle": "stock 7"}


async def test_a_handler_sends_the_event_for_all_handlers(redis_url: str) -> None:
    """`handler.send` is `event.send`; calling the handler calls the function."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")

    @event.on
    async def first(order_id: str, **kwargs: object) -> str:
        return "first " + order_id

    @event.on
    async def second(order_id: str, **kwargs: object) -> str:
        return "second " + order_id

    assert await first(order_id="0") == "first 0"
    async with running(worker):
        receipt = await first.send(order_id="1")
        assert await receipt.results(timeout=10) == {"first": "first 1", "second": "second 1"}


async def test_an_event_sent_before_any_handler_connected_reaches_the_first_ones(redis_url: str) -> None:
    """It is kept, and then delivered to all handlers of the first worker that connects."""
    sender = upnext.Worker("sender", redis_url=redis_url)
    receipts = [await sender.event("order.placed").send(order_id=str(n)) for n in range(250)]
    assert all(receipt.jobs == () for receipt in receipts)

    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.event("order.placed").on
    async def one(order_id: str) -> str:
        return "one " + order_id

    @worker.event("order.placed").on
    async def two(order_id: str) -> str:
        return "two " + order_id

    async with running(worker):
        for n, receipt in enumerate(receipts):
            assert await receipt.results(timeout=10) == {"one": f"one {n}", "two": f"two {n}"}


async def test_a_sender_without_the_handlers_code_reaches_them(redis_url: str) -> None:
    """Subscriptions live on the server: the receipt names handlers that the sender never imported."""
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.event("order.placed").on
    async def confirm(order_id: str) -> str:
        return order_id

    async with running(worker):
        receipt = await upnext.Worker("other", redis_url=redis_url).event("order.placed").send(order_id="1")
        assert [job.handler for job in receipt.jobs] == ["confirm"]
        assert await receipt.jobs[0].result(timeout=10) == "1"


async def test_send_sync_stores_the_event_from_code_without_a_loop(redis_url: str) -> None:
    """It works in threads, several at once."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")

    @event.on
    async def confirm(order_id: str) -> str:
        return order_id

    async with running(worker):
        receipts = await asyncio.gather(*(asyncio.to_thread(event.send_sync, order_id=str(n)) for n in range(20)))
        values = [await asyncio.to_thread(receipt.results_sync, 10) for receipt in receipts]
    assert values == [{"confirm": str(n)} for n in range(20)]


async def test_a_delayed_send_runs_when_it_is_due(redis_url: str) -> None:
    """`options(delay=...)` takes seconds or a timedelta, and an event without delay overtakes it."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")
    order: list[str] = []

    @event.on
    async def confirm(order_id: str) -> None:
        order.append(order_id)

    async with running(worker):
        late = await event.options(delay=timedelta(seconds=1.2)).send(order_id="late")
        soon = await event.options(delay=0.6).send(order_id="soon")
        now = await event.send(order_id="now")
        for receipt in (now, soon, late):
            assert await receipt.results(timeout=10) == {"confirm": None}
    assert order == ["now", "soon", "late"]


def test_a_moment_and_a_delay_exclude_each_other() -> None:
    """One of them would be ignored."""
    worker = upnext.Worker("shop")
    for options in (worker.event("order.placed").options, worker.task(print_title).options):
        with pytest.raises(upnext.ConfigError, match=r"Options delay=0 and at=datetime.* cannot be used together"):
            options(delay=0, at=datetime.now(UTC))


def print_title(title: str) -> None: ...


async def test_a_moment_is_turned_into_a_delay_when_the_event_is_sent() -> None:
    """Not when the options were made, which may be kept; a moment that has passed is now."""
    worker = upnext.Worker("shop")
    event = worker.event("order.placed")

    @worker.task
    async def report(title: str) -> None: ...

    now = datetime.now(UTC)
    before = (now + timedelta(hours=2)).astimezone(timezone(timedelta(hours=14)))
    with use_transport(sends := Sends()):
        later = event.options(at=before, key="k")
        await later.send(order_id="1")
        await report.options(at=now - timedelta(days=400)).submit("past")
    assert 7100 < sends[0].delay <= 7200
    assert [(sent.name, sent.key) for sent in sends] == [("order.placed", "k"), ("report", None)]
    assert sends[1].delay == 0


async def test_a_key_makes_repeating_a_send_safe(redis_url: str) -> None:
    """Fifty concurrent sends with one key store one event, and all are told its id."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")
    runs: list[str] = []

    @event.on
    async def confirm(order_id: str) -> str:
        runs.append(order_id)
        return order_id

    async with running(worker):
        receipts = await asyncio.gather(*(event.options(key="k").send(order_id="1") for _ in range(50)))
        assert await receipts[0].results(timeout=10) == {"confirm": "1"}
        again = await event.options(key="k").send(order_id="1")
        assert await again.results(timeout=10) == {"confirm": "1"}
    assert {receipt.event_id for receipt in (*receipts, again)} == {receipts[0].event_id}
    assert sum(not receipt.repeated for receipt in receipts) == 1
    assert again.repeated
    assert runs == ["1"]


@pytest.mark.parametrize(
    "options",
    [
        {"delay": -1},
        {"delay": float("nan")},
        {"delay": 1e18},
        {"key": ""},
        {"key": 3},
        {"at": datetime(2027, 1, 1)},  # noqa: DTZ001  # what is refused
        {"at": "2027-01-01T00:00:00+00:00"},
        {"at": 3.0},
        {"at": datetime(9999, 1, 1, tzinfo=UTC)},
    ],
)
async def test_impossible_send_options_are_refused_where_they_are_written(options: dict[str, Any]) -> None:
    """The error names the option and its value."""
    event = upnext.Worker("shop").event("order.placed")
    ((name, value),) = options.items()
    with pytest.raises(upnext.ConfigError, match=re.escape(f"Option {name}={value!r} cannot be used")):
        event.options(**options)


async def test_field_names_of_the_library_can_be_sent(redis_url: str) -> None:
    """`self`, `name`, `delay`, `key` and `timeout` are fields like any other."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("odd")

    @event.on
    async def take(self: int, *, name: str, delay: float, key: str, timeout: int, args: list[int]) -> list[object]:
        return [self, name, delay, key, timeout, args]

    async with running(worker):
        receipt = await take.send(self=1, name="n", delay=0.5, key="k", timeout=3, args=[1])
        assert await receipt.results(timeout=10) == {"take": [1, "n", 0.5, "k", 3, [1]]}


async def test_positional_arguments_of_an_event_are_refused() -> None:
    """Fields are passed by keyword, since handlers may order their parameters differently."""
    with pytest.raises(upnext.PayloadError, match="takes keyword arguments only, got 1 positional"):
        await upnext.Worker("shop").event("order.placed").send("1")
