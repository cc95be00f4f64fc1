"""Idempotency keys: each counts for one event or task, whatever both hold, also beside the release before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

import upnext
from upnext.broker.idempotency import IdempotencyKey, task_scope
from upnext.broker.keys import Keys

PIECES = st.text("a:|_ 1.", min_size=1, max_size=8)
NAMES = st.from_regex(r"[a_][a:._]{0,6}", fullmatch=True)
SCOPES = st.one_of(NAMES, st.builds(lambda worker, task: task_scope(f"{worker}||{task}"), NAMES, NAMES))


@given(SCOPES, PIECES, SCOPES, PIECES)
def test_two_pairs_never_share_the_name_that_counts(scope: str, key: str, other_scope: str, other_key: str) -> None:
    """Of event or task, and key."""
    one, other = IdempotencyKey(scope, key), IdempotencyKey(other_scope, other_key)
    same = one.names(Keys("n"))[-1] == other.names(Keys("n"))[-1]
    assert same == (one == other)


async def test_pairs_that_read_alike_are_all_stored(redis_url: str) -> None:
    """An event with a colon and a key with one; a task, and an event that is named as its keys begin."""
    worker = upnext.Worker("w", redis_url=redis_url)

    @worker.task
    async def t(n: int) -> None: ...

    first = await worker.event("a:b").options(key="c").send(n=1)
    second = await worker.event("a").options(key="b:c").send(n=1)
    third = await worker.event("task").options(key="w||t:k").send(n=1)
    fourth = await t.options(key="k").submit(1)
    assert len({first.event_id, second.event_id, third.event_id, fourth.id}) == 4
    assert not any(receipt.repeated for receipt in (first, second, third))
    assert (await worker.event("a:b").options(key="c").send(n=1)).event_id == first.event_id
    assert (await worker.event("a").options(key="b:c").send(n=1)).event_id == second.event_id
    assert (await worker.event("task").options(key="w||t:k").send(n=1)).event_id == third.event_id
    assert (await t.options(key="k").submit(1)).id == fourth.id


async def test_what_the_release_before_has_stored_is_not_stored_again(redis_url: str) -> None:
    """If it names handlers of this event; and that release finds what this one stores."""
    event = upnext.Worker("w", redis_url=redis_url).event("a:b")
    async with Redis.from_url(redis_url) as client:
        await client.set("upnext:{default:0}:key:a:b:c", json.dumps(["old", ["w|a:b|h"]]))
        receipt = await event.options(key="c").send(n=1)
        assert (receipt.event_id, receipt.repeated) == ("old", True)
        await client.set("upnext:{default:0}:key:a:b:d", json.dumps(["old", ["w|a|h"]]))
        assert not (await event.options(key="d").send(n=1)).repeated
        stored = await event.options(key="e").send(n=1)
        record: Any = await client.get("upnext:{default:0}:key:a:b:e")
        assert json.loads(record) == [stored.event_id, []]
        assert await client.ttl("upnext:{default:0}:key:a:b:e") > 80_000


@pytest.mark.parametrize("junk", ["junk", "[]", '["a"]', "[1, []]", '["a", [1]]', "[" * 10_000])
async def test_a_record_that_another_program_wrote_is_refused_by_name(redis_url: str, junk: str) -> None:
    """It cannot be told whether the event was sent before; nothing is stored, and the connection goes on."""
    event = upnext.Worker("w", redis_url=redis_url).event("placed")
    async with Redis.from_url(redis_url) as client:
        await client.set("upnext:{default:0}:key:placed:k", junk)
        with pytest.raises(upnext.BrokerRefusedError, match="record of the idempotency key 'k'"):
            await event.options(key="k").send(n=1)
        assert (await event.send(n=2)).event_id
        assert await client.hlen("upnext:{default:0}:events") == 1
