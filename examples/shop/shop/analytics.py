"""Figures for the morning meeting. Handlers take what they count, and leave the rest to `**kwargs`."""

import logging
from collections import Counter
from datetime import datetime
from decimal import Decimal

import upnext
from shop.events import order_placed, user_registered
from shop.models import Money

log = logging.getLogger("shop")

revenue: Counter[str] = Counter()
signups: set[str] = set()


@order_placed.on
def record_sale(total: Money, placed_at: datetime, coupon: str | None = None, **kwargs: object) -> dict[str, str]:
    """Not async: it runs in a thread, so a slow database driver holds up nobody."""
    revenue[placed_at.date().isoformat()] += int(total.amount * Decimal(100))
    log.info("sale recorded: %s, coupon %s", total, coupon or "none")
    return {"day": placed_at.date().isoformat()}


@user_registered.on
async def count_signup(context: upnext.Context, **kwargs: object) -> int:
    # The same event keeps its id when it is delivered twice, so it is counted once.
    signups.add(context.event_id)
    return len(signups)
