"""Tasks: `submit`, `wait`, the typed `Job`, and the function itself."""

from typing import assert_type

import upnext

from shop.tasks import clean, mail, write_report


# feature: tasks: `submit`, `wait`, `Job[R]`
async def good(context: upnext.Context) -> None:
    job = await mail.submit("a@example.org")
    assert_type(job, upnext.Job[int])
    assert_type(await job.result(timeout=3), int)
    assert_type(job.id, str)
    assert_type(await mail.wait(address="a@example.org", copy=True), int)
    assert_type(await write_report.submit("a", pages=2), upnext.Job[str])
    assert_type(await write_report.wait("a", 2), str)
    assert_type(await clean.options(delay=3, key="c").submit(2.5), upnext.Job[list[str]])
    assert_type(await mail(context, "a@example.org"), int)
    assert_type(write_report("a"), str)
    assert_type(clean.name, str)


def good_sync() -> None:
    assert_type(mail.submit_sync("a@example.org").result_sync(), int)
    assert_type(write_report.wait_sync("a"), str)


async def take(job: upnext.Job[object]) -> None: ...


async def good_handed_around() -> None:
    await take(await mail.submit("a@example.org"))


async def bad(context: upnext.Context) -> None:
    await mail.submit()  # E
    await mail.submit(1)  # E
    await mail.submit(context, "a@example.org")  # E
    await mail.submit("a@example.org", True)  # E
    await mail.submit("a@example.org", cpy=True)  # E
    await mail.wait(address=1)  # E
    await write_report.submit()  # E
    await write_report.wait("a", pages="2")  # E
    await clean.options(delay=3).submit("2.5")  # E
    await clean.options(dely=3).submit(2.5)  # E
    mail.submit_sync()  # E
    write_report.wait_sync(1)  # E
    await mail("a@example.org")  # E
    number: int = await write_report.wait("a")  # E
    job: upnext.Job[str] = await mail.submit("a@example.org")  # E
    await mail.send(address="a@example.org")  # E
    print(number, job)
