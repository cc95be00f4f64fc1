"""Random transitions by several workers, each checked against a model: every job is in exactly one place.

`make properties EXAMPLES=2000 ARGS="-k machine"` looks longer, and elsewhere each time.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.runtime.model import Job, Model
from tests.runtime.snapshot import queues_of, state_of
from upnext.broker.broker import Broker
from upnext.broker.claims import Claim, Claims, DeadLetter, LeaseLostError
from upnext.broker.handler_limits import HandlerLimits, Rate
from upnext.broker.job_ids import unpack
from upnext.broker.keys import Keys
from upnext.broker.leases import LeaseClient
from upnext.broker.publish_batcher import Message, PublishBatcher, Published
from upnext.broker.publishing import message
from upnext.broker.replies import pairs
from upnext.broker.uniqueness import Uniqueness

T = TypeVar("T")
Sent: TypeAlias = tuple[bool, Message]  # whether it is a task's, and what

EVENT = "placed"
HANDLERS = ["shop|placed|audit", "shop|placed|mail"]
SUBSCRIPTIONS = [HANDLERS[:1], HANDLERS[1:], HANDLERS]
TASK = "shop||nightly"
QUEUES = [*HANDLERS, TASK]
LIMITS = {HANDLERS[1]: HandlerLimits(limit=2), TASK: HandlerLimits(rate=Rate(3, 3600))}
UNIQUE = {HANDLERS[0]: Uniqueness((("value",),))}
HOUR = 3600.0
NUMBERS = st.integers(0, 1000)
LIVES = ["join", "lapse", "renew", "expire", "expire seen late", "reclaim", "leave"]
STEPS = st.sampled_from(["start", "finish", "finish with null", "retry", "retry now", "release", "bury"])


class Machine(RuleBasedStateMachine):
    """Publishes, works and keeps up, by the very calls that workers and senders use."""

    url = ""
    messages = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.keys = Keys(f"m{uuid4().hex}")
        self.broker = Broker(self.url, self.keys)
        # One of an event, and one of a task.
        self.outboxes = (
            PublishBatcher(self.broker.link, self.keys, EVENT, EVENT),
            PublishBatcher(self.broker.link, self.keys, "", f"task:{TASK}", (TASK,)),
        )
        self.model = Model(limits={HANDLERS[1]: 2}, rates={TASK: 3}, unique=HANDLERS[0])
        self.made = 0
        self.bodies: dict[str, bytes] = {}
        self.leases = LeaseClient(self.url, self.keys, 1000.0)
        self.ids: list[str] = []
        self.claimed: list[tuple[str, Claim]] = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        self.run(self.broker.link.command("FLUSHALL"))
        self.run(self.broker.close())
        self.leases.close()
        self.loop.close()

    # Sending

    @rule(target=messages, delayed=st.booleans(), task=st.booleans(), many=st.integers(1, 5))
    def send(self, delayed: bool, task: bool, many: int) -> Any:
        sent = [(task, self._message(delayed)) for _ in range(many)]
        self._send(task, *(one for _, one in sent))
        return multiple(*sent)

    @rule(key=st.sampled_from(["a", "b"]), delayed=st.booleans(), task=st.booleans())
    def send_with_a_key(self, key: str, delayed: bool, task: bool) -> None:
        self._send(task, self._message(delayed, key))

    @rule(target=messages, one=messages, other=messages)
    def repeat_sends_whose_answer_was_lost(self, one: Sent, other: Sent) -> Sent:
        sent = one[0], self._message(bool(one[1].delay_ms))
        self.run(self.broker.link.command("SCRIPT", "FLUSH"))
        again = [one[1]] + [other[1]] * (other[0] == one[0])
        self._send(one[0], *again, sent[1], repeated=len(again))
        return sent

    def _message(self, delayed: bool, key: str | None = None) -> Message:
        self.made += 1
        return message(json.dumps({"n": self.made, "value": self.made % 3}).encode(), HOUR if delayed else 0.0, key)

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
            self.model.send(sent.event_id, handlers, delayed=bool(sent.delay_ms), value=_value(sent))
            assert published.joined == self.model.joined[sent.event_id]
            if sent.key is not None:
                self.model.keys[f"{scope}:{sent.key}"] = sent.event_id

    @rule(handlers=st.sampled_from(SUBSCRIPTIONS))
    def subscribe(self, handlers: list[str]) -> None:
        self.run(self.broker.publisher.subscribe(EVENT, handlers, UNIQUE))
        self.model.subscribe(handlers)

    # Working

    @initialize(first=st.sampled_from(SUBSCRIPTIONS))
    def begin(self, first: list[str]) -> None:
        self.join()
        for delayed in (False, True):
            self._send(False, self._message(delayed))
        self.subscribe(first)
        for delayed in (False, False, True):
            self._send(False, self._message(delayed))

    def join(self) -> None:
        worker_id = f"{uuid4().hex[:8]}.1000000"
        self.ids.append(worker_id)
        self.leases.join(worker_id, "{}")
        self.model.leases[worker_id] = False
        if len(self.ids) % 3:  # others are of a release of the application that knows no limits
            self.model.limited.add(worker_id)

    @rule(n=NUMBERS, most=st.integers(1, 6), steps=st.lists(STEPS, max_size=3))
    def work(self, n: int, most: int, steps: list[str]) -> None:
        if not self.model.leases:
            self.join()
        self.claim(n, most)
        self.take_steps(n, steps)

    def claim(self, n: int, most: int) -> None:
        worker_id = pick(list(self.model.leases), n)
        waiting = {handler: list(jobs) for handler, jobs in self.model.queues.items()}
        self.run(self.broker.link.command("LPOP", self.keys.wake("shop")))
        claimable = sum(self.model.claimable(worker_id, handler) for handler in QUEUES)
        limits = LIMITS if worker_id in self.model.limited else None
        # Said to have ended, of which some may be held still: the server knows better.
        ended = [claim for holder, claim in self.claimed if holder == worker_id] if n % 2 else []
        jobs, left = self.run(claim_all(self.broker.claims(worker_id, 60, limits), most, ended))
        assert len(jobs) == min(most, claimable)
        for claim in jobs:
            before = waiting[claim.handler].pop(0)
            self.model.claim(worker_id, before)
            after, started = self.model.claims[worker_id][before.field]
            assert (claim.field, claim.fencing_token, claim.started) == (after.field, after.fencing_token, started)
            assert claim.envelope == self.bodies[claim.entry.event_id]
        assert left == [self.model.claimable(worker_id, handler) for handler in QUEUES]
        self.claimed += [(worker_id, claim) for claim in jobs]

    @precondition(lambda self: self.held)
    @rule(n=NUMBERS, steps=st.lists(STEPS, min_size=1, max_size=4))
    def take_steps(self, n: int, steps: list[str]) -> None:
        for step in steps:
            if self.held:
                assert self._step(*pick(self.held, n), step)
                self.every_job_is_in_exactly_one_place()

    @precondition(lambda self: len(self.held) < len(self.claimed))
    @rule(n=NUMBERS, step=STEPS)
    def take_a_step_with_a_job_that_is_not_held_any_more(self, n: int, step: str) -> None:
        worker_id, claim = pick([entry for entry in self.claimed if entry not in self.held], n)
        assert not self._step(worker_id, claim, step)
        if worker_id not in self.model.leases:
            with pytest.raises(LeaseLostError):
                self.run(self.broker.claims(worker_id, 60).claim("shop", QUEUES, 5))

    @property
    def held(self) -> list[tuple[str, Claim]]:
        """What workers hold; they have a lease, and nothing has become of the job since they claimed it."""
        return [(worker_id, claim) for worker_id, claim in self.claimed if self.model.holds(worker_id, job_of(claim))]

    def _step(self, worker_id: str, claim: Claim, step: str) -> bool:
        """Take a step with a job; returns whether the server let it."""
        claims, job = self.broker.claims(worker_id, 60), job_of(claim)
        letter = DeadLetter.of(claim.handler, claim.entry, "failed", "")
        calls: dict[str, tuple[Callable[[], Any], Callable[[], None]]] = {
            "start": (lambda: claims.start(claim, unique=True), lambda: self.model.start(worker_id, job)),
            "retry now": (lambda: claims.retry(claim, 0.0), lambda: self.model.retry(worker_id, job, delayed=False)),
            "retry": (lambda: claims.retry(claim, HOUR), lambda: self.model.retry(worker_id, job, delayed=True)),
            "release": (lambda: claims.release(claim), lambda: self.model.release(worker_id, job)),
            "bury": (lambda: claims.bury(claim, letter), lambda: self.model.bury(worker_id, job, "failed")),
            # Twice the same in one call: the second finds nothing.
            "finish": (lambda: self._finish(claims, claim, b"1"), lambda: self.model.finish(worker_id, job, b"1")),
            "finish with null": (
                lambda: self._finish(claims, claim, None),
                lambda: self.model.finish(worker_id, job, None),
            ),
        }
        ask, expect = calls[step]
        taken = bool(self.run(ask()))
        if taken:
            expect()
        if len(self.claimed) % 2:  # a slot that nobody gives back is found all the same
            limits = self.broker.claims(worker_id, 60, LIMITS).limits
            assert limits is not None
            self.run(limits.free({claim.handler: [claim.job_id]}))
        return taken

    async def _finish(self, claims: Claims, claim: Claim, result: bytes | None) -> bool:
        first, second = await claims.finish([(claim, result), (claim, b"2")])
        assert not second
        return first

    # Living and dying

    @rule(n=NUMBERS, lives=st.lists(st.sampled_from(LIVES), min_size=1, max_size=4))
    def live(self, n: int, lives: list[str]) -> None:
        for life in lives:
            match life:
                case "join" if len(self.model.leases) < 3:
                    self.join()
                case "lapse":
                    self.lease_runs_out(n)
                case "expire seen late":
                    self.expire(n, seen_late=True)
                case "renew" | "expire" | "reclaim" | "leave":
                    getattr(self, life)(n)
                case _:
                    continue
            self.every_job_is_in_exactly_one_place()

    def lease_runs_out(self, n: int) -> None:
        worker_id = pick(self.ids, n)
        self.run(self.broker.link.command("ZADD", self.keys.leases, "XX", 1, worker_id))
        if worker_id in self.model.leases:
            self.model.leases[worker_id] = True

    def renew(self, n: int) -> None:
        worker_id = pick(self.ids, n)
        assert self.leases.renew(worker_id) == (worker_id in self.model.leases)
        if worker_id in self.model.leases:
            self.model.leases[worker_id] = False

    def expire(self, n: int, *, seen_late: bool = False) -> None:
        worker_id = pick(self.ids, n)
        survey = self.run(self.broker.maintenance.survey())
        ends = survey.leases.get(worker_id, 1.0) - seen_late
        taken = self.run(self.broker.maintenance.expire(worker_id, ends))
        assert taken == (self.model.leases.get(worker_id, False) and not seen_late)
        if taken:
            del self.model.leases[worker_id]
            self.model.dead_workers.add(worker_id)

    def reclaim(self, n: int) -> None:
        grave = pick(self.ids, n)
        held = bool(self.model.claims.get(grave))
        found = self.run(self.broker.maintenance.reclaim(grave))
        if grave in self.model.dead_workers:
            assert found == held
            self.model.reclaim(grave)
        self.model.adopt_order(self.run(queues_of(self.broker, QUEUES)))

    @precondition(lambda self: self.held)
    @rule(n=NUMBERS, times=st.sampled_from([1, 1, 1, 3]))
    def die_with_jobs(self, n: int, times: int) -> None:
        for _ in range(times):
            victim = pick(self.held, n)[0]
            for worker_id, claim in self.held:
                if worker_id == victim and n % 2:
                    assert self._step(worker_id, claim, "start")
            self.live(self.ids.index(victim), ["lapse", "expire", "reclaim", "join"])
            self.claim(n, 20)
            if not self.held:
                return

    def leave(self, n: int) -> None:
        worker_id = pick(self.ids, n)
        self.leases.leave(worker_id)
        self.model.leave(worker_id)

    # Upkeep

    @precondition(lambda self: self.model.started[TASK])
    @rule()
    def the_time_of_a_rate_passes(self) -> None:
        link, key = self.broker.link, self.keys.starts(TASK)
        for member in self.run(link.command("ZRANGE", key, 0, -1)):
            self.run(link.command("ZADD", key, "XX", 1, member))
        self.model.started.clear()

    @rule(passes=st.booleans())
    def time_passes(self, passes: bool) -> None:
        self.nothing_is_due_before_its_time()
        if passes:
            self.what_is_due_is_promoted()

    def what_is_due_is_promoted(self) -> None:
        link = self.broker.link
        for member in self.run(link.command("ZRANGE", self.keys.scheduled, 0, -1)):
            self.run(link.command("ZADD", self.keys.scheduled, "XX", 1, member))
        due = self.run(self.broker.maintenance.survey()).due
        assert self.run(self.broker.maintenance.promote(due)) == len(self.model.scheduled)
        assert self.run(self.broker.maintenance.promote(due)) == 0
        self.model.promote()
        self.model.adopt_order(self.run(queues_of(self.broker, QUEUES)))

    def nothing_is_due_before_its_time(self) -> None:
        assert self.run(self.broker.maintenance.survey()).due == ()
        early = tuple(f"{job.handler} {job.ticket}" for job in self.model.scheduled)
        assert self.run(self.broker.maintenance.promote(early)) == 0

    @precondition(lambda self: self.claimed)
    @rule(n=NUMBERS)
    def replay(self, n: int) -> None:
        job_id = pick([*self.model.dead, self.claimed[-1][1].entry.job_id], n)
        assert self.run(self.broker.dead_letters.replay(job_id)) == (job_id in self.model.dead)
        if job_id in self.model.dead:
            self.model.replay(job_id)

    # What holds after each step

    @invariant()
    def every_job_is_in_exactly_one_place(self) -> None:
        assert self.run(state_of(self.broker, QUEUES, self.ids)) == self.model.state

    @invariant()
    def whoever_waits_is_woken_for_what_is_queued(self) -> None:
        tokens = self.run(self.broker.link.command("LLEN", self.keys.wake("shop")))
        assert tokens <= 1
        assert tokens or not self.model.queues.get(HANDLERS[0])  # jobs of the others may wait for their limits

    @invariant()
    def no_more_jobs_are_claimed_than_a_limit_allows(self) -> None:
        in_use = self.model.in_use(HANDLERS[1])
        assert in_use <= 2
        assert in_use <= self.run(self.broker.link.command("ZCARD", self.keys.slots(HANDLERS[1]))) <= 2

    @invariant()
    def a_job_that_stands_for_others_is_noted_with_its_value(self) -> None:
        noted = pairs(self.run(self.broker.link.command("HGETALL", self.keys.unique(HANDLERS[0]))))
        assert len(noted) == 2 * len(self.model.standing)
        assert {job.decode() for job, _ in noted} >= set(self.model.standing.values())

    @invariant()
    def senders_are_told_how_their_jobs_stand(self) -> None:
        for event_id, jobs in list(self.model.events.items())[-3:]:
            late, outcomes = self.run(self.broker.results.outcomes(event_id, jobs))
            assert late in (None, ()) or len(late or ()) == len(jobs)
            for n, (job_id, outcome) in enumerate(zip(jobs, outcomes, strict=True)):
                if n in self.model.joined[event_id]:
                    continue  # its sender was given another id
                state = "done" if job_id in self.model.done else "dead" if job_id in self.model.dead else "open"
                assert (outcome.state, outcome.result) == (state, self.model.done.get(job_id))


async def claim_all(claims: Claims, most: int, ended: list[Claim]) -> tuple[list[Claim], list[int]]:
    """Claim, and again where the server says that it can be claimed again at once."""
    if claims.limits is not None:
        claims.limits.note_ended(ended)
    jobs, left = await claims.claim("shop", QUEUES, most)
    while claims.limits is not None and claims.limits.again_in == 0.0:
        more, left = await claims.claim("shop", QUEUES, most - len(jobs))
        jobs += more
    return jobs, left


async def gather(*stores: Coroutine[Any, Any, Published]) -> list[Published]:
    """Store all of them at the same time."""
    return await asyncio.gather(*stores)


def _value(sent: Message) -> int:
    body = unpack(sent.envelope)
    assert body is not None
    return int(json.loads(body)["value"])


def pick(entries: list[T], n: int) -> T:
    """Return one of them."""
    return entries[n % len(entries)]


def job_of(claim: Claim) -> Job:
    """Return what the model calls a claim."""
    ticket = claim.entry
    return Job(claim.handler, ticket.job_id, ticket.attempt, ticket.failures, ticket.crashes)


def test_the_broker_does_what_its_model_says(redis_url: str) -> None:
    """On both servers; each run is up to 50 moves."""
    examples = int(os.environ.get("HYPOTHESIS_EXAMPLES", "0"))
    Machine.url = redis_url
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples or 30,
            stateful_step_count=50,
            derandomize=not examples,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
