"""Sends from the places that code has: classes, closures, comprehensions, tasks of asyncio, branches."""

import asyncio
from collections.abc import Callable
from typing import Final, NotRequired, TypedDict, Unpack, assert_type

import upnext

from shop.events import order_placed, order_shipped, worker
from shop.handlers import confirm

SHIPPED: Final = "order.shipped"


# feature: sends in classes, closures, comprehensions, `asyncio` tasks, after narrowing
class Events:
    placed = worker.event("order.placed")
    shipped = worker.event(SHIPPED)


class Service:
    def __init__(self, worker: upnext.Worker) -> None:
        self.placed = worker.event("order.placed")
        self.confirm = confirm

    async def good(self) -> None:
        await self.placed.send(order_id="1", user_id="2")
        await self.confirm.send(order_id="1", user_id="2")

    async def bad(self) -> None:
        await self.placed.send(order_id="1")  # E
        await self.confirm.send(order_id="1")  # E


# feature: handlers with `**fields: Unpack[TypedDict]`, `event.on(function)`
class Fields(TypedDict):
    order_id: str
    carrier: NotRequired[str]


async def on_shipped(**fields: Unpack[Fields]) -> int:
    if fields.get("carrier"):
        await order_shipped.send(**fields)
    return 1


shipped_elsewhere = order_shipped.on(on_shipped)
tried_again = order_shipped.on(name="again", retries=3)(on_shipped)


def plain(order_id: str, user_id: str, **kwargs: object) -> None: ...


# feature: sends in classes, closures, comprehensions, `asyncio` tasks, after narrowing
async def good(maybe: Events | None) -> None:
    await Events.placed.send(order_id="1", user_id="2")
    await Events().shipped.send(order_id="1")
    await asyncio.gather(*(order_placed.send(order_id=str(n), user_id="2") for n in range(3)))
    task = asyncio.create_task(order_placed.send(order_id="1", user_id="2"))
    assert_type((await (await task).results())["confirm"], int)
    if maybe is not None:
        await maybe.placed.send(order_id="1", user_id="2")
    await shipped_elsewhere.send(order_id="1")
    assert_type(await shipped_elsewhere(order_id="1", carrier="post"), int)
    assert_type(await tried_again(order_id="1", carrier="post"), int)
    sends = {"placed": order_placed.send_sync}
    sends["placed"](order_id="1", user_id="2")


async def bad(maybe: Events | None) -> None:
    await Events.placed.send(order_id="1")  # E
    await Events().shipped.send(order_id="1", note="x")  # E
    await asyncio.gather(*(order_placed.send(order_id=n, user_id="2") for n in range(3)))  # E
    asyncio.create_task(order_placed.send(order_id="1"))  # E
    if maybe is not None:
        await maybe.placed.send(order_id="1")  # E
    await shipped_elsewhere.send(order_id="1", note="x")  # E
    await shipped_elsewhere(order_id=1)  # E
    await tried_again.send(order_id=1)  # E
    sends = {"placed": order_placed.send_sync}
    sends["placed"](order_id="1")  # E

    async def inner() -> None:
        await order_placed.send(order_id="1")  # E

    later: Callable[[], object] = lambda: order_placed.send_sync(order_id="1")  # E
    print(inner, later)


# feature: handlers with `**fields: Unpack[TypedDict]`, `event.on(function)`
def bad_handler_calls() -> None:
    placed_again = order_placed.on(plain)
    placed_again(order_id=1, user_id="2")  # E
    placed_again.send_sync(order_id=1, user_id="2")  # E
