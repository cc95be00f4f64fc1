"""docs/protocol.md: what it shows reads what is stored, and this release keeps what it promises to its neighbours."""

from __future__ import annotations

import asyncio
import json
import re
import types
from typing import Any

import pytest
from redis import Redis

import upnext
from tests.cli.deploying import queue
from tests.docs.story import ROOT
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.contracts import VERSION, ContractStore, HandlerContract, Published
from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import pack
from upnext.broker.keys import Keys
from upnext.broker.namespace import Namespace
from upnext.cli import main

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
(READER,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
HANDLER = "shop|order.placed|mail"
KEYS = Keys("default")


@pytest.fixture
def reader() -> types.ModuleType:
    """Give the page's reader as a module."""
    module = types.ModuleType("protocol_page_reader")
    exec(READER, vars(module))  # the page's own code
    return module


def test_the_reader_has_at_most_a_hundred_lines_and_knows_nothing_of_upnext() -> None:
    assert len(READER.splitlines()) <= 100
    assert "upnext" not in "".join(re.findall(r"^(?:import|from) .*$", READER, re.MULTILINE))


def test_the_reader_of_the_page_sees_every_job_that_waits(valkey_url: str, reader: types.ModuleType) -> None:
    """In all partitions and states, with its payload and headers; one of a later release without."""
    states = ("waiting", "delayed", "retrying", "dead")
    queue(valkey_url, HANDLER, tuple(({"state": state}, state) for state in states))
    queue(valkey_url, "shop||report", (({"day": "é"}, "waiting"),))
    second = Keys("default", 1)
    with Redis.from_url(valkey_url) as client:
        client.hset(KEYS.partitions, "served", 2)
        client.sadd(second.queues, HANDLER)
        client.rpush(second.queue(HANDLER), "a-1.0:2:1:0", "b-1.0", "c-1.0")
        client.hset(second.events, mapping={"a-1": pack(b"{}", {"trace": "1"}), "b-1": b"9\nlater"})
        found = list(reader.jobs(client, "default"))
    assert [
        (each["state"], each["handler"], each["payload"]) for each in found if not each["job_id"].endswith("-1.0")
    ] == [
        ("waiting", "mail", {"state": "waiting"}),
        ("waiting", "report", {"day": "é"}),
        *[(state, "mail", {"state": state}) for state in ("delayed", "retrying", "dead")],
    ]
    others = [each for each in found if each["job_id"].endswith("-1.0")]
    assert [(each["attempt"], each["payload"], each["headers"]) for each in others] == [
        (2, {}, {"trace": "1"}),
        (0, None, {}),
        (0, None, {}),
    ]
    assert {each["event"] for each in found} == {"order.placed", None}


FROZEN: list[tuple[Any, ...]] = [
    ("SADD", "upnext:{default:0}:queues", HANDLER),
    ("HSET", "upnext:{default:0}:subs:order.placed", HANDLER, "1790000000000"),
    ("HSET", "upnext:{default:0}:versions", "order.placed", "4f1c2f1e8c1e4a53"),
    *[
        ("HSET", "upnext:{default:0}:events", f"01a0{n:08x}{n:016x}", f'1\n{{"n": {n}, "at": "2026-01-01T00:00:00Z"}}')
        for n in range(1, 5)
    ],
    ("RPUSH", "upnext:{default:0}:queue:" + HANDLER, f"01a0{1:08x}{1:016x}.0", f"01a0{2:08x}{2:016x}.0:1:1:0"),
    ("ZADD", "upnext:{default:0}:later", "1790000000000", f"{HANDLER} 01a0{3:08x}{3:016x}.0:2:2:0"),
    (
        *("HSET", "upnext:{default:0}:dead", f"01a0{4:08x}{4:016x}.0"),
        json.dumps({
            "job_id": f"01a0{4:08x}{4:016x}.0", "event_id": f"01a0{4:08x}{4:016x}", "event": "order.placed",
            "handler": "mail", "handler_id": HANDLER, "attempts": 3, "reason": "failed", "error": "ValueError",
        }),
    ),
    ("ZADD", "upnext:{default:0}:dead:index", "1790000000000", f"01a0{4:08x}{4:016x}.0"),
]  # fmt: skip
"""What a release before this one has written: never to be changed, only added to."""


async def test_what_an_earlier_release_has_stored_is_run_by_this_one(redis_url: str) -> None:
    """Waiting, to be retried, and dead; its records without what has come since are read."""
    ran: list[int] = []
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.event("order.placed").on(retries=5)
    async def mail(n: int, at: Any) -> None:
        ran.append(n)

    with Redis.from_url(redis_url) as client:
        for words in FROZEN:
            client.execute_command(*words)
    async with running(worker):
        code = await asyncio.to_thread(main, ["dead", "replay", f"01a0{4:08x}{4:016x}.0", "--redis-url", redis_url])
        with Redis.from_url(redis_url) as client:
            await wait_until_async(lambda: client.hlen(KEYS.events) == 0)
    assert (code, sorted(ran)) == (0, [1, 2, 3, 4])


async def test_what_this_release_stores_has_the_form_that_the_page_describes(redis_url: str) -> None:
    """Whoever reads by the page, the release before this one among them, finds what it says."""
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.event("order.placed").on
    async def mail(n: int) -> None: ...

    async with running(worker):
        with Redis.from_url(redis_url, decode_responses=True) as client:
            (record,) = [json.loads(text) for text in client.hvals(KEYS.workers)]  # type: ignore[union-attr]
    event = worker.event("order.placed")
    await event.send(n=1)
    await event.options(delay=60).send(n=2)
    with Redis.from_url(redis_url, decode_responses=True) as client:
        (entry,) = client.lrange(KEYS.queue(HANDLER), 0, -1)  # type: ignore[misc]
        (scheduled,) = client.zrange(KEYS.scheduled, 0, -1)  # type: ignore[misc]
        envelopes = client.hgetall(KEYS.events)
    event_id = r"[0-9a-f]{12}[0-9a-f]{16}"
    assert re.fullmatch(rf"{event_id}\.0", entry)
    assert re.fullmatch(rf"{re.escape(HANDLER)} {event_id}\.0", scheduled)
    assert sorted(envelopes.values()) == ['1\n{"n":1}', '1\n{"n":2}']  # type: ignore[union-attr]
    documented = re.findall(r"^\| `workers` \| (.*) \|$", PAGE, re.MULTILINE)[-1]
    assert record.keys() - set(re.findall(r"`(\w+)`", documented)) == set()


async def test_what_a_later_release_adds_is_left_alone(valkey_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys of a JSON object, and keys on the server."""
    handler = HandlerContract("shop|order.placed|mail", "shop", {"type": "object", "x-later": 1})
    written = Published.of("shop", [handler])
    later = json.loads(written.text) | {"later": {"version": 2}}
    later["handlers"][handler.handler]["later"] = [1]
    record = {"worker": "shop", "since": 1, "contracts": written.digest, "release": "2.0", "later": {}}
    with Redis.from_url(valkey_url) as client:
        client.set(KEYS.contracts(written.digest), json.dumps(later))
        client.hset(KEYS.workers, "w.60000", json.dumps(record))
        client.zadd(KEYS.leases, {"w.60000": 10**14})
        client.set("upnext:{default:0}:later:key", 1)
    namespace = Namespace(valkey_url, "default")
    fleet = await ContractStore(namespace.partition(0)).read()
    await namespace.close()
    (found,) = fleet.contracts
    assert (found.contract, VERSION) == (handler, 1)
    assert await asyncio.to_thread(main, ["status", "--redis-url", valkey_url]) == 0
    assert "shop" in capsys.readouterr().out


def test_the_handler_ids_of_the_page_are_read_as_it_says() -> None:
    assert HandlerId.parse("shop||report") == HandlerId("shop", "", "report")
    assert str(HandlerId.parse(HANDLER)) == HANDLER
