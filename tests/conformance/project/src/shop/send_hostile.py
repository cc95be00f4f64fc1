"""What a hostile tester tries: narrowing, containers, helpers, forgotten `await`s, stars."""

from typing import Any, TypeVar, assert_type

import upnext

from shop.events import order_placed, order_shipped, worker
from shop.handlers import confirm
from shop.models import Order

E = TypeVar("E", bound=upnext.Event)


# feature: events in generic helpers, in dicts, behind `Optional` and in conditions
def same(event: E) -> E:
    return event


class Bus:
    def __init__(self, later: bool) -> None:
        self.event = worker.event("order.placed")
        self.shipped = order_shipped if later else None

    async def narrowed(self) -> None:
        if self.shipped is None:
            return
        await self.shipped.send(order_id="1")
        await self.shipped.send(order_id=1)  # E

    async def unnarrowed(self) -> None:
        await self.shipped.send(order_id="1")  # E


async def good(bus: Bus, either: bool, order: Order, fields: dict[str, Any]) -> None:
    await same(order_placed).send(order_id="1", user_id="2")
    await same(confirm).send(order_id="1", user_id="2")
    await bus.event.send(order_id="1", user_id="2", **fields)
    await (bus.event if either else confirm).send(order_id="1", user_id="2")
    by_name = {"placed": order_placed}
    await by_name["placed"].send(order_id="1", user_id="2")
    first, _ = order_placed, order_shipped
    await first.send(order_id="1", user_id="2")
    await order_placed.send(**order, items=None)
    receipt = order_placed.send_sync(order_id="1", user_id="2")
    assert_type([job.handler for job in receipt.jobs], list[str])


async def bad(bus: Bus, either: bool, order: Order) -> None:
    await same(order_placed).send(order_id="1")  # E
    await same(confirm).send(order_id="1")  # E
    await bus.event.send(order_id="1")  # E
    await (bus.event if either else confirm).send(order_id="1")  # E
    by_name = {"placed": order_placed}
    await by_name["placed"].send(order_id="1")  # E
    first, _ = order_placed, order_shipped
    await first.send(order_id="1")  # E
    await order_placed.send(**order, user_id="2")  # E
    print(order_placed.send(order_id="1", user_id="2").event_id)  # E
    receipt: upnext.Receipt = order_placed.send(order_id="1", user_id="2")  # E
    await order_placed.send_sync(order_id="1", user_id="2")  # E
    order_placed(order_id="1", user_id="2")  # E
    print(receipt)
