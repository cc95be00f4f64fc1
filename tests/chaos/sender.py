"""Sends as many events as each line of its standard input says; writes down before and after what it was told."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
import uuid

import upnext

LEDGER = os.open(os.environ["LEDGER"], os.O_APPEND | os.O_WRONLY)


def note(*words: str) -> None:
    os.write(LEDGER, (" ".join(words) + "\n").encode())


async def send(event: upnext.Event) -> None:
    n = uuid.uuid4().hex[:16]
    note("intent", n)
    fields = {os.environ["FIELD"]: n}
    if os.environ["COUPONS"] == "1" and random.random() < 0.1:
        fields["coupon"] = "half"  # of the later contract
    try:
        receipt = await event.send(**fields)
    except upnext.SendOutcomeUnknownError:
        note("unknown", n)
    except upnext.BrokerError:
        note("refused", n)
    else:
        note("accepted", n, receipt.event_id)


async def save(event: upnext.Event) -> None:
    """Send to a unique handler, and write down which job is to do it, and whether it waited already."""
    doc, since = random.choice("abc"), time.monotonic()
    try:
        receipt = await event.options(delay=random.choice((0, 0, 0, 3))).send(doc=doc)
    except upnext.BrokerError:
        return
    for job in receipt.jobs:
        if job.handler == "indexed":
            existing = getattr(job, "existing", False)  # not of an earlier release
            note("saved", doc, job.id, f"{existing:d}", f"{since:.3f}", f"{time.monotonic():.3f}")


async def main() -> None:
    worker = upnext.Worker("sender")
    event, saved = worker.event(os.environ["EVENT"]), worker.event("document.saved")
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    note("sender", str(os.getpid()))
    sending: set[asyncio.Task[None]] = set()
    while order := await orders.readline():
        for coroutine in (save(saved), *(send(event) for _ in range(int(order)))):
            task = asyncio.create_task(coroutine)
            sending.add(task)
            task.add_done_callback(sending.discard)
    await asyncio.gather(*sending)


if __name__ == "__main__":
    asyncio.run(main())
