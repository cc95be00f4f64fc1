"""The shop over HTTP."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

import upnext
from shop.accounts import sign_up
from shop.events import order_placed, order_shipped
from shop.models import Address, Carrier, Item, Money

api = upnext.Api("shop", port=int(os.environ.get("SHOP_PORT", "8000")))


class NewOrder(BaseModel):
    email: str
    items: list[Item]
    ship_to: Address
    coupon: str | None = None


class PlacedOrder(BaseModel):
    order_id: str
    event_id: str
    handlers: list[str]
    results: Mapping[str, Any] | None = None


@api.post("/orders", status_code=202)
async def place_order(order: NewOrder, wait: float = 0) -> PlacedOrder:
    """Take an order; with `?wait=10` the answer holds what the handlers returned, if they end within 10 seconds."""
    order_id = uuid4().hex[:8]
    receipt = await order_placed.send(
        order_id=order_id,
        email=order.email,
        items=order.items,
        total=Money(amount=sum((item.price.amount * item.quantity for item in order.items), Decimal(0))),
        ship_to=order.ship_to,
        placed_at=datetime.now(UTC),
        coupon=order.coupon,
    )
    return PlacedOrder(
        order_id=order_id,
        event_id=receipt.event_id,
        handlers=[job.handler for job in receipt.jobs],
        results=await receipt.results(timeout=wait) if wait else None,
    )


class OutgoingMessage(BaseModel):
    email: str
    carrier: Carrier
    tracking_code: str


@api.post("/orders/{order_id}/parcel", status_code=202)
async def ship_order(order_id: str, parcel: OutgoingMessage) -> None:
    await order_shipped.send(
        order_id=order_id, email=parcel.email, carrier=parcel.carrier, tracking_code=parcel.tracking_code
    )


class NewUser(BaseModel):
    email: str
    name: str


@api.post("/users", status_code=202)
async def register(user: NewUser) -> None:
    await sign_up.submit(email=user.email, name=user.name)
