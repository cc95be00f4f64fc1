"""How an application tests what it sends and how it reacts; docs/testing.md explains the fixtures."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from shop.accounts import sign_up
from shop.billing import charge_card
from shop.events import order_placed, payment_failed, user_registered, worker
from shop.inventory import on_shelf
from shop.models import Address, Decline, Item, Money

import upnext
from upnext_pytest import RunWorkers, Sends


async def place_order(price: Decimal) -> upnext.Receipt:
    return await order_placed.send(
        order_id="1",
        email="ada@example.org",
        items=[Item(sku="cup", quantity=2, price=Money(amount=price))],
        total=Money(amount=price * 2),
        ship_to=Address("Ada", "1 Elm Street", "London", "GB"),
        placed_at=datetime(2026, 1, 2, tzinfo=UTC),
    )


@pytest.mark.anyio
async def test_a_handler_is_a_function(upnext_sent: Sends) -> None:
    answer = await charge_card(order_id="1", email="ada@example.org", total=Money(amount=Decimal(5000)))
    assert answer == {"charged": False}
    assert upnext_sent.one(payment_failed).fields["reason"] is Decline.LIMIT_EXCEEDED


@pytest.mark.anyio
async def test_an_order_of_too_much_releases_the_stock(upnext_sent: Sends) -> None:
    before = on_shelf["cup"]
    await place_order(Decimal(5000))
    assert upnext_sent.names == ["order.placed"]
    await upnext_sent.run()  # its handlers, and those of what they send
    assert upnext_sent.names == ["order.placed", "payment.failed"]
    assert on_shelf["cup"] == before


@pytest.mark.anyio
async def test_a_task_sends_what_happened(upnext_inline: Sends) -> None:
    user_id = await sign_up.wait(email="ada@example.org", name="Ada")
    assert isinstance(user_id, UUID)
    assert upnext_inline.one(user_registered).fields["user_id"] == user_id


@pytest.mark.anyio
async def test_an_order_goes_all_the_way_through_a_worker(upnext_workers: RunWorkers) -> None:
    async with upnext_workers(worker) as running:
        receipt = await place_order(Decimal(2))
        await running.drained()
    assert (await receipt.results())["charge_card"] == {"charged": True}


def test_the_same_without_async(upnext_workers: RunWorkers) -> None:
    with upnext_workers(worker) as running:
        sign_up.submit_sync(email="ada@example.org", name="Ada")
        running.drained_sync()
