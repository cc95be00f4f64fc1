"""Options of sends, handlers and events; they never mix with fields."""

from datetime import UTC, datetime, timedelta

import upnext
from shop.events import order_placed, order_shipped, worker
from shop.handlers import confirm
from shop.tasks import mail


# feature: `options(...).send`
async def good() -> None:
    await order_placed.options(delay=3).send(order_id="1", user_id="2")
    await order_placed.options(delay=timedelta(hours=1), key="order-1").send(order_id="1", user_id="2")
    await order_placed.options(key=None).send(order_id="1", user_id="2", gift=True)
    order_placed.options(delay=0.5).send_sync(order_id="1", user_id="2")
    await order_shipped.options(delay=3).send(order_id="1")
    await order_placed.options(at=datetime(2027, 1, 1, tzinfo=UTC)).send(order_id="1", user_id="2")


async def bad() -> None:
    await order_placed.options(delay=3).send(order_id="1")  # E
    await order_placed.options(delay=3).send(order_id="1", user_id=2)  # E
    order_placed.options(delay=3).send_sync(order_id="1")  # E
    await order_shipped.options(delay=3).send(order_id="1", note="x")  # E
    await order_placed.options(dely=3).send(order_id="1", user_id="2")  # E
    await order_placed.options(delay="3").send(order_id="1", user_id="2")  # E
    await order_placed.options(key=1).send(order_id="1", user_id="2")  # E
    await order_placed.options(3).send(order_id="1", user_id="2")  # E
    await order_shipped.send(order_id="1", delay=3)  # E
    order_placed.options(delay=3).options(key="a")  # E
    await order_placed.options(at=datetime(2027, 1, 1, tzinfo=UTC)).send(order_id="1")  # E
    await order_placed.options(at="2027-01-01").send(order_id="1", user_id="2")  # E


# feature: `within(transaction).send`
async def good_within(transaction: upnext.Transaction) -> None:
    await order_placed.within(transaction).send(order_id="1", user_id="2")
    await order_placed.options(key="order-1").within(transaction).send(order_id="1", user_id="2", gift=True)
    order_placed.within(transaction).options(delay=3).send_sync(order_id="1", user_id="2")
    await confirm.within(transaction).send(order_id="1", user_id="2")
    await mail.within(transaction).submit("a@example.org")


async def bad_within(transaction: upnext.Transaction) -> None:
    await order_placed.within(transaction).send(order_id="1")  # E
    await order_placed.options(key="order-1").within(transaction).send(order_id="1", user_id=2)  # E
    order_placed.within(transaction).options(delay=3).send_sync(order_id="1")  # E
    await order_placed.within(None).send(order_id="1", user_id="2")  # E
    order_placed.within()  # E
    await confirm.within(transaction).send(order_id=1, user_id="2")  # E
    await mail.within(transaction).submit(1)  # E


# feature: options of events, handlers and tasks
order_placed.on(retries=2, retry_on=(ConnectionError, TimeoutError), give_up_on=ConnectionRefusedError)
worker.task(retries=2, retry_on=ConnectionError)
order_placed.on(limit=5, rate="100/minute")
worker.task(limit=5, rate=None)


def bad_declarations() -> None:
    worker.event("order.placed", extra="refuse")  # E
    worker.event(1)  # E
    order_placed.on(retry=2)  # E
    order_placed.on(retries="2")  # E
    order_placed.on("order.placed")  # E
    worker.task(retry=2)  # E
    order_placed.on(retry_on=ConnectionError())  # E
    order_placed.on(give_up_on="ConnectionError")  # E
    worker.task(give_up_on=[ConnectionError])  # E
    order_placed.on(limit="5")  # E
    worker.task(rate=100)  # E
