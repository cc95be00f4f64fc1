"""Scheduled tasks, and parameters that are provided."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, assert_type

import upnext

from shop.events import order_placed, worker


async def get_session() -> AsyncIterator[dict[str, str]]:
    yield {}


Session = Annotated[dict[str, str], upnext.Provide(get_session)]


@order_placed.on
async def note(order_id: str, session: Session, **kwargs: object) -> None:
    session[order_id] = "noted"


# feature: scheduled tasks, and parameters that are provided
@worker.cron("0 3 * * *", tz="Europe/Berlin", catch_up=True, retries=2, timeout=60)
async def nightly() -> int:
    await order_placed.send(order_id="1", user_id="2")
    await order_placed.send(order_id="1")  # E
    return 1


@worker.cron(every=timedelta(minutes=5), name="poll")
def poll_orders(limit: int = 10, session: Session = upnext.PROVIDED) -> list[str]:
    return [*session][:limit]


async def good() -> None:
    assert_type(await nightly.wait(), int)
    assert_type(await poll_orders.submit(limit=1), upnext.Job[list[str]])
    await note.send(order_id="1", user_id="2")
    await note("1", {})


async def bad() -> None:
    await nightly.submit(1)  # E
    await poll_orders.wait(limit="1")  # E
    worker.cron("0 3 * * *", tz=1)  # E
    worker.cron(every=5)  # E
    worker.cron("0 3 * * *", retry=2)  # E
    worker.cron(3)  # E
    await note.send(order_id="1", user_id="2", session=1, items=3)  # E
    upnext.Provide(3)  # E
