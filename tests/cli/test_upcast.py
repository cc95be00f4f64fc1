"""A change that `@event.upcast` bridges is not a break: not against a lock, the deployed code or waiting jobs."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from tests.cli.deploying import HEAD, ITEM, MAIL, Change, checked, declared, deploy, prepare, queue, told
from tests.cli.projects import ORDERS, Shell
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.connect import reach
from upnext.settings import load

TYPED_DICTS = """
    from typing import NotRequired, TypedDict

"""


def upcast(name: str, takes: str, gives: str, returns: str = "{}") -> str:
    return f"""
    class {name}Old(TypedDict):
        {takes}

    class {name}New(TypedDict):
        {gives}

    @order_placed.upcast
    def {name.lower()}(old: {name}Old) -> {name}New:
        return {returns}  # type: ignore

"""


OLD_ID, NEW_ID = "order_id: str", "order_id: str; language: str"
LANGUAGE = upcast("Plain", OLD_ID, NEW_ID, '{"language": "en", **old}')
WITH_LANGUAGE = MAIL.replace("str,", "str, language: str,")
PARCEL = ITEM.replace("Item", "Parcel")
JOB = (({"order_id": "1"}, "waiting"), ({"order_id": "2"}, "dead"))

BRIDGED = {
    "a new required field": Change(MAIL, WITH_LANGUAGE + LANGUAGE, jobs=JOB),
    "a renamed field": Change(
        MAIL,
        MAIL.replace("order_id", "number") + upcast("R", OLD_ID, "number: str", '{"number": old["order_id"]}'),
        jobs=JOB,
    ),
    "another type": Change(
        MAIL,
        MAIL.replace("order_id: str", "order_id: int") + upcast("R", OLD_ID, "order_id: int", '{"order_id": 1}'),
        jobs=JOB,
    ),
    "a key of a model that is required now": Change(
        ITEM + MAIL.replace("str,", "str, item: Item,"),
        ITEM.replace("int = 1", "int")
        + MAIL.replace("str,", "str, item: Item,")
        + """
    class OldItem(TypedDict):
        name: str
        amount: NotRequired[int]

"""
        + upcast("R", "item: OldItem", "order_id: str; item: Item"),
        jobs=(({"order_id": "1", "item": {"name": "a"}}, "waiting"),),
    ),
    "two steps": Change(
        MAIL,
        WITH_LANGUAGE.replace("str,", "str, total: int,", 1)
        + LANGUAGE
        + upcast("Total", NEW_ID, f"{NEW_ID}; total: int", '{"total": 0, **old}'),
        jobs=JOB,
    ),
}


@pytest.mark.parametrize("name", BRIDGED)
def test_what_an_upcaster_bridges_is_no_break(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Neither of the earlier lock, nor of what is deployed, nor for jobs; without the upcaster it is one of each."""
    change = BRIDGED[name]
    empty.write({"shop_events.py": HEAD + change.before})
    empty.run("gen")
    (empty.root / "upnext.lock").rename(empty.root / "before.lock")
    prepare(empty, valkey_url, change, monkeypatch)
    empty.write({"shop_events.py": TYPED_DICTS + HEAD + change.after})
    done, found = checked(empty, "before.lock", valkey_url)
    assert told(found) == []
    assert done.code == 0
    without = change.after.replace("    @order_placed.upcast\n", "")
    empty.write({"shop_events.py": TYPED_DICTS + HEAD + without})
    _, found = checked(empty, "before.lock", valkey_url)
    codes = {each["code"] for each in found}
    assert {"UPN430", "UPN432"} <= codes
    assert codes & {"UPN411", "UPN415", "UPN417", "UPN422"}


def test_what_an_upcaster_does_not_bridge_is_reported_with_the_reason(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = Change(MAIL, WITH_LANGUAGE + LANGUAGE.replace("order_id: str", "order_id: int", 1), jobs=JOB[:1])
    prepare(empty, valkey_url, change, monkeypatch)
    empty.write({"shop_events.py": TYPED_DICTS + HEAD + change.after})
    done, found = checked(empty, valkey_url)
    assert done.code == 1
    assert {each["code"] for each in found} == {"UPN430", "UPN432"}
    reason = '; no upcaster bridges it: "plain" does not take it: "order_id" is str, not int'
    assert [reason in each for each in told(found)].count(True) == 1


def test_upcasters_are_published_with_the_contracts_of_their_handlers(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that gives something that no JSON Schema describes."""
    opaque = """
    class Opaque: ...

"""
    source = opaque + TYPED_DICTS + HEAD + WITH_LANGUAGE + LANGUAGE + upcast("Odd", "a: int", "b: Opaque")
    deploy(valkey_url, declared("shop_events", source, empty, monkeypatch))
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    assert "takes old payloads as well, through upcaster odd, plain\n" in empty.run("contracts", "show", "mail").out
    (contract,) = json.loads(empty.run("contracts", "list", "--format", "json").out)["contracts"]
    odd, plain = contract["upcasts"]
    assert (odd["name"], odd["gives"], plain["name"]) == ("odd", None, "plain")
    assert (plain["takes"]["required"], plain["gives"]["required"]) == (["order_id"], ["order_id", "language"])


async def test_another_project_sends_as_before_while_an_upcaster_takes_it_and_nothing_dies(
    storefront: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the upcaster the check of the sender fails, and says why."""

    def check() -> tuple[int, list[str]]:
        done = storefront.run("gen", "--check", "--format", "json")
        return done.code, told(json.loads(done.out)["diagnostics"])

    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    deploy(valkey_url, declared("orders.events", ORDERS, storefront, monkeypatch))
    assert (await asyncio.to_thread(storefront.run, "pull", valkey_url)).code == 0
    storefront.run("gen")
    assert await asyncio.to_thread(check) == (0, [])
    changed = ORDERS.replace("items: list[Item],", "items: list[Item], currency: str,").replace(
        "import upnext\n", "from typing import Any, TypedDict\n\nimport upnext\n"
    )
    deploy(valkey_url, declared("orders.events", changed, storefront, monkeypatch))
    code, found = await asyncio.to_thread(check)
    assert code == 1
    assert 'field "currency" of "order.placed" is required now, and what this project sends' in found[0]

    upcaster = """

class WithoutCurrency(TypedDict):
    order_id: str
    items: list[Item]


class WithCurrency(WithoutCurrency):
    currency: str


@order_placed.upcast
def in_euros(old: WithoutCurrency) -> WithCurrency:
    return {**old, "currency": "EUR"}
"""
    (registry,) = declared("orders.events", changed + upcaster, storefront, monkeypatch)
    deploy(valkey_url, [registry])
    code, found = await asyncio.to_thread(check)
    assert code == 0
    assert ["warning UPN440" in each for each in found] == [True]

    jobs = tuple(({"order_id": str(n), "items": [{"sku": "a"}], "shipping": "express"}, "waiting") for n in range(300))
    for handler in ("reserve_stock", "plan_delivery"):
        await asyncio.to_thread(queue, valkey_url, f"orders|order.placed|{handler}", jobs[:150])
    async with running(sys.modules["orders.events"].worker):
        namespace = await reach(load(redis_url=valkey_url))

        async def is_done() -> bool:
            return (await namespace.status_reader.left()).open == 0

        await wait_until_async(is_done)
        assert await namespace.dead_letters.dead() == []
