"""A fault in the middle of a transition: scripts are never rolled back, so a job is in two places, never in none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from redis.exceptions import RedisError

from upnext.broker.broker import Broker
from upnext.broker.claims import CRASH_CAP, Claim, Claims, DeadLetter, LeaseLostError
from upnext.broker.keys import Keys

HANDLER = "shop|placed|mail"
WORKER = "w.1000"


@dataclass
class Scene:
    """A namespace with one job, which a worker holds or not."""

    broker: Broker
    claims: Claims
    job_id: str
    claim: Claim | None = None

    async def ask(self, *words: Any) -> Any:
        return await self.broker.link.command(*words)

    async def take(self) -> None:
        (self.claim,), _ = await self.claims.claim("shop", [HANDLER], 1)

    async def lose(self) -> None:
        await self.ask("ZREM", self.broker.keys.leases, WORKER)
        await self.ask("SADD", self.broker.keys.dead_workers, WORKER)

    async def places(self) -> list[str]:
        """Return where the job is."""
        keys = self.broker.keys
        found = {
            "queue": await self.ask("LRANGE", keys.queue(HANDLER), 0, -1),
            "later": await self.ask("ZRANGE", keys.scheduled, 0, -1),
            "claims": await self.ask("HKEYS", keys.claims(WORKER)),
            "dead": await self.ask("HKEYS", keys.dead),
        }
        if not await self.ask("HEXISTS", keys.events, self.job_id.rpartition(".")[0]):
            return ["done"]
        return [place for place, entries in found.items() if any(self.job_id.encode() in entry for entry in entries)]


Step: TypeAlias = Callable[[Scene], Awaitable[Any]]


async def bury(scene: Scene) -> None:
    claim = scene.claim
    assert claim is not None
    await scene.claims.bury(claim, DeadLetter.of(HANDLER, claim.entry, "failed", ""))


async def crash(scene: Scene) -> None:
    for _ in range(CRASH_CAP - 1):
        await scene.take()
        await scene.lose()
        await scene.broker.maintenance.reclaim(WORKER)
        await scene.ask("ZADD", scene.broker.keys.leases, 10**14, WORKER)
    await scene.take()
    assert scene.claim is not None
    await scene.claims.start(scene.claim)
    await scene.lose()


async def held(scene: Scene) -> None:
    await scene.take()


async def lost(scene: Scene) -> None:
    await scene.take()
    await scene.lose()


async def due(scene: Scene) -> None:
    await scene.take()
    await scene.claims.retry(scene.claim, 3600.0)  # type: ignore[arg-type]
    (member,) = await scene.ask("ZRANGE", scene.broker.keys.scheduled, 0, -1)
    await scene.ask("ZADD", scene.broker.keys.scheduled, 1, member)


async def buried(scene: Scene) -> None:
    await scene.take()
    await bury(scene)


async def nothing(_: Scene) -> None:
    """Leave the job in its queue."""


async def cancel(scene: Scene) -> None:
    (job,) = (await scene.broker.jobs.find([scene.job_id])).values()
    await scene.broker.jobs.cancel(job)


async def put_off(scene: Scene) -> None:
    await scene.take()
    assert scene.claim is not None
    await scene.claims.retry(scene.claim, 60.0)


async def _promote(scene: Scene) -> None:
    await scene.broker.maintenance.promote((await scene.broker.maintenance.survey()).due)


STEPS: dict[str, tuple[Step, Step]] = {
    "claim": (nothing, lambda s: s.claims.claim("shop", [HANDLER], 1)),
    "finish": (held, lambda s: s.claims.finish([(s.claim, b"1")])),  # type: ignore[list-item]
    "retry now": (held, lambda s: s.claims.retry(s.claim, 0.0)),  # type: ignore[arg-type]
    "retry later": (held, lambda s: s.claims.retry(s.claim, 60.0)),  # type: ignore[arg-type]
    "release": (held, lambda s: s.claims.release(s.claim)),  # type: ignore[arg-type]
    "bury": (held, bury),
    "reclaim": (lost, lambda s: s.broker.maintenance.reclaim(WORKER)),
    "reclaim and bury": (crash, lambda s: s.broker.maintenance.reclaim(WORKER)),
    "promote": (due, _promote),
    "cancel": (nothing, cancel),
    "cancel what is put off": (put_off, cancel),
    "replay edited": (buried, lambda s: s.broker.dead_letters.replay_with(s.job_id, b"{}")),
    "replay": (buried, lambda s: s.broker.dead_letters.replay(s.job_id)),
}


@asynccontextmanager
async def scene_for(url: str, prepare: Step) -> AsyncIterator[Scene]:
    """Make a namespace with one job, as a step finds it."""
    broker = Broker(url, Keys(f"p{uuid4().hex}"))
    try:
        await broker.publisher.subscribe("placed", [HANDLER])
        published = await broker.publisher.publish("placed", b"{}")
        await broker.link.command("ZADD", broker.keys.leases, 10**14, WORKER)
        scene = Scene(broker, broker.claims(WORKER, 60), f"{published.event_id}.0")
        await prepare(scene)
        yield scene
    finally:
        await broker.close()


async def keys_of(scene: Scene, step: Step, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take a step and return the keys of its scripts."""
    seen: list[str] = []
    call = scene.broker.link.call

    async def watch(script: Any, keys: Any, arguments: Any) -> Any:
        seen.extend(keys)
        return await call(script, keys, arguments)

    monkeypatch.setattr(scene.broker.link, "call", watch)
    await step(scene)
    return list(dict.fromkeys(seen))


@pytest.mark.parametrize("name", STEPS)
async def test_a_fault_at_any_write_of_a_transition_never_makes_a_job_vanish(
    redis_url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program's value stands in place of each key in turn; when it is gone, the job is still somewhere."""
    prepare, step = STEPS[name]
    async with scene_for(redis_url, prepare) as scene:
        before = await scene.places()
        keys = await keys_of(scene, step, monkeypatch)
        assert before != await scene.places(), "the step does something"
    assert len(keys) > 2
    faults = 0
    for key in range(len(keys)):
        async with scene_for(redis_url, prepare) as scene:
            namespace = scene.broker.keys.namespace
            old = keys[key].split("{", 1)[1].split(":", 1)[0]
            names = keys[key].replace(old, namespace)
            if ":result:" in names:
                names = scene.broker.keys.result(scene.job_id)
            existed = await scene.ask("EXISTS", names)
            if existed:
                await scene.ask("RENAME", names, names + ".aside")
            await scene.ask("SET", names, "junk")
            try:
                await step(scene)
            except (RedisError, LeaseLostError):
                faults += 1
            await scene.ask("DEL", names)
            if existed:
                await scene.ask("RENAME", names + ".aside", names)
            assert await scene.places(), f"{name} with junk at {names}"
    assert faults > 0
