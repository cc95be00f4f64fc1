"""TypedDicts of PEP 728 behind `**fields: Unpack[TD]`: what further fields they take, and which they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Generic, NotRequired, TypeVar, Unpack, get_origin

import pydantic
import pytest
import typing_extensions as te
from pydantic import Field

import upnext
from tests.codegen.reading import HEAD, read
from tests.runtime.running import running
from upnext.payload.signature import Signature
from upnext_codegen.types.format import short_name, spell

PYDANTIC = tuple(map(int, pydantic.VERSION.split(".")[:2]))

Price = Annotated[int, Field(ge=0)]


class Base(te.TypedDict, extra_items=bool):
    order_id: str


class Inherits(Base, total=False):
    note: bool


class ReadOnly(te.TypedDict, total=False, extra_items=te.ReadOnly["Price | None"]):
    order_id: str


class Narrowed(ReadOnly, extra_items=Annotated[te.ReadOnly[int], Field(ge=0)]):
    note: NotRequired[int]


class Anything(te.TypedDict, extra_items=object):
    order_id: str


class NoneOnly(te.TypedDict, extra_items=None):
    order_id: str


class Plain(te.TypedDict):
    order_id: str


class Mixed(Plain, extra_items="list[Price]"): ...


class Closing(ReadOnly, closed=True): ...


class Closed(te.TypedDict, closed=True):
    order_id: str


class NotClosed(te.TypedDict, closed=False):
    order_id: str


class NoMore(te.TypedDict, extra_items=te.Never):
    order_id: str


Made = te.TypedDict("Made", {"order_id": str}, total=False, extra_items="Price")  # noqa: UP013 - the other form
MadeClosed = te.TypedDict("MadeClosed", {"order_id": str}, closed=True)  # noqa: UP013 - the other form

TAKEN: list[tuple[Any, list[Any]]] = [
    (Base, [True]),
    (Inherits, [False]),
    (ReadOnly, [1, None]),
    (Narrowed, [2]),
    (Anything, ["x", 1, None, [True]]),
    (NoneOnly, [None]),
    (Mixed, [[1, 2]]),
    (Made, [3]),
]
REFUSED: list[tuple[Any, Any, str]] = [
    (Base, "yes", "should be a valid boolean"),
    (Inherits, 1, "should be a valid boolean"),
    (ReadOnly, "x", "should be a valid integer"),
    (Narrowed, None, "should be a valid integer"),
    (Narrowed, -1, "should be greater than or equal to 0"),
    (NoneOnly, 1, "should be None"),
    (Mixed, ["x"], "should be a valid integer"),
    (Made, -1, "should be greater than or equal to 0"),
    *((kind, True, "is not taken") for kind in (Plain, Closing, Closed, NotClosed, NoMore, MadeClosed)),
]


def event_of(worker: upnext.Worker, kind: Any, arrived: list[Any]) -> upnext.Event:
    """Return an event whose one handler takes a TypedDict."""
    event = worker.event(kind.__name__)

    async def take(**fields: Unpack[Base]) -> None:
        arrived.append(fields)

    take.__annotations__["fields"] = Unpack[kind]
    event.on(name=kind.__name__.lower())(take)
    return event


async def test_further_fields_of_the_type_of_extra_items_arrive(redis_url: str) -> None:
    worker, arrived = upnext.Worker("shop", redis_url=redis_url), list[Any]()
    sent = [(event_of(worker, kind, arrived), {"order_id": "1", "more": value}) for kind, vs in TAKEN for value in vs]
    async with running(worker):
        for event, fields in sent:
            await (await event.send(**fields)).results(timeout=10)
    assert arrived == [fields for _, fields in sent]


@pytest.mark.parametrize(("kind", "value", "words"), REFUSED)
async def test_other_further_fields_are_refused_where_they_are_sent(kind: Any, value: Any, words: str) -> None:
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")
    with pytest.raises(upnext.PayloadError, match=rf"field 'more(\.0)?' {words}"):
        await event_of(worker, kind, []).send(order_id="1", more=value)


@pytest.mark.skipif(PYDANTIC < (2, 12), reason="this pydantic knows no extra_items in a field: docs/running.md says so")
async def test_a_field_may_be_a_typed_dict_with_extra_items(redis_url: str) -> None:
    worker, arrived = upnext.Worker("shop", redis_url=redis_url), list[Any]()
    event = worker.event("order.placed")

    @event.on
    async def take(order: Base) -> None:
        arrived.append(order)

    async with running(worker):
        await (await event.send(order={"order_id": "1", "gift": True})).results(timeout=10)
    assert arrived == [{"order_id": "1", "gift": True}]
    with pytest.raises(upnext.PayloadError, match=r"'order' should be a valid boolean"):
        await event.send(order={"order_id": "1", "gift": "yes"})


async def test_extra_items_that_cannot_be_resolved_are_an_error_of_the_handler() -> None:

    class Unresolved(te.TypedDict, extra_items="Unknown"):  # type: ignore[name-defined] # noqa: F821
        order_id: str

    event = event_of(upnext.Worker("shop", redis_url="redis://127.0.0.1:1"), Unresolved, [])
    with pytest.raises(upnext.ConfigError, match="annotation of 'unresolved' cannot be resolved: name 'Unknown'"):
        await event.send(order_id="1", more=1)


T = TypeVar("T")
U = TypeVar("U")


class Page(te.TypedDict, Generic[T]):
    items: list[T]
    first: NotRequired[T]


class Numbers(Page[int]):
    label: str


class Nested(Page[list[U]], Generic[U]):
    own: NotRequired[U]


class Further(te.TypedDict, Generic[T], extra_items=T):
    order_id: str


_GENERIC: dict[str, tuple[Any, str, str]] = {
    "Page[int]": (Page[int], "first: int = ..., items: list[int]", ""),
    "Numbers": (Numbers, "first: int = ..., items: list[int], label: str", ""),
    "Nested[str]": (Nested[str], "first: list[str] = ..., items: list[list[str]], own: str = ...", ""),
    "Further[int]": (Further[int], "order_id: str", "int"),
}
_GENERIC_CLASSES = """\
from typing import Generic, NotRequired, TypeVar, Unpack
from typing_extensions import TypedDict
T = TypeVar("T")
U = TypeVar("U")
class Page(TypedDict, Generic[T]):
    items: list[T]
    first: NotRequired[T]
class Numbers(Page[int]):
    label: str
class Nested(Page[list[U]], Generic[U]):
    own: NotRequired[U]
class Further(TypedDict, Generic[T], extra_items=T):
    order_id: str
"""


@pytest.mark.parametrize("written", _GENERIC)
def test_a_generic_typed_dict_gives_the_scanner_and_the_runtime_the_same_fields(written: str, tmp_path: Path) -> None:
    kind, fields, extras = _GENERIC[written]

    def handle(**fields: Unpack[Base]) -> None: ...

    handle.__annotations__["fields"] = Unpack[kind]
    signature = Signature(handle, "order.placed", "handle")
    signature.prepare()
    shown = {name: str(hint) if get_origin(hint) else hint.__name__ for name, (hint, _) in signature.fields.items()}
    required = {name: needed for name, (_, needed) in signature.fields.items()}
    assert ", ".join(f"{name}: {shown[name]}{'' if required[name] else ' = ...'}" for name in sorted(shown)) == fields
    assert ("" if signature.extras is None else signature.extras.__name__) == extras
    source = f"{HEAD}{_GENERIC_CLASSES}@placed.on\ndef handle(**fields: Unpack[{written}]): ...\n"
    scanned, findings = read(tmp_path, {"app.py": source})
    (found,) = scanned.handlers
    assert findings == ()
    assert fields == ", ".join(
        f"{each.name}: {spell(each.type, short_name)}{'' if each.required else ' = ...'}"
        for each in sorted(found.parameters, key=lambda one: one.name)
    )
    assert ("" if found.extras is None else spell(found.extras, short_name)) == extras
