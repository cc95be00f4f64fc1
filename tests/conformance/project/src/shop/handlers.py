from typing import Any

import upnext

from shop.events import order_audited, order_placed, order_shipped
from shop.models import Item


@order_placed.on
async def confirm(order_id: str, user_id: str, **kwargs: object) -> int:
    return 1


@order_placed.on(retries=2, retry_delay=0.5, timeout=60)
def reserve(ctx: upnext.Context, order_id: str, items: list[Item] | None = None, **kwargs: object) -> str:
    return ctx.job_id


@order_placed.on(name="count")
async def count_order(total: float = 0.0, **kwargs: object) -> None: ...


# Closed: it fails on every field that it does not name, so no other field can be sent.
@order_shipped.on
async def notify(order_id: str, carrier: str = "post") -> bool:
    return True


@order_shipped.on
def track(order_id: str, **kwargs: Any) -> list[str]:
    return [order_id]


@order_audited.on
async def audit(order_id: str, **kwargs: object) -> None: ...


# One function, two events: what is sent through it is the upper one.
@order_placed.on(name="log_placed")
@order_shipped.on(name="log_shipped")
def log(order_id: str, **kwargs: object) -> bytes:
    return order_id.encode()


# A handler is its event too.
@confirm.on
async def thank(user_id: str, **kwargs: object) -> None: ...
