"""`@event.upcast`: what was queued and sent before an event got its fields of today."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NotRequired, TypedDict

import pytest
from pydantic import BaseModel

import upnext
from tests.cli.deploying import queue
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.claims import DeadLetter
from upnext.connect import reach
from upnext.settings import load

Upcasting = Callable[..., Any]


class InFloats(TypedDict):
    order_id: str
    total: float


class InCents(TypedDict):
    order_id: str
    cents: int


class WithCurrency(TypedDict):
    order_id: str
    cents: int
    currency: str


class Named(TypedDict):
    order: str
    note: NotRequired[str]


class Dated(TypedDict):
    order_id: str
    day: date


class Address(BaseModel):
    street: str


def to_cents(old: InFloats) -> InCents:
    return {"order_id": old["order_id"], "cents": round(old["total"] * 100)}


def with_currency(old: InCents) -> WithCurrency:
    return {**old, "currency": "EUR"}


def renamed(old: Named) -> dict[str, object]:
    return {"order_id": old["order"], **({"text": old["note"]} if "note" in old else {})}


def by_week(old: Dated) -> dict[str, object]:
    return {"order_id": old["order_id"], "week": old["day"].isocalendar().week, "day": old["day"]}


def with_model(old: InFloats) -> dict[str, object]:
    return {"order_id": old["order_id"], "address": Address(street=str(old["total"]))}


def failing(old: InFloats) -> InCents:
    raise ValueError(old["order_id"])


def of_nothing(old: InFloats) -> InCents:
    return None  # type: ignore[return-value]


def in_a_cycle(old: InCents) -> InFloats:
    return {"order_id": old["order_id"], "total": old["cents"] / 100}


def closed(order_id: str, cents: int, currency: str) -> dict[str, object]:
    return {"order_id": order_id, "cents": cents, "currency": currency}


def opened(order_id: str, **kwargs: object) -> dict[str, object]:
    return {"order_id": order_id, **kwargs}


def dated(order_id: str, week: int, day: date) -> dict[str, object]:
    return {"order_id": order_id, "week": week, "day": isinstance(day, date)}


def housed(order_id: str, address: Address) -> dict[str, object]:
    return {"order_id": order_id, "street": address.street}


@dataclass(frozen=True)
class Case:
    """A handler, upcasters, a payload that is queued, and what the handler is given; or why the job dies."""

    handler: Upcasting
    upcasters: tuple[Upcasting, ...]
    payload: dict[str, Any]
    given: dict[str, Any] = field(default_factory=dict)
    dies: tuple[str, str] = ("", "")


NEW = {"order_id": "1", "cents": 250, "currency": "EUR"}
CASES = {
    "one step": Case(closed, (with_currency,), {"order_id": "1", "cents": 250}, NEW),
    "a chain": Case(closed, (with_currency, to_cents), {"order_id": "1", "total": 2.5}, NEW),
    "a new payload": Case(closed, (to_cents, with_currency), NEW, NEW),
    "an open handler": Case(
        opened, (to_cents,), {"order_id": "1", "total": 2.5, "more": [1]}, {"order_id": "1", "cents": 250, "more": [1]}
    ),
    "an open handler and a new payload": Case(
        opened, (to_cents,), {"order_id": "1", "cents": 1}, {"order_id": "1", "cents": 1}
    ),
    "a renamed field": Case(opened, (renamed,), {"order": "1"}, {"order_id": "1"}),
    "an optional field": Case(opened, (renamed,), {"order": "1", "note": "a"}, {"order_id": "1", "text": "a"}),
    "values as their types": Case(
        dated, (by_week,), {"order_id": "1", "day": "2026-11-29"}, {"order_id": "1", "week": 48, "day": True}
    ),
    "a model": Case(housed, (with_model,), {"order_id": "1", "total": 1.5}, {"order_id": "1", "street": "1.5"}),
    "no upcaster takes it": Case(
        closed,
        (to_cents,),
        {"order_id": "1"},
        dies=("payload", "field 'cents' is missing; field 'currency' is missing"),
    ),
    "what comes of it is refused": Case(
        closed, (to_cents,), {"order_id": "1", "total": 2.5}, dies=("payload", "After upcaster to_cents.")
    ),
    "a cycle": Case(
        closed,
        (to_cents, in_a_cycle),
        {"order_id": "1", "total": 2.5},
        dies=("payload", "After upcaster to_cents, in"),
    ),
    "it raises": Case(
        closed,
        (failing,),
        {"order_id": "1", "total": 2.5},
        dies=("failed", "upcaster 'failing' of 'it.raises': ValueError: 1"),
    ),
    "it returns nothing": Case(
        closed,
        (of_nothing,),
        {"order_id": "1", "total": 2.5},
        dies=("failed", "TypeError: it returned a NoneType, and must return a dict of field names"),
    ),
}


def recording(handler: Upcasting, name: str, into: dict[str, Any]) -> Upcasting:
    @functools.wraps(handler)
    def take(**fields: object) -> Any:
        into[name] = handler(**fields)
        return into[name]

    return take


async def test_an_old_payload_is_made_anew_before_its_handler_reads_it(redis_url: str) -> None:
    worker = upnext.Worker("shop", redis_url=redis_url)
    taken: dict[str, Any] = {}
    for name, case in CASES.items():
        event = worker.event(name.replace(" ", "."))
        for upcaster in case.upcasters:
            assert event.upcast(upcaster) is upcaster
        event.on(name="take", retries=1, retry_delay=0.01)(recording(case.handler, name, taken))
        identity = f"shop|{event.name}|take"
        await asyncio.to_thread(queue, redis_url, identity, ((case.payload, "waiting"),))
    async with running(worker):
        namespace = await reach(load(redis_url=redis_url))

        async def dead() -> dict[str, DeadLetter]:
            letters = await namespace.dead_letters.dead()
            return {each.event.replace(".", " "): each for each in letters}

        await wait_until_async(lambda: _settled(taken, dead))
        died = await dead()
    assert taken == {name: case.given for name, case in CASES.items() if case.given}
    assert {name: letter.reason for name, letter in died.items()} == {
        name: case.dies[0] for name, case in CASES.items() if not case.given
    }
    for name, letter in died.items():
        assert CASES[name].dies[1] in letter.error, letter
        assert letter.attempts == (2 if letter.reason == "failed" else 1)
    assert died["it raises"].where.startswith("upcaster 'failing' of 'it.raises': ValueError")


async def _settled(taken: dict[str, Any], dead: Callable[[], Awaitable[dict[str, Any]]]) -> bool:
    return len(taken) + len(await dead()) == len(CASES)


async def test_an_upcaster_takes_what_is_queued_under_a_former_name(redis_url: str) -> None:
    taken: list[int] = []
    await asyncio.to_thread(queue, redis_url, "shop|order.placed|take", (({"order_id": "1", "total": 2.5}, "waiting"),))
    worker = upnext.Worker("shop", redis_url=redis_url)
    created = worker.event("order.created", formerly=("order.placed",))
    created.upcast(to_cents)

    @created.on
    async def take(order_id: str, cents: int) -> None:
        taken.append(cents)

    async with running(worker):
        await wait_until_async(lambda: taken == [250])


async def _async(old: InFloats) -> InCents:
    return {"order_id": old["order_id"], "cents": 0}


def _two(old: InFloats, other: int) -> InCents:
    return {"order_id": old["order_id"], "cents": other}


REFUSED: dict[Any, str] = {
    _async: "decorate a plain function (def)",
    _two: "Upcaster '_two' of 'order.placed' must take one parameter",
}


@pytest.mark.parametrize("function", REFUSED)
def test_what_cannot_be_an_upcaster_is_refused_where_it_is_written(function: Any) -> None:
    with pytest.raises(upnext.ConfigError, match=re.escape(REFUSED[function])):
        upnext.Worker("shop", redis_url="redis://127.0.0.1:1").event("order.placed").upcast(function)


async def test_an_upcaster_whose_parameter_is_no_typed_dict_is_refused_at_the_start(redis_url: str) -> None:
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.event("order.placed").upcast
    def untyped(old: dict[str, Any]) -> dict[str, Any]:
        return old

    with pytest.raises(upnext.ConfigError, match="Parameter 'old' of upcaster 'untyped' is not a TypedDict"):
        async with running(worker):
            pass
