"""`Annotated[str, upnext.Formerly("order_id")]`: a field takes what is queued and sent under its former names."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypedDict

import pytest
from typing_extensions import Unpack

import upnext
from tests.runtime.running import running
from upnext.errors import ConfigError, PayloadError
from upnext.payload.signature import Signature

Number: TypeAlias = Annotated[int, upnext.Formerly("order_id", "id")]


class Fields(TypedDict, total=False):
    number: Number


def plain(number: Number) -> None: ...
def with_a_default(number: Annotated[int | None, upnext.Formerly("order_id")] = None) -> None: ...
def optional(number: Annotated[int, upnext.Formerly("order_id")] | None) -> None: ...
def open_to_more(number: Number, **further: object) -> None: ...
def unpacked(**fields: Unpack[Fields]) -> None: ...  # type: ignore[misc,unused-ignore]


@pytest.mark.parametrize(
    ("function", "body", "arguments"),
    [
        (plain, '{"order_id": 1}', {"number": 1}),
        (plain, '{"id": 12345678901234567890123}', {"number": 12345678901234567890123}),
        (plain, '{"number": 1, "order_id": 2}', {"number": 1}),
        (with_a_default, '{"order_id": null}', {"number": None}),
        (with_a_default, "{}", {}),
        (optional, '{"order_id": 1}', {"number": 1}),
        (open_to_more, '{"order_id": 1, "b": [1.5, "é"]}', {"number": 1, "b": [1.5, "é"]}),
        (unpacked, '{"id": 1}', {"number": 1}),
    ],
)
def test_a_payload_with_a_former_name_is_read_as_with_todays(
    function: Any, body: str, arguments: dict[str, Any]
) -> None:
    assert Signature(function, "order.placed", "h").decode(body.encode()) == arguments


@pytest.mark.parametrize("body", ['{"order_id": "1"}', '{"order": 1}', "{}", "[]", "{"])
def test_what_is_wrong_stays_wrong(body: str) -> None:
    with pytest.raises(PayloadError):
        Signature(plain, "order.placed", "h").decode(body.encode())


def test_former_names_that_cannot_be_told_apart_are_refused() -> None:
    def of_another(number: Number, order_id: int) -> None: ...
    def twice(number: Number, other: Annotated[int, upnext.Formerly("id")]) -> None: ...

    for function, name in ((of_another, "order_id"), (twice, "id")):
        with pytest.raises(ConfigError, match=f"'{name}' is the name of another field"):
            Signature(function, "order.placed", "h").prepare()
    for names in ((), ("",), (1,)):
        with pytest.raises(ConfigError, match=r"Formerly\(.*\) cannot be used"):
            upnext.Formerly(*names)  # type: ignore[arg-type,unused-ignore]


async def test_jobs_and_senders_of_the_old_release_go_on_and_new_code_sends_the_new_name(redis_url: str) -> None:
    taken: list[int] = []
    old, new = (upnext.Worker("shop", redis_url=redis_url) for _ in range(2))
    before, after = old.event("order.placed"), new.event("order.placed")

    @before.on(name="confirm")
    async def first(order_id: int) -> None: ...

    @after.on(name="confirm")
    async def second(number: Number) -> None:
        taken.append(number)

    async with running(old):
        pass
    queued = await before.send(order_id=1)
    with pytest.raises(PayloadError, match="'number' is missing"):
        await after.send(order_id=2)
    async with running(new):
        late = await before.send(order_id=3)
        own = await after.send(number=4)
        for receipt in (queued, late, own):
            await receipt.results(timeout=20)
    assert sorted(taken) == [1, 3, 4]
