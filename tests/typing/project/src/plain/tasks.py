"""Tasks need no catalog."""

from typing import Any, assert_type

import upnext

worker = upnext.Worker("plain", concurrency=10, redis_url="redis://localhost", lease=5.0, grace=2)


@worker.task
async def mail(ctx: upnext.Context, address: str) -> int:
    return ctx.attempt


@worker.task(retries=3, retry_delay=1, retry_backoff=1, timeout=5)
def report(title: str, **options: Any) -> list[str]:
    return [title]


@worker.task
async def unsaid(first: Any, second: int = 1) -> str:
    return str(first)


@worker.task(retries=1)
def unsaid_too(first: Any, second: int = 1) -> str:
    return str(first)


async def good() -> None:
    await unsaid.submit(first=1)
    await unsaid.submit(1, 2)
    await unsaid(1)
    await unsaid_too.wait(first=1, second=2)
    await unsaid_too.submit(1)
    assert_type(await mail.submit("a@example.org"), upnext.Job[int])
    assert_type(await mail.wait(address="a@example.org"), int)
    assert_type(await report.wait("a", pages=3), list[str])


async def bad() -> None:
    await mail.submit()  # E
    await mail.wait(address=1)  # E
    await report.wait(pages=3)  # E
    await report(title="a")  # E


def bad_workers() -> None:
    upnext.Worker()  # E
    upnext.Worker("a", concurency=3)  # E
    upnext.Worker("a", concurrency="3")  # E
    upnext.run("service.py")  # E
