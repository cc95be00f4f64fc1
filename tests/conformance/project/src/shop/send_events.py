"""`event.send` in all its forms."""

from typing import Any, assert_type

import upnext

from shop.events import order_audited, order_placed, order_shipped
from shop.models import Confused, Item, Order, Unfinished


# feature: `event.send`
async def good(order: Order, anything: dict[str, Any]) -> None:
    receipt = await order_placed.send(order_id="1", user_id="2")
    assert_type(receipt.event_id, str)
    await order_placed.send(order_id="1", user_id="2", items=[Item("a")], total=3, currency="USD")
    await order_placed.send(order_id="1", user_id="2", items=None, total=2.5)
    await order_placed.send(**order)
    await order_placed.send(**anything)
    await order_shipped.send(order_id="1", carrier="rail")
    await order_audited.send(order_id="1")


# feature: fields that no handler names
async def good_with_extras() -> None:
    await order_placed.send(order_id="1", user_id="2", gift=True, note="for you")
    # No name is reserved.
    await order_placed.send(order_id="1", user_id="2", self=1, name="a", delay=2, key="b", timeout=3, handler=4)


# feature: `send_sync`
def good_sync() -> None:
    stored: upnext.Receipt = order_placed.send_sync(order_id="1", user_id="2")
    assert_type(stored.repeated, bool)


# feature: `event.send`
async def bad_fields() -> None:
    await order_placed.send()  # E
    await order_placed.send(order_id="1")  # E
    await order_placed.send(user_id="1")  # E
    await order_placed.send(order_id="1", user_id=2)  # E
    await order_placed.send(order_id=None, user_id="2")  # E
    await order_placed.send(order_id="1", user_id="2", items=[1])  # E
    await order_placed.send(order_id="1", user_id="2", items=[{"sku": "a"}])  # E
    await order_placed.send(order_id="1", user_id="2", total="3")  # E
    await order_placed.send(order_id="1", user_id="2", currency=None)  # E
    await order_placed.send("1", "2")  # E
    await order_placed.send("1", user_id="2")  # E
    await order_placed.send({"order_id": "1", "user_id": "2"})  # E


# feature: fields that no handler names
async def bad_extras() -> None:
    await order_shipped.send(order_id="1", note="x")  # E
    await order_audited.send(order_id="1", note="x")  # E


# feature: `send(**fields)` with a `TypedDict` or a `dict`
async def bad_unpacked(order: Unfinished, confused: Confused, numbers: dict[str, int]) -> None:
    await order_placed.send(**order)  # E
    await order_placed.send(**confused)  # E
    await order_placed.send(**numbers)  # E


# feature: `Receipt` and its results
async def results_of(receipt: upnext.Receipt) -> dict[str, Any]:
    return await receipt.results()


async def good_results() -> None:
    receipt = await order_placed.options(delay=1).send(order_id="1", user_id="2")
    assert_type(await results_of(receipt), dict[str, Any])
    results = await receipt.results(timeout=5.0)
    assert_type(results["confirm"], int)
    assert_type(results["reserve"], str)
    assert_type(results["count"], None)
    shipped = order_shipped.send_sync(order_id="1").results_sync()
    assert_type(shipped["notify"], bool)
    assert_type(shipped["track"], list[str])
    # What travels as other JSON than it was: nothing is said of it.
    assert_type(shipped["log_shipped"], Any)


async def bad_results() -> None:
    results = await (await order_placed.send(order_id="1", user_id="2")).results()
    print(results["confirmed"])  # E
    number: str = results["confirm"]  # E
    text: int = order_placed.send_sync(order_id="1", user_id="2").results_sync()["reserve"]  # E
    print(number, text)
    print((await order_placed.send(order_id="1", user_id="2")).result)  # E
    receipt: str = await order_placed.send(order_id="1", user_id="2")  # E
    print(receipt)


# feature: `send_sync`
def bad_sync() -> None:
    order_placed.send_sync()  # E
    order_placed.send_sync(order_id="1", user_id=2)  # E
    order_shipped.send_sync(order_id="1", note="x")  # E
