"""The service under test: three handlers that write down what they do, outside the system under test."""

from __future__ import annotations

import asyncio
import os
import random
import time

import upnext

LEDGER = os.open(os.environ["LEDGER"], os.O_APPEND | os.O_WRONLY)


def note(word: str, n: int) -> None:
    context = upnext.get_current_context()
    os.write(LEDGER, f"{word} {context.handler} {n} {context.attempt}\n".encode())


worker = upnext.Worker("shop", concurrency=20)
event = worker.event("order.placed")


@event.on
async def steady(n: int) -> None:
    note("start", n)
    await asyncio.sleep(random.uniform(0, 0.05))
    note("end", n)


@event.on(retries=5, retry_delay=0.05)
async def flaky(n: int) -> None:
    note("start", n)
    if random.random() < 0.4:
        raise ValueError(n)
    note("end", n)


@event.on(retries=1)
def threaded(n: int) -> int:
    note("start", n)
    time.sleep(random.uniform(0, 0.1))
    note("end", n)
    return n
