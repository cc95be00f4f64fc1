"""Several workers, subclasses of `Worker`, and workers and events that are handed around."""

from typing import assert_type

import upnext

from shop.events import order_placed, worker
from shop.handlers import confirm
from shop.services import ShopWorker, billing, placed_for_billing, reorder, stock_low, warehouse


# feature: several workers, a subclass of `Worker`, a `worker: Worker` parameter
async def good(any_worker: upnext.Worker, shop: ShopWorker, name: str) -> None:
    await placed_for_billing.send(order_id="1", user_id="2")
    await billing.event("order.placed").send(order_id="1", user_id="2", currency="USD")
    await any_worker.event("order.placed").send(order_id="1", user_id="2")
    await shop.event("stock.low").send(sku="a", left=1)
    await warehouse.event("stock.low").send(sku="a", left=1)
    await stock_low.send(sku="a", left=1)
    await reorder.send(sku="a", left=1)
    assert_type(warehouse.shop, str)
    # A name that is worked out at run time, or that no handler is attached to, is sent untyped.
    await any_worker.event(name).send(anything=1)
    await worker.event("order." + name).send(anything=1)
    await worker.event("order.plcaed").send(anything=1)


# feature: events and handlers in parameters: `Event`, `TypedEvent`, `Sender`
async def send_any(event: upnext.Event) -> None:
    await event.send(anything=1)
    await event.options(delay=1).send(anything=1)
    assert_type(event.name, str)


async def call_any(handler: upnext.TypedEvent[..., object]) -> None:
    print(handler())


def send_later(sender: upnext.Sender) -> None:
    sender.send_sync(anything=1)


async def good_handed_around() -> None:
    await send_any(order_placed)
    await send_any(confirm)
    await send_any(worker.event("order.plcaed"))
    await call_any(confirm)
    send_later(order_placed.options(delay=1))
    send_later(order_placed)


# feature: several workers, a subclass of `Worker`, a `worker: Worker` parameter
async def bad(any_worker: upnext.Worker, shop: ShopWorker, event: upnext.Event) -> None:
    await placed_for_billing.send(order_id="1")  # E
    await placed_for_billing.send(order_id="1", user_id="2", currency=1)  # E
    await billing.event("order.placed").send(order_id="1")  # E
    await any_worker.event("order.placed").send(order_id="1")  # E
    await shop.event("stock.low").send(sku="a")  # E
    await warehouse.event("stock.low").send(sku="a", left="1")  # E
    await stock_low.send(sku="a", left=1, note="x")  # E
    await reorder.send(sku="a")  # E
    await event.sned(anything=1)  # E
    await send_any("order.placed")  # E
    await send_any(worker)  # E
    await call_any(order_placed)  # E
    event.options(dely=1)  # E
