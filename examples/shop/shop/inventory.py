"""What is on the shelves. An event may be delivered twice, so an order that is reserved already is left alone."""

import logging
from collections import Counter

from shop.events import order_placed, payment_failed
from shop.models import Address, Item

log = logging.getLogger("shop")

on_shelf = Counter({"teapot": 12, "cup": 80})
reserved: dict[str, list[Item]] = {}


@order_placed.on
async def reserve_stock(order_id: str, items: list[Item], ship_to: Address, **kwargs: object) -> dict[str, str]:
    if order_id not in reserved:
        reserved[order_id] = items
        on_shelf.subtract({item.sku: item.quantity for item in items})
        log.info("stock reserved for order %s, to be packed for %s", order_id, ship_to.city)
    return {"packed_for": ship_to.city}


@payment_failed.on
async def release_stock(order_id: str, **kwargs: object) -> None:
    for item in reserved.pop(order_id, []):
        on_shelf[item.sku] += item.quantity
