"""Without a generated catalog an event is untyped, and a handler is typed by itself."""

import functools
from typing import assert_type

import upnext

worker = upnext.Worker("plain")
order_placed = worker.event("order.placed")


@order_placed.on
async def confirm(order_id: str, user_id: str = "") -> int:
    return 1


@order_placed.on(retries=2)
def reserve(order_id: str, **kwargs: object) -> str:
    return order_id


async def good() -> None:
    assert_type(await order_placed.send(anything=1), upnext.Receipt)
    assert_type(order_placed.send_sync(), upnext.Receipt)
    await order_placed.options(delay=3).send(anything=1)
    assert_type(await confirm.send(order_id="1"), upnext.Receipt)
    assert_type(confirm.send_sync(order_id="1", user_id="2"), upnext.Receipt)
    await reserve.send(order_id="1", gift=True)
    await confirm.options(key="a").send(order_id="1", anything=1)
    half = functools.partial(confirm.send, order_id="1")
    await half(user_id="2")
    assert_type(await confirm("1", "2"), int)
    assert_type(reserve("1", gift=True), str)


async def bad() -> None:
    await confirm.send()  # E
    await confirm.send(order_id=1)  # E
    await confirm.send(order_id="1", gift=True)  # E
    confirm.send_sync(user_id="2")  # E
    await reserve.send(gift=True)  # E
    through = reserve.send
    await through(order_id=1)  # E
    functools.partial(confirm.send, order_id=1)  # E
    await confirm(1)  # E
    reserve()  # E
    order_placed.options(dely=3)  # E
    order_placed.on(retry=3)  # E
    worker.event("order.placed", extra="maybe")  # E
