"""`upnext unsubscribe`: how the subscription of a handler that is no more ends."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.job_ids import new_event_id
from upnext.broker.partition_count import PartitionCount
from upnext.cli import unsubscribe
from upnext.connect import reach
from upnext.settings import load

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

PREFIX = "upnext:{default:0}:"
HANDLER = "shop|order.placed|mail"
SAID = "Handler 'mail' of 'order.placed' (worker 'shop')"


def resources(url: str, *handlers: str) -> upnext.Worker:
    """A worker with handlers of these names for "order.placed"."""
    worker = upnext.Worker("shop", redis_url=url)

    async def handle(n: int) -> int:
        return n

    for name in handlers:
        worker.event("order.placed").on(name=name)(handle)
    return worker


async def connect(worker: upnext.Worker) -> None:
    """Let a worker subscribe its handlers, and stop."""
    async with running(worker):
        pass


async def test_no_event_queues_for_it_any_more_and_what_waits_is_dead_and_can_be_replayed(
    command: Command, redis_url: str
) -> None:
    """Its neighbours, and senders that knew it, go on."""
    await connect(resources(redis_url, "mail", "count"))
    event = upnext.Worker("sender", redis_url=redis_url).event("order.placed")
    before = [await event.send(n=n) for n in range(3)] + [await event.options(delay=3600).send(n=3)]
    assert await asyncio.to_thread(command, "unsubscribe", "mail", url=redis_url) == (
        0,
        f"{SAID} is not subscribed any more; 4 job(s) that waited for it are dead letters now.\n",
        "",
    )
    after = await event.send(n=4)
    assert [job.handler for job in after.jobs] == ["count"]
    async with running(resources(redis_url, "count")):
        assert await after.results(timeout=10) == {"count": 4}
        with pytest.raises(upnext.JobFailedError) as caught:
            await before[0].results(timeout=10)
        assert (caught.value.handler, caught.value.reason) == ("mail", "unsubscribed")
    assert (await asyncio.to_thread(command, "dead", "replay", "--handler", "mail", url=redis_url))[
        1
    ] == "4 dead letters will run again.\n"
    async with running(resources(redis_url, "mail", "count")):
        assert await before[0].results(timeout=10) == {"mail": 0, "count": 0}
        assert await (await event.send(n=5)).results(timeout=10) == {"mail": 5, "count": 5}


async def test_a_handler_that_is_not_subscribed_is_listed_only_while_something_waits_for_it(
    command: Command, redis_url: str
) -> None:
    """And is marked then; one that is subscribed and that nobody serves stays, as does a task."""
    worker = resources(redis_url, "mail", "count")
    worker.task(name="report")(asyncio.sleep)
    await connect(worker)
    await upnext.Worker("sender", redis_url=redis_url).event("order.placed").send(n=1)

    async def listed() -> tuple[dict[str, Any], set[str], str, str]:
        run = asyncio.to_thread
        rows = json.loads((await run(command, "handlers", "list", "--format", "json", url=redis_url))[1])["handlers"]
        queues = json.loads((await run(command, "status", "--format", "json", url=redis_url))[1])["queues"]
        assert {row["handler"]: row["subscribed"] for row in queues} == {r["handler"]: r["subscribed"] for r in rows}
        text = (await run(command, "status", url=redis_url))[1]
        metrics = (await run(command, "exporter", "--once", url=redis_url))[1]
        return (
            {row["handler"]: row["subscribed"] for row in rows},
            set(re.findall('handler="(.*?)"', metrics)),
            text,
            ((await run(command, "handlers", "list", url=redis_url))[1]),
        )

    assert (await listed())[0] == {"mail": True, "count": True, "report": None}
    for _ in range(2):
        code, out, _ = await asyncio.to_thread(command, "unsubscribe", "mail", url=redis_url)
        assert code == 0, f"also when it is done already: {out}"
    rows, series, text, table = await listed()
    assert (rows, series) == ({"count": True, "report": None}, {"count", "report"})
    assert "mail" not in text + table

    assert (await asyncio.to_thread(command, "dead", "replay", "--handler", "mail", url=redis_url))[0] == 0
    rows, series, text, table = await listed()
    assert (rows, series) == ({"count": True, "mail": False, "report": None}, {"count", "mail", "report"})
    (line,) = [line for line in text.splitlines() if "mail" in line]
    assert line.endswith("not subscribed")
    (line,) = [line for line in table.splitlines() if "mail" in line]
    assert "not subscribed" in line


async def test_without_its_last_handler_an_event_is_kept_for_the_next_first_one(
    command: Command, redis_url: str
) -> None:
    """As if none had ever connected."""
    await connect(resources(redis_url, "mail"))
    event = upnext.Worker("sender", redis_url=redis_url).event("order.placed")
    await event.send(n=1)
    assert (await asyncio.to_thread(command, "unsubscribe", "shop|order.placed|mail", url=redis_url))[0] == 0
    receipt = await event.send(n=2)
    async with running(resources(redis_url, "post")):
        assert await receipt.results(timeout=10) == {"post": 2}


async def test_thousands_of_waiting_jobs_all_become_dead_letters(command: Command, redis_url: str) -> None:
    """Also those that are not due yet, among those of others."""
    await connect(resources(redis_url, "mail", "count"))
    with redis.Redis.from_url(redis_url) as client:
        ids = [new_event_id() for _ in range(1500)]
        client.rpush(
            f"{PREFIX}queue:shop|order.placed|mail", *[f"{each}.0" for each in ids[:999]], f"{ids[999]}.0:2:1:0"
        )
        delayed = {f"shop|order.placed|{name} {each}.0": 9e12 for each in ids[1000:] for name in ("mail", "count")}
        client.zadd(f"{PREFIX}later", delayed)
        assert (await asyncio.to_thread(command, "unsubscribe", "mail", url=redis_url))[1].endswith(
            "; 1,500 job(s) that waited for it are dead letters now.\n"
        )
        assert client.hlen(f"{PREFIX}dead") == client.zcard(f"{PREFIX}dead:index") == 1500
        assert client.llen(f"{PREFIX}queue:shop|order.placed|mail") == 0
        assert client.zcard(f"{PREFIX}later") == 500
    dead_letters = {
        letter.job_id: letter.attempts for letter in await (await reach(load(redis_url=redis_url))).dead_letters.dead()
    }
    assert dead_letters[f"{ids[999]}.0"] == 2
    assert (await asyncio.to_thread(command, "unsubscribe", "mail", url=redis_url))[1] == (
        f"{SAID} was not subscribed; 0 job(s) that waited for it are dead letters now.\n"
    )


async def test_a_handler_that_a_living_worker_has_stays(command: Command, redis_url: str) -> None:
    """It would go on running without getting anything."""
    async with running(resources(redis_url, "mail")) as _:
        assert await asyncio.to_thread(command, "unsubscribe", "mail", url=redis_url) == (
            1,
            "",
            f"upnext: {SAID} runs: stop that worker, or deploy it without the handler, first.\n",
        )
        assert len((await upnext.Worker("s", redis_url=redis_url).event("order.placed").send(n=1)).jobs) == 1


async def test_which_handler_is_meant_has_to_be_clear(command: Command, redis_url: str) -> None:
    """By its name alone, by its event, or by all of it."""
    worker = resources(redis_url, "mail")
    worker.event("order.paid").on(name="mail")(lambda: None)
    await connect(worker)
    both = "shop|order.paid|mail, shop|order.placed|mail"
    assert await asyncio.to_thread(command, "unsubscribe", "mial", url=redis_url) == (
        1,
        "",
        "upnext: There is no handler or task 'mial' here. Did you mean 'mail'?\n",
    )
    assert await asyncio.to_thread(command, "unsubscribe", "mail", "--event", "nope", url=redis_url) == (
        1,
        "",
        "upnext: There is no handler 'mail' of 'nope' here. See `upnext handlers list`.\n",
    )
    assert await asyncio.to_thread(command, "unsubscribe", "mail", url=redis_url) == (
        1,
        "",
        f"upnext: Several handlers have the name 'mail': {both}. Pass one of these.\n",
    )
    assert (await asyncio.to_thread(command, "unsubscribe", "mail", "--event", "order.paid", url=redis_url))[0] == 0


async def test_a_namespace_that_grows_meanwhile_does_not_bring_it_back(
    command: Command, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever adds partitions may have read the subscription before it ended, and write it down elsewhere after."""
    monkeypatch.setattr(unsubscribe, "_GROWTH", 2.0)
    await connect(resources(redis_url, "mail", "count"))
    broker = await reach(load(redis_url=redis_url))
    first, second = broker.partition(0), broker.partition(1)
    await PartitionCount(first).serve(2)
    ending = asyncio.create_task(asyncio.to_thread(command, "unsubscribe", "mail", url=redis_url))

    async def ended() -> bool:
        return not await first.link.command("HEXISTS", first.keys.subscriptions("order.placed"), HANDLER)

    await wait_until_async(ended)
    await second.publisher.subscribe("order.placed", [HANDLER, "shop|order.placed|count"])
    await PartitionCount(first).use([first, second])
    code, _, err = await ending
    assert (code, err) == (0, "The namespace may be growing; looking again in 2 s.\n")
    assert await second.link.command("HKEYS", second.keys.subscriptions("order.placed")) == [b"shop|order.placed|count"]
