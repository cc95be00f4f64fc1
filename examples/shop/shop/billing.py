"""Money. A handler sends the next event when a card is declined."""

import logging
from decimal import Decimal

from shop.events import order_placed, payment_failed
from shop.models import Decline, Money

log = logging.getLogger("shop")

CARD_LIMIT = Decimal(1000)


@order_placed.on(retries=2, timeout=30)
async def charge_card(order_id: str, email: str, total: Money, **kwargs: object) -> dict[str, bool]:
    if total.amount > CARD_LIMIT:
        await payment_failed.send(order_id=order_id, email=email, reason=Decline.LIMIT_EXCEEDED)
        return {"charged": False}
    log.info("card charged with %s for order %s", total, order_id)
    return {"charged": True}
