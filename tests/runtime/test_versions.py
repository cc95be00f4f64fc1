"""Several versions of an application, and of upnext, on one server: nothing that one of them cannot do is lost."""

from __future__ import annotations

import json

import pytest

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker import job_ids
from upnext.broker.claims import DeadLetter
from upnext.connect import reach
from upnext.settings import load


async def test_a_job_whose_handler_no_living_worker_knows_waits_until_one_comes(redis_url: str) -> None:
    """As after a roll-back, or after a handler was renamed: it is pending, under the name it was sent to."""
    old, both = (upnext.Worker("shop", redis_url=redis_url) for _ in range(2))

    async def confirm(n: int) -> str:
        return f"confirmed {n}"

    async def bill(n: int) -> str:
        return f"billed {n}"

    both.event("order.placed").on(confirm)
    both.event("order.placed").on(bill)
    old.event("order.placed").on(name="confirm")(confirm)
    async with running(both):
        pass
    async with running(old):
        receipt = await old.event("order.placed").send(n=1)
        jobs = {job.handler: job for job in receipt.jobs}
        assert await jobs["confirm"].result(timeout=10) == "confirmed 1"
        with pytest.raises(upnext.ResultTimeoutError):
            await jobs["bill"].result(timeout=0.3)
        broker = await reach(load(redis_url=redis_url))
        assert await broker.link.command("LLEN", broker.keys.queue("shop|order.placed|bill")) == 1
        assert await broker.dead_letters.dead() == []
    async with running(both):
        assert await jobs["bill"].result(timeout=10) == "billed 1"


async def test_a_field_that_an_old_worker_does_not_know_reaches_the_new_one(redis_url: str) -> None:
    """With `**kwargs` the old one takes it; without, its job is a dead letter at once, and replayed it is done."""
    old, new = (upnext.Worker("shop", redis_url=redis_url) for _ in range(2))
    sender = upnext.Worker("sender", redis_url=redis_url).event("order.placed")
    attempts: list[int] = []

    @old.event("order.placed").on(retries=3)
    async def closed(n: int) -> None:
        attempts.append(n)

    @old.event("order.placed").on
    async def open_(n: int, **kwargs: object) -> object:
        return kwargs

    @new.event("order.placed").on(name="closed")
    async def closed_now(n: int, coupon: str = "") -> str:
        return coupon

    async with running(old):
        receipt = await sender.send(n=1, coupon="half")
        jobs = {job.handler: job for job in receipt.jobs}
        assert await jobs["open_"].result(timeout=10) == {"coupon": "half"}
        with pytest.raises(upnext.JobFailedError) as caught:
            await jobs["closed"].result(timeout=10)
        assert caught.value.reason == "payload"
        assert attempts == []
    async with running(new):
        assert await (await reach(load(redis_url=redis_url))).dead_letters.replay(jobs["closed"].id)
        assert await jobs["closed"].result(timeout=10) == "half"


async def test_an_old_producer_is_served_by_a_new_worker(redis_url: str) -> None:
    """A field that was added with a default is filled; one without is a dead letter that says which."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    sender = upnext.Worker("sender", redis_url=redis_url).event("order.placed")

    @worker.event("order.placed").on
    async def careful(n: int, coupon: str = "none") -> str:
        return coupon

    @worker.event("order.placed").on
    async def careless(n: int, coupon: str) -> str:
        return coupon

    async with running(worker):
        jobs = {job.handler: job for job in (await sender.send(n=1)).jobs}
        assert await jobs["careful"].result(timeout=10) == "none"
        with pytest.raises(upnext.JobFailedError, match="coupon"):
            await jobs["careless"].result(timeout=10)


async def test_an_event_of_a_later_upnext_waits_among_the_dead_letters_for_one_that_reads_it(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every envelope begins with its format's version; an unknown one is never guessed at."""
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.event("order.placed").on(retries=3)
    async def handle(n: int) -> int:
        return n

    with monkeypatch.context() as later:
        later.setattr(job_ids, "_ENVELOPE_HEAD", b"3\n")
        receipt = await worker.event("order.placed").send(n=1)
    async with running(worker):
        with pytest.raises(upnext.JobFailedError, match="written by a later version of upnext"):
            await receipt.results(timeout=10)
        dead_letters = (await reach(load(redis_url=redis_url))).dead_letters
        (letter,) = await dead_letters.dead()
        assert (letter.reason, letter.attempts) == ("payload", 1)
        with monkeypatch.context() as later:
            later.setattr(job_ids, "_ENVELOPE_HEAD", b"3\n")
            assert await dead_letters.replay(letter.job_id)
            assert await receipt.results(timeout=10) == {"handle": 1}


async def test_what_a_later_upnext_adds_to_a_dead_letter_is_left_alone(redis_url: str) -> None:
    """It is listed and replayed by what this version knows of it."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    fails = [True]

    @worker.event("order.placed").on
    async def handle(n: int) -> int:
        if fails:
            raise ValueError(n)
        return n

    async with running(worker):
        receipt = await worker.event("order.placed").send(n=1)
        broker = await reach(load(redis_url=redis_url))
        await wait_until_async(lambda: _dead(redis_url))
        fails.clear()
        ask, key = broker.link.command, broker.keys.dead
        (job_id,) = await ask("HKEYS", key)
        text = await ask("HGET", key, job_id)
        await ask("HSET", key, job_id, json.dumps({**json.loads(text), "added": "later"}))
        assert [letter.handler for letter in await broker.dead_letters.dead()] == ["handle"]
        assert await broker.dead_letters.replay(job_id.decode())
        assert await receipt.results(timeout=10) == {"handle": 1}


async def _dead(url: str) -> list[DeadLetter]:
    return await (await reach(load(redis_url=url))).dead_letters.dead()
