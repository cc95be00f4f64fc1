"""What customers hear from the shop. Mail providers have bad days, so everything here is tried again."""

from uuid import UUID

from shop.events import order_placed, order_shipped, payment_failed, user_registered
from shop.mail import mail
from shop.models import Carrier, Decline, Item, Money


@user_registered.on(retries=5)
async def send_welcome(user_id: UUID, email: str, name: str = "") -> None:
    await mail.deliver(email, f"Welcome, {name or 'dear customer'}: your account is {user_id}")


@order_placed.on(retries=3, retry_delay=0.5)
async def send_confirmation(
    order_id: str, email: str, items: list[Item], total: Money, **kwargs: object
) -> dict[str, bool]:
    await mail.deliver(email, f"Your order {order_id}: {len(items)} item(s), {total}")
    return {"confirmation_sent": True}


@order_shipped.on(retries=5)
async def send_tracking(order_id: str, email: str, carrier: Carrier, tracking_code: str) -> None:
    await mail.deliver(email, f"Your order {order_id} comes by {carrier}: {tracking_code}")


@payment_failed.on(retries=5)
async def ask_for_another_card(order_id: str, email: str, reason: Decline) -> None:
    await mail.deliver(email, f"Your card was declined for order {order_id}: {reason}")
