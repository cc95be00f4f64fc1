"""Integers for floats: those that a float holds exactly arrive, the others are refused, wherever they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

import upnext
from tests.runtime.running import running
from upnext.transport import use_transport
from upnext_pytest.sends import Sends

ODD = 2**53 + 1
EXACT = 2**54  # The oldest pydantic takes none from 2**60 for a float, and says so.


class Price(BaseModel):
    amount: float
    number: int = 0


class Size(TypedDict):
    width: float


@dataclass
class Point:
    x: float
    tags: frozenset[float] = frozenset()


@pytest.mark.parametrize(
    ("annotation", "make"),
    [
        (float, lambda n: n),
        (float | None, lambda n: n),
        (list[float], lambda n: [0.5, n]),
        (dict[str, list[tuple[str, float]]], lambda n: {"a": [("b", n)]}),
        (set[float], lambda n: {n, 1.5}),
        (Size, lambda n: {"width": n}),
        (Point, Point),
        (list[Point], lambda n: [Point(0.5, frozenset({n}))]),
        (dict[str, Size], lambda n: {str(ODD): {"width": n}}),
    ],
    ids=[
        "float",
        "optional",
        "list",
        "dict",
        "set",
        "TypedDict",
        "dataclass",
        "list of dataclasses",
        "dict of TypedDicts",
    ],
)
async def test_an_integer_that_no_float_holds_is_refused_where_one_is_asked_for(annotation: Any, make: Any) -> None:
    """It would arrive as its neighbour, in silence."""
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")

    def handle(value: Any, other: int = 0) -> None: ...

    handle.__annotations__["value"] = annotation
    event = worker.event("order.placed")
    event.on(handle)
    with use_transport(sends := Sends()):
        for n in (ODD, -ODD, 10**17 + 1):
            with pytest.raises(upnext.PayloadError, match="'value' would lose digits as a float"):
                await event.send(value=make(n), other=ODD)
        assert not sends
        await event.send(value=make(EXACT), other=ODD)
        await event.send(value=make(1e22), other=10**17 + 1)
    assert len(sends) == 2


async def test_integers_stay_what_they_are_where_they_are_taken_as_such() -> None:
    """For an int, for either, for anything; and the float of a model was one before it was sent."""
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")
    event = worker.event("order.placed")

    @event.on
    def handle(a: int, b: int | float, c: object, d: Price, e: str, **rest: Any) -> None: ...  # noqa: PYI041

    with use_transport(sends := Sends()):
        await event.send(a=ODD, b=ODD, c=[ODD], d=Price(amount=float(ODD), number=ODD), e=str(ODD), f=ODD)
    assert len(sends) == 1


async def test_a_result_that_would_lose_digits_is_refused(valkey_url: str) -> None:
    """Its caller would compute with another number."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def total(n: int) -> list[float]:
        return [n]

    async with running(worker):
        assert await total.wait(EXACT) == [EXACT]
        with pytest.raises(upnext.ResultTypeError, match="would lose digits as a float"):
            await total.wait(ODD)
