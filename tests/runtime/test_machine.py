"""Random transitions by several workers, each checked against a model: every job is in exactly one place.

`HYPOTHESIS_EXAMPLES=2000 make test ARGS="-k machine"` looks longer, and elsewhere each time.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Coroutine
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.runtime.model import Job, Model, State
from upnext.broker.broker import Broker
from upnext.broker.claims import Claim, DeadLetter, LeaseLostError
from upnext.broker.keys import Keys
from upnext.broker.leases import LeaseClient
from upnext.broker.outbox import Message, Outbox, Published
from upnext.broker.publishing import message

T = TypeVar("T")
Sent: TypeAlias = tuple[bool, Message]  # whether it is a task's, and what

EVENT = "placed"
HANDLERS = ["shop|placed|audit", "shop|placed|mail"]
TASK = "shop||nightly"
QUEUES = [*HANDLERS, TASK]
HOUR = 3600.0


class Machine(RuleBasedStateMachine):
    """Publishes, works and keeps up, by the very calls that workers and senders use."""

    url = ""
    workers = Bundle("workers")
    claimed = Bundle("claimed")
    messages = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.keys = Keys(f"m{uuid4().hex}")
        self.broker = Broker(self.url, self.keys)
        # One of an event, and one of a task.
        self.outboxes = (
            Outbox(self.broker.link, self.keys, EVENT, EVENT),
            Outbox(self.broker.link, self.keys, "", f"task:{TASK}", (TASK,)),
        )
        self.model = Model()
        self.bodies: dict[str, bytes] = {}
        self.clients: dict[str, LeaseClient] = {}

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        self.run(self.broker.link.command("FLUSHALL"))
        self.run(self.broker.close())
        for client in self.clients.values():
            client.close()
        self.loop.close()

    # Sending

    @rule(target=messages, key=st.sampled_from(["", "a", "b"]), delayed=st.booleans(), task=st.booleans())
    def send(self, key: str, delayed: bool, task: bool) -> Sent:
        sent = task, self._message(delayed, key or None)
        self._send(*sent)
        return sent

    @rule(target=messages, delayed=st.booleans(), task=st.booleans(), many=st.integers(2, 5))
    def send_many_at_once(self, delayed: bool, task: bool, many: int) -> Any:
        sent = [(task, self._message(delayed)) for _ in range(many)]
        self._send(task, *(one for _, one in sent))
        return multiple(*sent)

    @rule(target=messages, one=messages, other=messages)
    def repeat_sends_whose_answer_was_lost(self, one: Sent, other: Sent) -> Sent:
        sent = one[0], self._message(bool(one[1].delay_ms))
        again = [one[1]] + [other[1]] * (other[0] == one[0])
        self._send(one[0], *again, sent[1], repeated=len(again))
        return sent

    def _message(self, delayed: bool, key: str | None = None) -> Message:
        return message(json.dumps({"n": len(self.bodies)}).encode(), HOUR if delayed else 0.0, key)

    def _send(self, task: bool, *messages: Message, repeated: int = 0) -> None:
        """Send at the same time, the first of them alone and the others together, some of them not the first time."""
        outbox, scope = self.outboxes[task], f"task:{TASK}" if task else EVENT
        store = self.broker.publisher.store
        stored = self.run(gather(*(store(one, outbox) for one in messages)))
        handlers = [TASK] if task else sorted(self.model.subscribed)
        for sent, published in list(zip(messages, stored, strict=True))[repeated:]:
            first = self.model.keys.get(f"{scope}:{sent.key}")
            if first is not None:
                assert (published.event_id, published.repeated) == (first, True)
                continue
            assert (published.event_id, published.handlers) == (sent.event_id, tuple(handlers))
            self.bodies[sent.event_id] = sent.envelope
            self.model.send(sent.event_id, handlers, delayed=bool(sent.delay_ms))
            if sent.key is not None:
                self.model.keys[f"{scope}:{sent.key}"] = sent.event_id

    @rule(handlers=st.sampled_from([HANDLERS[:1], HANDLERS[1:], HANDLERS]))
    def subscribe(self, handlers: list[str]) -> None:
        self.run(self.broker.publisher.subscribe(EVENT, handlers))
        self.model.subscribe(handlers)

    # Working

    @initialize(target=workers)
    def first_worker(self) -> str:
        return self.join()

    @precondition(lambda self: len(self.model.leases) < 3)
    @rule(target=workers)
    def join(self) -> str:
        worker_id = f"{uuid4().hex[:8]}.1000000"
        self.clients[worker_id] = LeaseClient(self.url, self.keys, worker_id, 1000.0)
        self.clients[worker_id].join("{}")
        self.model.leases[worker_id] = False
        return worker_id

    @rule(target=claimed, worker_id=workers, most=st.integers(1, 6))
    def claim(self, worker_id: str, most: int) -> Any:
        if worker_id not in self.model.leases:
            with pytest.raises(LeaseLostError):
                self.run(self.broker.claims(worker_id, 60).claim("shop", QUEUES, most))
            return multiple()
        waiting = {handler: list(jobs) for handler, jobs in self.model.queues.items()}
        self.run(self.broker.link.command("LPOP", self.keys.wake("shop")))
        jobs, left = self.run(self.broker.claims(worker_id, 60).claim("shop", QUEUES, most))
        assert len(jobs) == min(most, sum(map(len, waiting.values())))
        for claim in jobs:
            before = waiting[claim.handler].pop(0)
            self.model.claim(worker_id, before)
            after, started = self.model.claims[worker_id][before.field]
            assert (claim.field, claim.counts, claim.started) == (after.field, after.counts, started)
            assert claim.envelope == self.bodies[claim.ticket.event_id]
        assert left == [len(waiting.get(handler, [])) for handler in QUEUES]
        return multiple(*((worker_id, claim) for claim in jobs))

    @rule(held=claimed)
    def start(self, held: tuple[str, Claim]) -> None:
        if self._check(held, self.run(self._claims(held).start(held[1]))):
            self.model.start(held[0], job_of(held[1]))

    @rule(held=consumes(claimed), result=st.sampled_from([None, b"1"]))
    def finish(self, held: tuple[str, Claim], result: bytes | None) -> None:
        # Twice the same in one call: the second finds nothing.
        kept = self.run(self._claims(held).finish([(held[1], result), (held[1], b"2")]))
        assert kept[1] is False
        if self._check(held, kept[0]):
            self.model.finish(held[0], job_of(held[1]), result)

    @rule(held=claimed, delayed=st.booleans())
    def retry(self, held: tuple[str, Claim], delayed: bool) -> None:
        if self._check(held, self.run(self._claims(held).retry(held[1], HOUR if delayed else 0.0))):
            self.model.retry(held[0], job_of(held[1]), delayed=delayed)

    @rule(held=claimed)
    def release(self, held: tuple[str, Claim]) -> None:
        if self._check(held, self.run(self._claims(held).release(held[1]))):
            self.model.release(held[0], job_of(held[1]))

    @rule(held=claimed)
    def bury(self, held: tuple[str, Claim]) -> None:
        claim = held[1]
        letter = DeadLetter.of(claim.handler, claim.ticket, "failed", "")
        if self._check(held, self.run(self._claims(held).bury(claim, letter))):
            self.model.bury(held[0], job_of(claim), "failed")

    def _claims(self, held: tuple[str, Claim]) -> Any:
        return self.broker.claims(held[0], 60)

    def _check(self, held: tuple[str, Claim], taken: bool) -> bool:
        """Check the answer to a transition; most of the claims here are long void."""
        assert taken == self.model.holds(held[0], job_of(held[1]))
        return taken

    # Living and dying

    @rule(worker_id=workers)
    def lease_runs_out(self, worker_id: str) -> None:
        self.run(self.broker.link.command("ZADD", self.keys.leases, "XX", 1, worker_id))
        if worker_id in self.model.leases:
            self.model.leases[worker_id] = True

    @rule(worker_id=workers)
    def renew(self, worker_id: str) -> None:
        assert self.clients[worker_id].renew() == (worker_id in self.model.leases)
        if worker_id in self.model.leases:
            self.model.leases[worker_id] = False

    @rule(worker_id=workers, seen_late=st.booleans())
    def expire(self, worker_id: str, seen_late: bool) -> None:
        survey = self.run(self.broker.upkeep.survey())
        ends = survey.leases.get(worker_id, 1.0) - seen_late
        taken = self.run(self.broker.upkeep.expire(worker_id, ends))
        assert taken == (self.model.leases.get(worker_id, False) and not seen_late)
        if taken:
            del self.model.leases[worker_id]
            self.model.graves.add(worker_id)

    @rule(worker_id=workers)
    def reclaim(self, worker_id: str) -> None:
        held = worker_id in self.model.graves and bool(self.model.claims.get(worker_id))
        found = self.run(self.broker.upkeep.reclaim(worker_id))
        if worker_id in self.model.graves:
            assert found == held
            self.model.reclaim(worker_id)
        self.model.adopt_order(self.run(self._queues()))

    @rule(worker_id=workers)
    def leave(self, worker_id: str) -> None:
        self.clients[worker_id].leave()
        self.model.leave(worker_id)

    # Upkeep

    @rule()
    def time_passes(self) -> None:
        link = self.broker.link
        for member in self.run(link.command("ZRANGE", self.keys.later, 0, -1)):
            self.run(link.command("ZADD", self.keys.later, "XX", 1, member))
        due = self.run(self.broker.upkeep.survey()).due
        assert self.run(self.broker.upkeep.promote(due)) == len(self.model.later)
        assert self.run(self.broker.upkeep.promote(due)) == 0
        self.model.promote()
        self.model.adopt_order(self.run(self._queues()))

    @rule()
    def nothing_is_due_before_its_time(self) -> None:
        assert self.run(self.broker.upkeep.survey()).due == ()
        early = tuple(f"{job.handler} {job.ticket}" for job in self.model.later)
        assert self.run(self.broker.upkeep.promote(early)) == 0

    @rule(held=claimed)
    def replay(self, held: tuple[str, Claim]) -> None:
        job_id = held[1].ticket.job_id
        assert self.run(self.broker.letters.replay(job_id)) == (job_id in self.model.dead)
        if job_id in self.model.dead:
            self.model.replay(job_id)

    @rule()
    def scripts_are_forgotten(self) -> None:
        self.run(self.broker.link.command("SCRIPT", "FLUSH"))

    # What holds after each step

    @invariant()
    def every_job_is_in_exactly_one_place(self) -> None:
        assert self.run(self._state()) == self.model.state

    @invariant()
    def whoever_waits_is_woken_for_what_is_queued(self) -> None:
        tokens = self.run(self.broker.link.command("LLEN", self.keys.wake("shop")))
        assert tokens <= 1
        assert tokens or not any(self.model.queues.values())

    @invariant()
    def senders_are_told_how_their_jobs_stand(self) -> None:
        for event_id, jobs in list(self.model.events.items())[-3:]:
            late, outcomes = self.run(self.broker.letters.outcomes(event_id, jobs))
            assert late in (None, ()) or len(late or ()) == len(jobs)
            for job_id, outcome in zip(jobs, outcomes, strict=True):
                state = "done" if job_id in self.model.done else "dead" if job_id in self.model.dead else "open"
                assert (outcome.state, outcome.result) == (state, self.model.done.get(job_id))

    async def _queues(self) -> dict[str, list[str]]:
        lists = [self.broker.link.command("LRANGE", self.keys.queue(handler), 0, -1) for handler in QUEUES]
        found = zip(QUEUES, await asyncio.gather(*lists), strict=True)
        return {handler: [ticket.decode() for ticket in tickets] for handler, tickets in found if tickets}

    async def _state(self) -> State:
        ask, keys = self.broker.link.command, self.keys
        letters, later, events, opened, leases, graves, *claims = await asyncio.gather(
            self.broker.letters.dead(),
            ask("ZRANGE", keys.later, 0, -1),
            ask("HKEYS", keys.events),
            ask("HGETALL", keys.open),
            ask("ZRANGE", keys.leases, 0, -1),
            ask("SMEMBERS", keys.graves),
            *(ask("HGETALL", keys.claims(worker_id)) for worker_id in self.clients),
        )
        held = {worker_id: mapping(reply) for worker_id, reply in zip(self.clients, claims, strict=True)}
        return {
            "queues": await self._queues(),
            "later": sorted(member.decode() for member in later),
            "claims": {worker_id: jobs for worker_id, jobs in held.items() if jobs},
            "dead": {letter.job_id: (letter.handler_id, letter.attempts, letter.reason) for letter in letters},
            "events": {event_id.decode() for event_id in events},
            "open": mapping(opened),
            "leases": {worker_id.decode() for worker_id in leases},
            "graves": {worker_id.decode() for worker_id in graves},
        }


async def gather(*stores: Coroutine[Any, Any, Published]) -> list[Published]:
    """Store all of them at the same time."""
    return await asyncio.gather(*stores)


def job_of(claim: Claim) -> Job:
    """Return what the model calls a claim."""
    ticket = claim.ticket
    return Job(claim.handler, ticket.job_id, ticket.attempt, ticket.failures, ticket.crashes)


def mapping(reply: Any) -> dict[str, str]:
    """Return a hash as the server gave it, in either protocol."""
    flat = list(reply.items()) if isinstance(reply, dict) else list(zip(reply[::2], reply[1::2], strict=True))
    return {field.decode(): value.decode() for field, value in flat}


def test_the_broker_does_what_its_model_says(redis_url: str) -> None:
    """On both servers; each of a few hundred runs is up to 40 transitions."""
    examples = int(os.environ.get("HYPOTHESIS_EXAMPLES", "0"))
    Machine.url = redis_url
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples or 40,
            stateful_step_count=40,
            derandomize=not examples,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
