"""`worker.event(name, formerly=...)`: a renamed event takes what is queued and sent under its former names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"


class Shop:
    """A release of a service with one handler, and what that was given."""

    def __init__(self, url: str, event: str, *formerly: str, failing: bool = False, retries: int = 0) -> None:
        self.worker = upnext.Worker("shop", redis_url=url)
        self.event = self.worker.event(event, formerly=formerly)
        self.taken: list[int] = []

        @self.event.on(name="confirm", retries=retries, retry_delay=3600)
        async def confirm(n: int) -> int:
            if failing:
                raise ValueError(n)
            self.taken.append(n)
            return n


async def test_what_is_queued_delayed_and_sent_under_the_old_name_runs_in_the_new_release(redis_url: str) -> None:
    old = Shop(redis_url, "order.placed")
    async with running(old.worker):
        pass
    queued = await old.event.send(n=1)
    delayed = await old.event.options(delay=0.1).send(n=2)
    new = Shop(redis_url, "order.created", "order.placed")
    async with running(new.worker):
        late = await old.event.send(n=3)
        own = await new.event.send(n=4)
        for n, receipt in enumerate([queued, delayed, late, own], 1):
            assert await receipt.results(timeout=20) == {"confirm": n}
    assert sorted(new.taken) == [1, 2, 3, 4]


async def test_what_the_new_release_sends_while_only_the_old_one_runs_waits_for_the_new_one(redis_url: str) -> None:
    old, new = Shop(redis_url, "order.placed"), Shop(redis_url, "order.created", "order.placed")
    async with running(old.worker):
        early = await new.event.send(n=1)
        assert await (await old.event.send(n=2)).results(timeout=20) == {"confirm": 2}
    async with running(new.worker):
        assert await early.results(timeout=20) == {"confirm": 1}
    assert (old.taken, new.taken) == ([2], [1])


async def test_a_dead_letter_of_the_old_name_is_replayed_to_the_new_release(command: Command, redis_url: str) -> None:
    old = Shop(redis_url, "order.placed", failing=True)
    async with running(old.worker):
        receipt = await old.event.send(n=1)
        with pytest.raises(upnext.JobFailedError):
            await receipt.results(timeout=20)
    new = Shop(redis_url, "order.created", "order.placed")
    async with running(new.worker):
        code, _, _ = await asyncio.to_thread(command, "dead", "replay", receipt.jobs[0].id, url=redis_url)
        assert code == 0
        await wait_until_async(lambda: new.taken == [1])


def test_handlers_that_were_attached_before_the_former_name_was_given_have_it_as_well() -> None:
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")

    @worker.event("order.created").on
    def confirm(n: int) -> None: ...

    worker.event("order.created", formerly=("order.placed", "order.made"))
    worker.event("order.created", formerly=("order.placed",))
    assert sorted(worker.registry.handlers) == [
        "shop|order.created|confirm",
        "shop|order.made|confirm",
        "shop|order.placed|confirm",
    ]


def test_a_handler_that_is_still_attached_to_the_old_name_is_refused() -> None:
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")

    @worker.event("order.placed").on(name="confirm")
    def first(n: int) -> None: ...

    def second(n: int) -> None: ...

    with pytest.raises(upnext.ConfigError, match="share the name 'confirm'"):
        worker.event("order.created", formerly=("order.placed",)).on(name="confirm")(second)


@pytest.mark.parametrize(
    ("formerly", "message"),
    [
        ("order.placed", "must be a tuple of earlier names"),
        (["order.placed"], "must be a tuple of earlier names"),
        (("",), "Event name '' cannot be used"),
        ((3,), "Event name 3 cannot be used"),
        (("order.created",), "it is the name that the event has now"),
    ],
)
def test_former_names_that_cannot_be_are_refused(formerly: Any, message: str) -> None:
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")
    with pytest.raises(upnext.ConfigError, match=message):
        worker.event("order.created", formerly=formerly)
    assert worker.registry.events == set()


async def test_a_send_under_the_old_name_is_checked_against_the_handlers_of_the_new_one() -> None:
    shop = Shop("redis://127.0.0.1:1", "order.created", "order.placed")
    with pytest.raises(upnext.PayloadError, match="'n'"):
        await shop.worker.event("order.placed").send(n="one")
