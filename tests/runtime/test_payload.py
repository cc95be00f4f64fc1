"""What can be sent, what arrives, and what is refused where it is sent."""

from __future__ import annotations

import asyncio
import enum
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, Unpack

import pytest
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

import upnext
from tests.runtime.running import running
from upnext.payload.signature import Signature
from upnext.transport import use_transport
from upnext_pytest import Sends


class Colour(enum.StrEnum):
    RED = "red"


class Item(BaseModel):
    sku: str
    price: Decimal


@dataclass
class Address:
    street: str


class Extra(TypedDict, total=False):
    note: str


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Tabby(BaseModel):
    name: str


class Poodle(BaseModel):
    name: str


SECRET = "s3cr3t-canary"


def refuse(value: str) -> str:
    raise PydanticCustomError("ours", "cannot take {value}", {"value": value})


async def test_a_union_is_read_in_the_order_in_which_its_own_handler_has_it(valkey_url: str) -> None:
    """What another handler of the process has written the other way round is equal to it, and is another union."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    cat, dog = worker.event("cat.came"), worker.event("dog.came")
    arrived: list[str] = []

    @cat.on
    async def first(pet: Tabby | Poodle, pets: Sequence[Tabby | Poodle], more: Sequence[Tabby | Poodle] = ()) -> None:
        arrived.extend(type(each).__name__ for each in (pet, *pets, *more))

    @dog.on
    async def second(pet: Poodle | Tabby, pets: Sequence[Poodle | Tabby], more: Sequence[Poodle | Tabby] = ()) -> None:
        arrived.extend(type(each).__name__ for each in (pet, *pets, *more))

    async with running(worker):
        for event, pet in ((cat, Tabby(name="Tom")), (dog, Poodle(name="Rex"))):
            await (await event.send(pet=pet, pets=[pet], more=[pet])).results(timeout=20)
    assert arrived == ["Tabby"] * 3 + ["Poodle"] * 3


async def test_values_arrive_typed_and_equal(redis_url: str) -> None:
    """Datetimes, UUIDs, decimals, enums, models and dataclasses come back as what they were."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("typed")
    arrived: dict[str, Any] = {}

    @event.on
    async def take(  # noqa: PLR0917  # one of each type
        when: datetime, ident: uuid.UUID, price: Decimal, colour: Colour, item: Item, address: Address,
        span: timedelta, flag: int, ratio: float, pair: tuple[int, str], seen: set[int], by_number: dict[int, str],
        kind: Literal["a", "b"], names: Sequence[str], **rest: Unpack[Extra],
    ) -> None:  # fmt: skip
        arrived.update({k: v for k, v in locals().items() if k not in {"arrived", "rest"}}, **rest)

    sent = {
        "when": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
        "ident": uuid.uuid4(),
        "price": Decimal("1.10"),
        "colour": Colour.RED,
        "item": Item(sku="x", price=Decimal("2.50")),
        "address": Address("Elm"),
        "span": timedelta(hours=1.5),
        "flag": True,
        "ratio": 1,
        "pair": (1, "x"),
        "seen": {1, 2},
        "by_number": {1: "one"},
        "kind": "a",
        "names": ["n"],
        "note": "hello",
    }
    async with running(worker):
        await (await event.send(**sent)).results(timeout=10)
    assert arrived == sent
    assert {name: type(value) for name, value in arrived.items() if name != "ratio"} == {
        name: type(value) for name, value in sent.items() if name != "ratio"
    }


def open_event(**fields: Any) -> upnext.Event:
    """Return an event with one handler that names `a` as str and takes anything else."""
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")
    event = worker.event("order.placed")

    @event.on
    async def confirm(a: str, n: int = 0, when: datetime | None = None, untyped=None, **kwargs: object) -> None: ...  # type: ignore[no-untyped-def]

    return event


def nested(levels: int) -> list[Any]:
    """Return lists in lists."""
    deep: list[Any] = []
    for _ in range(levels):
        deep = [deep]
    return deep


holding_itself: list[Any] = []
holding_itself.append(holding_itself)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "field 'a' is missing"),
        ({"a": 1}, "field 'a' should be a valid string, got int"),
        ({"a": "x", "n": "1"}, "field 'n' should be a valid integer, got str"),
        ({"a": "x", "n": 1.0}, "field 'n' should be a valid integer, got float"),
        ({"a": "x", "when": "2026-01-01T00:00:00"}, "field 'when' should be a valid datetime, got str"),
        ({"a": "x", "more": float("nan")}, "field 'more' must hold finite numbers only, got float"),
        ({"a": "x", "more": [float("-inf")]}, "field 'more' must hold finite numbers only, got list"),
        ({"a": "x", "more": 10**4300}, "field 'more' must hold integers of at most 4,300 digits, got int"),
        ({"a": "x", "more": {1: "x"}}, "field 'more' must have string keys, as JSON has, got int"),
        ({"a": "x", "more": (n for n in range(3))}, "must be a collection, which can be read twice, got generator"),
        ({"a": "x", "more": object()}, "field 'more' must be something that JSON can carry, got object"),
        ({"a": "x", "more": b"\xff"}, "field 'more' must hold bytes that are UTF-8, as all text in JSON is, got bytes"),
        ({"a": "\ud800"}, "field 'a' must hold text without lone surrogates, which UTF-8 cannot have, got str"),
        ({"a": "x", "more": {"\ud800": 1}}, "field 'more' must hold text without lone surrogates, which UTF-8 "),
        ({"a": "x", "\ud800": 1}, "field '\\ud800' must have a name without lone surrogates, which UTF-8 cannot have"),
        ({"a": "x", "more": nested(201)}, "field 'more' must have at most 200 levels, got list"),
        ({"a": "x", "more": nested(900)}, "field 'more' must have at most 200 levels, got list"),
        ({"a": "x", "more": holding_itself}, "field 'more' must not hold itself, got list"),
        ({"a": "x", "more": "y" * 1_000_001}, "may have 1,000,000 bytes of JSON, got 1,000,"),
        ({"a": "x", "untyped": datetime(2026, 1, 1, tzinfo=UTC)}, "field 'untyped' would arrive as plain JSON"),
    ],
)  # fmt: skip
async def test_what_would_not_arrive_is_refused_before_anything_is_stored(fields: dict[str, Any], words: str) -> None:
    """The error names the field, what is expected and the type that was given; no server is asked."""
    with pytest.raises(upnext.PayloadError) as caught:
        await open_event().send(**fields)
    assert words in str(caught.value)
    assert caught.value.subject == "order.placed"


async def test_an_unknown_field_is_refused_when_a_handler_is_closed() -> None:
    """A handler without `**kwargs` would fail on it, as Python does."""
    event = upnext.Worker("shop", redis_url="redis://127.0.0.1:1").event("order.placed")

    @event.on
    async def confirm(order_id: str) -> None: ...

    with pytest.raises(upnext.PayloadError, match=r"handler 'confirm'.*field 'ordr_id' is not taken\."):
        await event.send(order_id="1", ordr_id="2")


@pytest.mark.parametrize("extra", ["allow", "forbid"])
async def test_an_option_among_the_fields_is_refused_with_where_it_goes(extra: Literal["allow", "forbid"]) -> None:
    """Other libraries take options and arguments in one call."""
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")
    event = worker.event("order.placed", extra=extra)

    @event.on
    async def confirm(order_id: str) -> None: ...

    @worker.task
    async def refund(key: str) -> None: ...

    hint = r"is not taken; options go into \.options\(%s=\.\.\.\)\."
    with pytest.raises(upnext.PayloadError, match="field 'delay' " + hint % "delay"):
        await event.send(order_id="1", delay=60)
    with pytest.raises(upnext.PayloadError, match="field 'at' " + hint % "at"):
        await refund.submit(key="1", at=None)  # type: ignore[call-arg]


async def test_extras_can_be_forbidden_for_an_event() -> None:
    """`worker.event(name, extra="forbid")` refuses fields that no handler names, although all take `**kwargs`."""
    event = upnext.Worker("shop", redis_url="redis://127.0.0.1:1").event("order.placed", extra="forbid")

    @event.on
    async def confirm(order_id: str, **kwargs: object) -> None: ...

    with pytest.raises(upnext.PayloadError, match="field 'note' is not taken"):
        await event.send(order_id="1", note="x")


class Node(BaseModel):
    """One that holds itself."""

    next: Node | None = None


async def test_a_recursive_type_may_be_that_of_a_field_and_of_further_ones(redis_url: str) -> None:
    """One definition is enough for both."""
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.task
    async def count(head: Node, **more: Node) -> int:
        return len(more) + (head.next is not None)

    async with running(worker):
        assert await count.wait(head=Node(next=Node()), a=Node(), b=Node()) == 3


async def test_errors_never_show_a_value() -> None:
    """Neither the message nor its repr holds what was sent, nor keys inside it."""
    for fields in (
        {"a": [SECRET]},
        {"a": {SECRET: SECRET}},
        {"a": "x", "n": SECRET},
        {"a": "x", "m": {SECRET: {1: 2}}},
    ):
        with pytest.raises(upnext.PayloadError) as caught:
            await open_event().send(**fields)
        assert SECRET not in str(caught.value) + repr(caught.value) + repr(caught.value.problems)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (uuid.UUID, "should be a valid UUID"),
        (datetime, "should be a valid datetime"),
        (timedelta, "should be a valid duration"),
        (Annotated[Cat | Dog, Field(discriminator="kind")], "should be one of 'cat', 'dog' by 'kind'"),
        (Annotated[str, AfterValidator(refuse)], "is refused by a validator of its type"),
        (Annotated[str, Field(max_length=3)], "String should have at most 3 characters"),
        (Literal["a"], "should be 'a'"),
    ],
    ids=["uuid", "datetime", "timedelta", "tag", "validator", "length", "literal"],
)
def test_what_a_worker_says_of_a_payload_never_quotes_it(hint: Any, words: str) -> None:
    """Some of pydantic's messages do, and a user's own may."""

    def take(field: Any) -> None: ...

    take.__annotations__["field"] = hint
    body = {"kind": SECRET} if "kind" in words else SECRET
    with pytest.raises(upnext.PayloadError) as caught:
        Signature(take, "event", "take").decode(json.dumps({"field": body}).encode())
    assert [problem.expected for problem in caught.value.problems] == [words]
    assert not any(part in str(caught.value) for part in (SECRET, "`s`"))


async def test_a_payload_that_a_handler_cannot_take_is_a_dead_letter_at_once(redis_url: str) -> None:
    """A sender without the handlers' code can send it; it is not retried, and it is visible."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    runs: list[int] = []

    @worker.event("order.placed").on(retries=5)
    async def confirm(order_id: int) -> None:
        runs.append(order_id)

    async with running(worker):
        receipt = await upnext.Worker("other", redis_url=redis_url).event("order.placed").send(order_id=SECRET)
        with pytest.raises(upnext.JobFailedError) as caught:
            await receipt.results(timeout=10)
    assert caught.value.reason == "payload"
    assert "field 'order_id' should be a valid integer" in caught.value.error
    assert SECRET not in str(caught.value)
    assert runs == []


async def test_payloads_are_plain_json_on_the_server(redis_url: str) -> None:
    """Nothing is pickled: what is stored is a line of ours and the fields as JSON."""
    from redis.asyncio import Redis

    receipt = await upnext.Worker("shop", redis_url=redis_url).event("order.placed").send(order_id="1", items=["a"])
    async with Redis.from_url(redis_url) as client:
        envelope = await client.hget("upnext:{default:0}:events", receipt.event_id)
    assert isinstance(envelope, bytes)
    assert json.loads(envelope.partition(b"\n")[2]) == {"order_id": "1", "items": ["a"]}


def test_a_send_is_checked_against_handlers_in_other_modules(tmp_path: Path) -> None:
    """Every handler that a loaded module has under its name is known; one that was made in passing is not."""
    (tmp_path / "elsewhere.py").write_text(
        "import upnext\n"
        "@upnext.Worker('elsewhere').event('far.away').on\n"
        "def named(a: int, **kwargs: object) -> None: ...\n"
        "def make():\n"
        "    @upnext.Worker('passing').event('far.away').on\n"
        "    def passing(b: int) -> None: ...\n"
        "    return passing\n"
        "kept = make()\n"
    )
    script = (
        "import elsewhere, upnext\n"
        "event = upnext.Worker('shop', redis_url='redis://127.0.0.1:1').event('far.away')\n"
        "try: event.send_sync(a='x')\n"
        "except upnext.PayloadError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "Payload of 'far.away' (handler 'named'): field 'a' should be a valid integer, got str.\n"


def test_the_first_sends_of_several_threads_are_checked() -> None:
    """A thread that comes while another one looks up the handlers of an event looks them up too."""
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")
    events = [worker.event(f"race.{n}") for n in range(300)]
    for event in events:

        @event.on
        async def take(x: int) -> None: ...

    unchecked: list[str] = []
    barrier = threading.Barrier(4, timeout=60)

    async def send_all() -> None:
        for event in events:
            barrier.wait()
            try:
                await event.send(x="not a number")
            except upnext.PayloadError:
                continue
            unchecked.append(event.name)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with use_transport(Sends()):
            threads = [threading.Thread(target=asyncio.run, args=(send_all(),)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert unchecked == []
