"""The service under test: handlers that write down what they do, outside the system under test.

`CONTRACT=1` is the service before a field was added to the event, `CONTRACT=2` the one after: both run at the same
time, as they do while a new version is rolled out.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import upnext
from upnext.options import Options

LEDGER = os.open(os.environ["LEDGER"], os.O_APPEND | os.O_WRONLY)


def note(word: str, n: str) -> None:
    context = upnext.get_current_context()
    line = f"{word} {context.handler} {n} {context.attempt} {os.getpid()} {time.monotonic():.3f}\n"
    os.write(LEDGER, line.encode())


worker = upnext.Worker("shop", concurrency=20)
event = worker.event("order.placed")


@event.on
async def steady(n: str, **kwargs: object) -> None:
    note("start", n)
    await asyncio.sleep(random.uniform(0, 0.6))
    note("end", n)


@event.on(retries=5, retry_delay=0.05)
async def flaky(n: str, **kwargs: object) -> None:
    note("start", n)
    if random.random() < 0.4:
        note("fail", n)
        raise ValueError(n)
    note("end", n)


@event.on(retries=1)
def threaded(n: str, **kwargs: object) -> str:
    note("start", n)
    time.sleep(random.uniform(0, 0.2))
    note("end", n)
    return n


if "limit" in Options.__slots__:  # a release before limits leaves these jobs to the others

    @event.on(limit=3)
    async def limited(n: str, **kwargs: object) -> None:
        note("start", n)
        await asyncio.sleep(random.uniform(0, 0.05))
        note("end", n)


if "by" in Options.__slots__:

    @event.on(limit=3, by="shard")
    async def divided(n: str, shard: str | None = None, **kwargs: object) -> None:  # nobody sends one: all share it
        note("start", n)
        await asyncio.sleep(random.uniform(0, 0.05))
        note("end", n)


if "unique" in Options.__slots__:
    saved = worker.event("document.saved")

    @saved.on(unique="doc")
    async def indexed(doc: str) -> None:
        context = upnext.get_current_context()
        line = f"begun {doc} {context.job_id} {context.attempt} {time.monotonic():.3f}\n"
        os.write(LEDGER, line.encode())
        await asyncio.sleep(random.uniform(0, 0.2))

    @saved.on
    async def logged(doc: str) -> None: ...


if hasattr(upnext.Worker, "cron"):

    @worker.cron(every=timedelta(seconds=1))
    async def ticked() -> None:
        os.write(LEDGER, f"ticked {upnext.get_current_context().event_id}\n".encode())


def attach(function: Callable[..., Any]) -> None:
    event.on(name="closed")(function)


if os.environ["CONTRACT"] == "1":

    @attach
    async def closed(n: str) -> None:
        note("start", n)
        note("end", n)
else:

    @attach
    async def closed(n: str, coupon: str | None = None) -> None:
        note("start", n)
        note("end", n)
