"""Sends that are under way when their process hears of other handlers: in order, and each for the right ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from upnext.broker.broker import Broker
from upnext.broker.keys import Keys
from upnext.broker.publish_batcher import Message, PublishBatcher
from upnext.broker.publishing import message
from upnext.broker.uniqueness import Uniqueness

INDEX, OTHER = "shop|saved|index", "shop|saved|other"


@pytest.fixture
async def broker(redis_url: str) -> AsyncIterator[Broker]:
    """Give a connection to each of the servers in turn."""
    broker = Broker(redis_url, Keys("default"))
    yield broker
    await broker.close()


async def sender_before(broker: Broker, unique: Uniqueness | None) -> PublishBatcher:
    """Return a sender that knows only one of two handlers; of the other, jobs are unique as given."""
    sender = PublishBatcher(broker.link, broker.keys, "saved", "saved")
    await broker.publisher.subscribe("saved", [OTHER], {})
    await sender.store(_saved(0))
    await broker.publisher.subscribe("saved", [INDEX, OTHER], {INDEX: unique} if unique else {})
    return sender


def _saved(doc: int) -> Message:
    return message(json.dumps({"doc": doc}).encode(), 0.0, None)


@pytest.mark.parametrize("unique", [None, Uniqueness((("doc",),))], ids=str)
async def test_they_are_stored_in_their_order(broker: Broker, unique: Uniqueness | None) -> None:
    """So of those that are equal for a unique handler the first makes the job."""
    sender = await sender_before(broker, unique)
    stored = await asyncio.gather(*(sender.store(_saved(1)) for _ in range(300)))
    assert {each.handlers for each in stored} == {(INDEX, OTHER)}
    first = {0: f"{stored[0].event_id}.0"} if unique else {}
    assert [each.joined for each in stored] == [{}] + [first] * 299
    queued = await broker.link.command("LRANGE", broker.keys.queue(OTHER), 1, -1)
    assert [job.decode() for job in queued] == [f"{each.event_id}.1" for each in stored]


async def test_they_are_told_apart_whatever_the_server_forgot(broker: Broker) -> None:
    """It hears some, forgets its scripts, and hears the others."""
    sender = await sender_before(broker, Uniqueness((("doc",),)))
    first, _, *others = await asyncio.gather(
        sender.store(_saved(0)),
        broker.link.command("SCRIPT", "FLUSH"),
        *(sender.store(_saved(n % 3)) for n in range(1, 7)),
    )
    stored = [first, *others]
    assert [each.joined for each in stored[:3]] == [{}] * 3
    assert [each.joined for each in stored[3:]] == [{0: f"{stored[n % 3].event_id}.0"} for n in range(3, 7)]
