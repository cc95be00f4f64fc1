"""`handler.send`: the same event, and the same fields, whichever handler it goes through."""

from collections.abc import Coroutine
from typing import Any, assert_type

import upnext

from shop.handlers import audit, confirm, count_order, log, notify, reserve, thank, track


# feature: `handler.send`
async def good(context: upnext.Context) -> None:
    assert_type((await (await confirm.send(order_id="1", user_id="2")).results())["confirm"], int)
    await reserve.send(order_id="1", user_id="2")
    await count_order.send(order_id="1", user_id="2", total=3)
    await thank.send(order_id="1", user_id="2", gift=True)
    await log.send(order_id="1", user_id="2")
    await notify.send(order_id="1")
    reserve.send_sync(order_id="1", user_id="2")
    await confirm.options(delay=1).send(order_id="1", user_id="2")


# feature: calls of the handler itself, and what they return
async def good_calls(context: upnext.Context) -> None:
    """Call the functions themselves, as tests do."""
    assert_type(await confirm("1", "2"), int)
    assert_type(await confirm(order_id="1", user_id="2", gift=True), int)
    waiting: Coroutine[Any, Any, int] = confirm("1", "2")
    assert_type(await waiting, int)
    assert_type(reserve(context, "1"), str)
    assert_type(await count_order(), None)
    assert_type(await notify("1"), bool)
    assert_type(track("1", since=3), list[str])
    assert_type(log("1"), bytes)


# feature: `handler.send`
async def bad() -> None:
    await confirm.send(order_id="1")  # E
    await confirm.send(order_id="1", user_id=2)  # E
    await confirm.send("1", "2")  # E
    await reserve.send(order_id="1")  # E
    await reserve.send(order_id="1", user_id="2", items=[1])  # E
    await count_order.send(total=3)  # E
    await thank.send(user_id="2")  # E
    await log.send(order_id="1")  # E
    await notify.send(order_id="1", note="x")  # E
    await track.send(order_id="1", since=3)  # E
    await audit.send(order_id="1", note="x")  # E
    reserve.send_sync(order_id="1")  # E
    await confirm.options(delay=1).send(order_id="1")  # E


# feature: calls of the handler itself, and what they return
async def bad_calls(context: upnext.Context) -> None:
    await confirm("1")  # E
    await confirm(order_id=1, user_id="2")  # E
    reserve(order_id="1")  # E
    reserve(context, 1)  # E
    await notify("1", "post", "x")  # E
    log(1)  # E
    number: int = track("1")  # E
    print(number)
