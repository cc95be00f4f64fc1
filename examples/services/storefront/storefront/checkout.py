"""What this service sends: `upnext pull` brought the contracts of the handlers, which are in another service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import upnext

if TYPE_CHECKING:
    from upnext_catalog import ItemPayload

worker = upnext.Worker("storefront")
order_placed = worker.event("order.placed")


async def check_out(order_id: str, basket: dict[str, int]) -> None:
    """Place the order of a basket: article numbers with amounts."""
    items: list[ItemPayload] = [{"sku": sku, "amount": amount} for sku, amount in basket.items()]
    await order_placed.send(order_id=order_id, items=items, shipping="express")


@order_placed.on
async def thank(order_id: str, **kwargs: object) -> None:
    """Show a page that thanks for an order."""
