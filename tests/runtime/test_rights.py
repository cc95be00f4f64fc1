"""Users that lack a right: a script that needs it does nothing at all, whichever of its commands is refused."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeAlias

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.servers import Server
from upnext.broker.broker import Broker
from upnext.broker.claims import Claim, Claims, DeadLetter
from upnext.broker.handler_limits import HandlerLimits, Rate
from upnext.broker.keys import Keys
from upnext.broker.partition_count import PartitionCount
from upnext.broker.schedules import ScheduleRecord, ScheduleStore
from upnext.broker.scripts import script
from upnext.broker.uniqueness import Uniqueness
from upnext.errors import BrokerError

HANDLER, OTHER, TASK = "shop|placed|mail", "shop|placed|count", "shop||report"
WORKER = "w.1000"
USER = "limited"
_namespaces = count()


@dataclass
class Scene:
    """A namespace as one step finds it: what prepares it has every right, what is tried has not."""

    full: Broker
    limited: Broker
    job_id: str = ""
    claim: Claim | None = None

    @property
    def held(self) -> Claim:
        assert self.claim is not None
        return self.claim

    @property
    def claims(self) -> Claims:
        return self.limited.claims(WORKER, 60)

    async def ask(self, *words: Any) -> Any:
        return await self.full.link.command(*words)


Step: TypeAlias = Callable[[Scene], Awaitable[Any]]


async def nothing(_: Scene) -> None:
    """Leave the namespace empty."""


async def declare(scene: Scene) -> None:
    """Declare a schedule."""
    record = ScheduleRecord(TASK, "0 3 * * *", "UTC", None, catch_up=False)
    await ScheduleStore(scene.limited).declare(record, datetime(2026, 1, 1, tzinfo=UTC))


async def subscribed(scene: Scene) -> None:
    await scene.full.publisher.subscribe("placed", [HANDLER, OTHER])
    await scene.limited.publisher.subscribe("other", ["shop|other|mail"])  # no right is missing yet


async def sent(scene: Scene) -> None:
    await scene.full.publisher.subscribe("placed", [HANDLER])
    published = await scene.full.publisher.publish("placed", b"{}")
    scene.job_id = f"{published.event_id}.0"
    await scene.ask("ZADD", scene.full.keys.leases, 10**14, WORKER)


async def sent_unique(scene: Scene) -> None:
    """Leave a job that stands for further sends of its value, but is not due yet."""
    await scene.full.publisher.subscribe("placed", [HANDLER], {HANDLER: Uniqueness()})
    published = await scene.full.publisher.publish("placed", b"{}", delay=60)
    scene.job_id = f"{published.event_id}.0"


async def sent_unique_of_two(scene: Scene) -> None:
    await sent_unique(scene)
    await scene.full.publisher.subscribe("placed", [OTHER])


async def claimed_unique(scene: Scene) -> None:
    await sent_unique(scene)
    await scene.full.publisher.publish("placed", b"{}")  # it is due now
    await scene.ask("ZADD", scene.full.keys.leases, 10**14, WORKER)
    (scene.claim,), _ = await scene.full.claims(WORKER, 60).claim("shop", [HANDLER], 1)


async def sent_early(scene: Scene) -> None:
    await scene.full.publisher.publish("placed", b"{}")
    await scene.full.publisher.publish("placed", b"{}", delay=60)


async def claimed(scene: Scene) -> None:
    await sent(scene)
    (scene.claim,), _ = await scene.full.claims(WORKER, 60).claim("shop", [HANDLER], 1)


def claims_within_limits(scene: Scene, *, full: bool = False) -> Claims:
    broker = scene.full if full else scene.limited
    return broker.claims(WORKER, 60, {HANDLER: HandlerLimits(1, Rate(9, 60))})


async def ended(scene: Scene) -> None:
    """Leave the slot of a job that has ended."""
    await sent(scene)
    claims = claims_within_limits(scene, full=True)
    (scene.claim,), _ = await claims.claim("shop", [HANDLER], 1)
    await claims.finish([(scene.claim, None)])


async def claim_after_the_end(scene: Scene) -> None:
    claims = claims_within_limits(scene)
    assert claims.limits is not None
    claims.limits.note_ended([scene.held])
    await claims.claim("shop", [HANDLER], 1)


def claims_by_value(scene: Scene, *, full: bool = False) -> Claims:
    broker = scene.full if full else scene.limited
    return broker.claims(WORKER, 60, {HANDLER: HandlerLimits(1, Rate(9, 60), by="customer")})


async def sent_twice(scene: Scene) -> None:
    """Leave a job that can be claimed, and one that is put off for it."""
    await sent(scene)
    await sent(scene)


async def claim_what_was_seen(scene: Scene, *, full: bool = False) -> Claims:
    claims = claims_by_value(scene, full=full)
    await claims.claim("shop", [HANDLER], 2)
    (scene.claim,), _ = await claims.claim("shop", [HANDLER], 2)
    return claims


async def ended_by_value(scene: Scene) -> None:
    """Leave the slot of a job that has ended, and a job in line for it."""
    await sent_twice(scene)
    claims = await claim_what_was_seen(scene, full=True)
    await claims.finish([(scene.held, None)])


async def free(scene: Scene) -> None:
    keys = scene.full.keys
    names = [keys.claims(WORKER), keys.wake("shop"), keys.slots(HANDLER)]
    await scene.limited.link.call(script("free"), names, (WORKER, HANDLER, 1, scene.job_id))


async def unstarted(scene: Scene) -> None:
    await claimed(scene)
    await scene.ask("HSET", scene.full.keys.claims(WORKER), scene.held.field, f"{scene.held.fencing_token}:0")


async def dead_worker(scene: Scene) -> None:
    await claimed(scene)
    await scene.ask("ZADD", scene.full.keys.leases, 1, WORKER)


async def lost(scene: Scene) -> None:
    await dead_worker(scene)
    await scene.full.maintenance.expire(WORKER, 1)


async def poisoned(scene: Scene) -> None:
    await claimed(scene)
    field = f"{HANDLER} {scene.job_id}"
    await scene.ask("HSET", scene.full.keys.claims(WORKER), field, "3:0:2:1")
    await scene.ask("ZREM", scene.full.keys.leases, WORKER)
    await scene.ask("SADD", scene.full.keys.dead_workers, WORKER)


async def due(scene: Scene) -> None:
    await claimed(scene)
    await scene.full.claims(WORKER, 60).retry(scene.held, 3600.0)
    (member,) = await scene.ask("ZRANGE", scene.full.keys.scheduled, 0, -1)
    await scene.ask("ZADD", scene.full.keys.scheduled, 1, member)


async def put_off(scene: Scene) -> None:
    await claimed(scene)
    await scene.full.claims(WORKER, 60).retry(scene.held, 3600.0)


async def buried(scene: Scene) -> None:
    await claimed(scene)
    await bury(scene, scene.full)


async def bury(scene: Scene, broker: Broker) -> None:
    letter = DeadLetter.of(HANDLER, scene.held.entry, "failed", "")
    await broker.claims(WORKER, 60).bury(scene.held, letter)


async def cancel(scene: Scene) -> None:
    """Find the job with every right, and cancel it."""
    (job,) = (await scene.full.jobs.find([scene.job_id])).values()
    await scene.limited.jobs.cancel(job)


async def route(scene: Scene) -> None:
    """Move what waits, as a worker does that has subscribed already."""
    keys = scene.full.keys
    entries = await scene.ask("LRANGE", keys.unrouted("placed"), 0, -1)
    names = [keys.unrouted("placed"), keys.routes, keys.open, keys.scheduled, keys.queues]
    names += [keys.queue(HANDLER), keys.wake("shop"), *(keys.routed(text.decode().split()[0]) for text in entries)]
    words = ("placed", f'["{HANDLER}"]', 60, 1, 1, HANDLER, *entries)
    await scene.limited.link.call(script("route"), names, words)


async def routable(scene: Scene) -> None:
    await sent_early(scene)
    await scene.ask("HSET", scene.full.keys.routes, "placed", f'["{HANDLER}"]')


def called(name: str, names: Callable[[Keys], list[str]], *words: Any) -> Step:
    """Return a step that runs one script."""
    return lambda scene: scene.limited.link.call(script(name), names(scene.full.keys), words)


STEPS: dict[str, tuple[str, Step, Step]] = {
    "send": ("publish", subscribed, lambda s: s.limited.publisher.publish("placed", b"{}")),
    "send delayed": ("publish", subscribed, lambda s: s.limited.publisher.publish("placed", b"{}", delay=9)),
    "send with a key": ("publish", subscribed, lambda s: s.limited.publisher.publish("placed", b"{}", key="a:b")),
    "send another value": ("publish_unique", sent_unique, lambda s: s.limited.publisher.publish("placed", b'{"n":1}')),
    "send what waits": ("publish_unique", sent_unique, lambda s: s.limited.publisher.publish("placed", b"{}")),
    "send what waits later": (
        "publish_unique",
        sent_unique,
        lambda s: s.limited.publisher.publish("placed", b"{}", delay=9),
    ),
    "send what waits with a key": (
        "publish_unique",
        sent_unique,
        lambda s: s.limited.publisher.publish("placed", b"{}", key="a:b"),
    ),
    "send what waits for one": (
        "publish_unique",
        sent_unique_of_two,
        lambda s: s.limited.publisher.publish("placed", b"{}"),
    ),
    "send early": ("publish", nothing, lambda s: s.limited.publisher.publish("placed", b"{}")),
    "submit": ("publish", nothing, lambda s: s.limited.publisher.submit(TASK, b"{}")),
    "submit delayed": ("publish", nothing, lambda s: s.limited.publisher.submit(TASK, b"{}", delay=9)),
    "subscribe": ("subscribe", nothing, lambda s: s.limited.publisher.subscribe("placed", [HANDLER, OTHER])),
    "route": ("route", routable, route),
    "join": ("join", nothing, called("join", lambda k: [k.leases, k.workers], WORKER, 1000, "{}")),
    "renew": ("renew", claimed, called("renew", lambda k: [k.leases], WORKER, 1000)),
    "leave": (
        "leave",
        claimed,
        called("leave", lambda k: [k.leases, k.workers, k.claims(WORKER), k.dead_workers], WORKER),
    ),
    "claim": ("claim", sent, lambda s: s.claims.claim("shop", [HANDLER], 1)),
    "claim within limits": ("claim_limited", sent, lambda s: claims_within_limits(s).claim("shop", [HANDLER], 1)),
    "claim where slots are free again": (
        "claim_limited",
        ended,
        lambda s: claims_within_limits(s).claim("shop", [HANDLER], 1),
    ),
    "claim in place of a job that has ended here": ("claim_limited", ended, claim_after_the_end),
    "free": ("free", ended, free),
    "claim by value": ("claim_by_value", sent_twice, claim_what_was_seen),
    "free by value": ("free_by_value", ended_by_value, lambda s: claims_by_value(s).claim("shop", [HANDLER], 1)),
    "start what is unique": ("start", claimed_unique, lambda s: s.claims.start(s.held, unique=True)),
    "start": ("start", unstarted, lambda s: s.claims.start(s.held)),
    "finish": ("finish", claimed, lambda s: s.claims.finish([(s.held, b"1")])),
    "retry now": ("retry", claimed, lambda s: s.claims.retry(s.held, 0.0)),
    "retry later": ("retry", claimed, lambda s: s.claims.retry(s.held, 60.0)),
    "release": ("release", claimed, lambda s: s.claims.release(s.held)),
    "bury": ("bury", claimed, lambda s: bury(s, s.limited)),
    "recount": ("recount", claimed, lambda s: s.claims.held()),
    "expire": ("expire", dead_worker, lambda s: s.limited.maintenance.expire(WORKER, 1)),
    "reclaim": ("reclaim", lost, lambda s: s.limited.maintenance.reclaim(WORKER)),
    "reclaim and bury": ("reclaim", poisoned, lambda s: s.limited.maintenance.reclaim(WORKER)),
    "promote": (
        "promote",
        due,
        lambda s: s.limited.maintenance.promote((f"{HANDLER} {s.job_id}:1:1:0",)),
    ),
    "replay": ("replay", buried, lambda s: s.limited.dead_letters.replay(s.job_id)),
    "replay edited": ("replay_edited", buried, lambda s: s.limited.dead_letters.replay_with(s.job_id, b"{}")),
    "purge": ("purge", buried, lambda s: s.limited.dead_letters.purge([s.job_id])),
    "abandon": ("abandon", sent, lambda s: s.limited.subscriptions.abandon(HANDLER)),
    "abandon what is put off": ("abandon", put_off, lambda s: s.limited.subscriptions.abandon(HANDLER)),
    "cancel": ("cancel", sent, cancel),
    "cancel what is unique": ("cancel", sent_unique, cancel),
    "abandon what is unique": ("abandon", sent_unique, lambda s: s.limited.subscriptions.abandon(HANDLER)),
    "cancel what is put off": ("cancel", put_off, cancel),
    "unsubscribe": ("unsubscribe", subscribed, lambda s: s.limited.subscriptions.end(HANDLER)),
    "declare": ("declare", nothing, declare),
    "agree": ("agree", nothing, lambda s: PartitionCount(s.limited).serve(3)),
}


def commands_of(name: str) -> list[str]:
    """Return every command that a script can run."""
    return sorted(
        set(re.findall(r"'([A-Z]{3,})'", script(name).source))
        - {"OOM", "WRONGTYPE", "ERR"}
        - {"NX", "XX"}
        - {"LIMIT", "WITHSCORES", "BYLEX", "REV"}
    )


_CONTENTS = """
local names, found = redis.call('KEYS', ARGV[1]), {}
table.sort(names)
for _, name in ipairs(names) do
  table.insert(found, name)
  table.insert(found, redis.call('DUMP', name))
end
return found
"""


@asynccontextmanager
async def scene_for(server: Server, prepare: Step) -> AsyncIterator[Scene]:
    """Prepare a namespace of its own, for a user with every right that can be taken from it."""
    server.command(f"ACL SETUSER {USER} reset on >pw ~upnext:* +@all")
    keys = Keys(f"rights{next(_namespaces)}")
    scene = Scene(Broker(server.url, keys), Broker(f"{server.url}?username={USER}&password=pw", keys))
    try:
        await prepare(scene)
        yield scene
    finally:
        await scene.full.close()
        await scene.limited.close()
        server.command(f"ACL DELUSER {USER}")


def contents(url: str, keys: Keys) -> list[bytes]:
    """Return all that a namespace holds, as the server itself would write it down."""
    with Redis.from_url(url) as client:
        found: list[bytes] = client.eval(_CONTENTS, 0, f"upnext:{{{keys.namespace}:*")
        return found


@pytest.mark.parametrize("name", STEPS)
async def test_a_script_that_lacks_any_right_changes_nothing(every_server: Server, name: str) -> None:
    """Each command of the script is refused in turn; it either does all of its work without it, or nothing."""
    script_name, prepare, step = STEPS[name]
    refused = 0
    for command in commands_of(script_name):
        async with scene_for(every_server, prepare) as scene:
            before = contents(every_server.url, scene.full.keys)
            every_server.command(f"ACL SETUSER {USER} -{command.lower()}")
            try:
                await step(scene)
            except (RedisError, BrokerError):
                refused += 1
                after = contents(every_server.url, scene.full.keys)
                assert after == before, f"{name} without {command}"
    assert refused > 0


async def test_with_every_right_each_of_these_steps_changes_something(every_server: Server) -> None:
    """Otherwise the test above would show nothing."""
    for name, (_, prepare, step) in STEPS.items():
        async with scene_for(every_server, prepare) as scene:
            before = contents(every_server.url, scene.full.keys)
            with suppress(RedisError):
                await step(scene)
            assert contents(every_server.url, scene.full.keys) != before, name
