"""Retry control and moments are typed, with a catalog and without."""

from datetime import UTC, datetime

import upnext

worker = upnext.Worker("plain")
event = worker.event("order.placed")


@event.on(retries=2, retry_on=(ConnectionError, TimeoutError), give_up_on=ValueError)
async def charge(order_id: str) -> None:
    raise upnext.RetryLater(30)


@worker.task(retry_on=OSError)
def report(title: str) -> None:
    raise upnext.Discard("the title is gone")


async def good() -> None:
    await event.options(at=datetime.now(UTC)).send(order_id="1")
    await report.options(at=datetime.now(UTC), key="k").submit("a")


async def bad() -> None:
    event.on(retry_on=ValueError())  # E
    event.on(give_up_on="ValueError")  # E
    worker.task(retry_on=[ValueError])  # E
    event.options(at=3.0)  # E
    upnext.RetryLater("soon")  # E
