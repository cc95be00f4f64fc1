"""What the server holds, in the form of the model's `state`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from tests.runtime.model import State
from upnext.broker.broker import Broker


async def queues_of(broker: Broker, handlers: list[str]) -> dict[str, list[str]]:
    """Return the tickets in queues that are not empty."""
    lists = [broker.link.command("LRANGE", broker.keys.queue(handler), 0, -1) for handler in handlers]
    found = zip(handlers, await asyncio.gather(*lists), strict=True)
    return {handler: [ticket.decode() for ticket in tickets] for handler, tickets in found if tickets}


async def state_of(broker: Broker, handlers: list[str], workers: Iterable[str]) -> State:
    """Return everything that is stored of jobs and of workers."""
    ask, keys, workers = broker.link.command, broker.keys, list(workers)
    dead_letters, queues, later, events, opened, leases, graves, *claims = await asyncio.gather(
        broker.dead_letters.dead(),
        queues_of(broker, handlers),
        ask("ZRANGE", keys.scheduled, 0, -1),
        ask("HKEYS", keys.events),
        ask("HGETALL", keys.open),
        ask("ZRANGE", keys.leases, 0, -1),
        ask("SMEMBERS", keys.dead_workers),
        *(ask("HGETALL", keys.claims(worker_id)) for worker_id in workers),
    )
    held = {worker_id: _mapping(reply) for worker_id, reply in zip(workers, claims, strict=True)}
    return {
        "queues": queues,
        "later": sorted(member.decode() for member in later),
        "claims": {worker_id: jobs for worker_id, jobs in held.items() if jobs},
        "dead": {letter.job_id: (letter.handler_id, letter.attempts, letter.reason) for letter in dead_letters},
        "events": {event_id.decode() for event_id in events},
        "open": _mapping(opened),
        "leases": {worker_id.decode() for worker_id in leases},
        "graves": {worker_id.decode() for worker_id in graves},
    }


def _mapping(reply: Any) -> dict[str, str]:
    flat = list(reply.items()) if isinstance(reply, dict) else list(zip(reply[::2], reply[1::2], strict=True))
    return {field.decode(): value.decode() for field, value in flat}
