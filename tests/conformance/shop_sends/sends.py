"""Sends of the example application's events."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from shop.accounts import sign_up
from shop.billing import charge_card
from shop.email import send_tracking, send_welcome
from shop.events import order_placed, order_shipped, payment_failed, user_registered
from shop.models import Address, Carrier, Decline, Item, Money

PRICE = Money(amount=Decimal("24.50"))
HOME = Address(name="Ada", street="12 St James's Square", city="London", country="GB")


async def good(items: list[Item]) -> None:
    await user_registered.send(user_id=uuid4(), email="ada@example.org")
    await user_registered.send(user_id=uuid4(), email="ada@example.org", name="Ada")
    await send_welcome.send(user_id=uuid4(), email="ada@example.org")
    await order_placed.send(
        order_id="1", email="ada@example.org", items=items, total=PRICE, ship_to=HOME, placed_at=datetime.now(UTC)
    )
    await order_shipped.send(order_id="1", email="ada@example.org", carrier=Carrier.POST, tracking_code="A1")
    await payment_failed.send(order_id="1", email="ada@example.org", reason=Decline.CARD_EXPIRED)
    user: UUID = await sign_up.wait(email="ada@example.org", name="Ada")
    paid: dict[str, bool] = await charge_card("1", "ada@example.org", PRICE)
    print(user, paid)


async def bad(items: list[Item]) -> None:
    now = datetime.now(UTC)
    await user_registered.send(email="ada@example.org")  # E
    await user_registered.send(user_id="42", email="ada@example.org")  # E
    await user_registered.send(user_id=uuid4(), email="ada@example.org", nmae="Ada")  # E
    await send_welcome.send(user_id=uuid4())  # E
    await order_placed.send(order_id="1", email="a", items=items, total=PRICE, ship_to=HOME)  # E
    await order_placed.send(order_id="1", email="a", items=items, total=24.5, ship_to=HOME, placed_at=now)  # E
    await order_placed.send(order_id="1", email="a", items=items, total=PRICE, ship_to="London", placed_at=now)  # E
    await order_placed.send(order_id="1", email="a", items=PRICE, total=PRICE, ship_to=HOME, placed_at=now)  # E
    await charge_card.send(order_id="1", email="a", total=PRICE, placed_at=date(2026, 1, 1))  # E
    await order_shipped.send(order_id="1", email="a", carrier="post", tracking_code="A1")  # E
    await send_tracking.send(order_id="1", email="a", carrier=Carrier.POST)  # E
    await order_shipped.send(order_id="1", email="a", carrier=Carrier.POST, tracking_code="A1", note="x")  # E
    await payment_failed.send(order_id="1", email="a", reason="card expired")  # E
    await payment_failed.options(delay=3).send(order_id="1")  # E
    await sign_up.submit(email="ada@example.org")  # E
    await charge_card("1", "ada@example.org")  # E
