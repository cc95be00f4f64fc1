"""What this service takes, and what it does with it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from pydantic import BaseModel

import upnext

worker = upnext.Worker("orders")
order_placed = worker.event("order.placed")


class Shipping(Enum):
    STANDARD = "standard"
    EXPRESS = "express"


class Item(BaseModel):
    sku: str
    amount: int = 1


@order_placed.on(retries=3)
async def reserve_stock(order_id: str, items: list[Item], **kwargs: object) -> None:
    """Set the items of an order aside."""


@order_placed.on(retries=3)
async def plan_delivery(
    order_id: str, shipping: Shipping = Shipping.STANDARD, not_before: datetime | None = None, **kwargs: object
) -> None:
    """Choose who delivers an order."""
