"""What both releases run, each from an environment of its own: handlers that write down what they did, and a sender.

`python service.py work` runs the worker, `python service.py send FIRST END` sends everything with these numbers. Only
what both releases have is used.
"""

from __future__ import annotations

import asyncio
import os
import sys

import upnext

worker = upnext.Worker("shop", concurrency=20)
event = worker.event("order.placed")


def note(kind: str, n: int) -> None:
    ledger = os.open(os.environ["LEDGER"], os.O_APPEND | os.O_WRONLY)
    os.write(ledger, f"{kind} {n}\n".encode())
    os.close(ledger)


@event.on
async def steady(n: int, **kwargs: object) -> None:
    await asyncio.sleep(0.01)
    note("steady", n)


@event.on(retries=3, retry_delay=0.1)
async def flaky(n: int, context: upnext.Context, **kwargs: object) -> None:
    if context.attempt == 1:
        raise ValueError(n)
    note("flaky", n)


@worker.task
async def double(n: int) -> int:
    note("task", n)
    return 2 * n


async def send(n: int) -> None:
    """Send one of everything, and see the result of the task."""
    if n % 3 == 0:
        await event.options(delay=0.5).send(n=n)
    elif n % 3 == 1:
        await event.options(key=f"order-{n}").send(n=n)
    else:
        await event.send(n=n, note="for whoever takes it")
    if await double.wait(n) == 2 * n:
        note("result", n)


async def send_all(first: int, end: int) -> None:
    places = asyncio.Semaphore(20)

    async def one(n: int) -> None:
        async with places:
            await send(n)

    await asyncio.gather(*map(one, range(first, end)))


if __name__ == "__main__":
    if sys.argv[1] == "work":
        upnext.run(worker)
    else:
        asyncio.run(send_all(int(sys.argv[2]), int(sys.argv[3])))
