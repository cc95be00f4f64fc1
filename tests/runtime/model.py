"""What the server should hold, kept by plain Python: the oracle of `test_machine.py`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TypeAlias

CRASHES = 3
"""Crash deliveries after which a job is a dead letter."""

State: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Job:
    """A job and its counts."""

    handler: str
    id: str
    attempt: int = 0
    failures: int = 0
    crashes: int = 0

    @property
    def fencing_token(self) -> str:
        return f"{self.attempt}:{self.failures}:{self.crashes}"

    @property
    def ticket(self) -> str:
        return f"{self.id}:{self.fencing_token}" if self.attempt else self.id

    @property
    def field(self) -> str:
        return f"{self.handler} {self.id}"


@dataclass
class Model:
    """Where every job is; each is in exactly one place."""

    queues: dict[str, list[Job]] = field(default_factory=dict)
    scheduled: list[Job] = field(default_factory=list)
    claims: dict[str, dict[str, tuple[Job, bool]]] = field(default_factory=dict)
    dead: dict[str, tuple[Job, str]] = field(default_factory=dict)
    done: dict[str, bytes | None] = field(default_factory=dict)
    unrouted: list[tuple[str, bool]] = field(default_factory=list)
    subscribed: set[str] = field(default_factory=set)
    events: dict[str, list[str]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    leases: dict[str, bool] = field(default_factory=dict)  # whether it has run out
    dead_workers: set[str] = field(default_factory=set)
    limits: dict[str, int] = field(default_factory=dict)
    rates: dict[str, int] = field(default_factory=dict)
    limited: set[str] = field(default_factory=set)  # workers that keep to limits; the others neither do nor count
    started: Counter[str] = field(default_factory=Counter)  # by handler, within the time of its rate
    unique: str = ""  # a handler of whose jobs only one of a value waits
    standing: dict[int, str] = field(default_factory=dict)  # value -> the job that stands for further sends of it
    joined: dict[str, dict[int, str]] = field(default_factory=dict)  # event -> jobs that stand for some of its own

    def send(self, event_id: str, handlers: list[str], *, delayed: bool, value: int | None = None) -> None:
        self.events[event_id] = [f"{event_id}.{n}" for n in range(len(handlers))]
        self.joined[event_id] = {}
        for n, (handler, job_id) in enumerate(zip(handlers, self.events[event_id], strict=True)):
            if value is not None and handler == self.unique and not self._takes_place(value, job_id):
                self.joined[event_id][n] = self.standing[value]
                self._bring_forward(self.standing[value], delayed=delayed)
            else:
                self._add(Job(handler, job_id), delayed=delayed)
        if not handlers:
            self.unrouted.append((event_id, delayed))

    def subscribe(self, handlers: list[str]) -> None:
        self.subscribed |= set(handlers)
        waiting, self.unrouted = self.unrouted, []
        for event_id, delayed in waiting:
            self.send(event_id, sorted(handlers), delayed=delayed)

    def _takes_place(self, value: int, job_id: str) -> bool:
        """Let a new job stand for a value, unless another one does that has not ended; returns whether it does."""
        stands = self.standing.get(value)
        if stands is not None and stands not in self.done and stands not in self.dead:
            return False
        self.standing[value] = job_id
        return True

    def _bring_forward(self, job_id: str, *, delayed: bool) -> None:
        for job in [] if delayed else self.scheduled:
            if job.ticket == job_id:
                self.scheduled.remove(job)
                self._add(job, delayed=False)
                return

    def _stands_no_more(self, job: Job) -> None:
        self.standing = {value: job_id for value, job_id in self.standing.items() if job_id != job.id}

    def _add(self, job: Job, *, delayed: bool) -> None:
        (self.scheduled if delayed else self.queues.setdefault(job.handler, [])).append(job)

    def in_use(self, handler: str) -> int:
        """How many jobs of a handler are claimed by workers that keep to limits, also by dead ones."""
        return sum(job.handler == handler for w in self.limited for job, _ in self.claims.get(w, {}).values())

    def claimable(self, worker_id: str, handler: str) -> int:
        """How many jobs of a handler a worker could claim now."""
        waiting = len(self.queues.get(handler, []))
        if worker_id in self.limited and handler in self.limits:
            return min(waiting, self.limits[handler] - self.in_use(handler))
        if worker_id in self.limited and handler in self.rates:
            return min(waiting, self.rates[handler] - self.started[handler])
        return waiting

    def claim(self, worker_id: str, job: Job) -> None:
        assert self.queues[job.handler].pop(0) == job, "the oldest goes first"
        self.started[job.handler] += worker_id in self.limited
        claimed = replace(job, attempt=job.attempt + 1)
        self.claims.setdefault(worker_id, {})[job.field] = (claimed, job.crashes == 0)

    def holds(self, worker_id: str, job: Job) -> bool:
        held = self.claims.get(worker_id, {}).get(job.field)
        return worker_id in self.leases and held is not None and held[0] == job

    def take(self, worker_id: str, job: Job) -> Job:
        return self.claims[worker_id].pop(job.field)[0]

    def start(self, worker_id: str, job: Job) -> None:
        self.claims[worker_id][job.field] = (job, True)
        self._stands_no_more(job)

    def finish(self, worker_id: str, job: Job, result: bytes | None) -> None:
        self.done[self.take(worker_id, job).id] = result

    def retry(self, worker_id: str, job: Job, *, delayed: bool) -> None:
        self._add(replace(self.take(worker_id, job), failures=job.failures + 1), delayed=delayed)

    def release(self, worker_id: str, job: Job) -> None:
        self.queues[job.handler].insert(0, self.take(worker_id, job))

    def bury(self, worker_id: str, job: Job, reason: str) -> None:
        self.dead[job.id] = (self.take(worker_id, job), reason)

    def replay(self, job_id: str) -> None:
        job = self.dead.pop(job_id)[0]
        self.queues[job.handler].append(Job(job.handler, job.id, job.attempt))

    def promote(self) -> None:
        due, self.scheduled = self.scheduled, []
        for job in due:
            self._add(job, delayed=False)

    def reclaim(self, grave: str) -> None:
        for job, started in self.claims.pop(grave, {}).values():
            after = replace(job, crashes=job.crashes + started)
            if after.crashes >= CRASHES:
                self.dead[job.id] = (after, "crashed")
                self._stands_no_more(job)
            else:
                self.queues[job.handler].insert(0, after)
        self.dead_workers.discard(grave)

    def leave(self, worker_id: str) -> None:
        if self.claims.get(worker_id) and worker_id in self.leases:
            self.dead_workers.add(worker_id)
        self.leases.pop(worker_id, None)

    def adopt_order(self, queues: dict[str, list[str]]) -> None:
        """Take over an order that is promised to nobody: among jobs that fell due, or were reclaimed, together."""
        for handler, tickets in queues.items():
            jobs = {job.ticket: job for job in self.queues.get(handler, [])}
            assert Counter(tickets) == Counter(list(jobs))
            self.queues[handler] = [jobs[ticket] for ticket in tickets]

    def open_digits(self, event_id: str) -> str:
        """Return one digit per job of an event: 0 for those that are done."""
        if any(event_id == waiting for waiting, _ in self.unrouted):
            return "?"
        made = [n not in self.joined[event_id] for n in range(len(self.events[event_id]))]
        jobs = zip(self.events[event_id], made, strict=True)
        return "".join("1" if is_made and job_id not in self.done else "0" for job_id, is_made in jobs)

    @property
    def state(self) -> State:
        """Everything that the server should hold."""
        stored = {event_id: digits for event_id in self.events if (digits := self.open_digits(event_id)).strip("0")}
        return {
            "queues": {handler: [job.ticket for job in jobs] for handler, jobs in self.queues.items() if jobs},
            "later": sorted(f"{job.handler} {job.ticket}" for job in self.scheduled),
            "claims": {
                worker_id: {field: f"{job.fencing_token}:{started:d}" for field, (job, started) in held.items()}
                for worker_id, held in self.claims.items()
                if held
            },
            "dead": {job_id: (job.handler, job.attempt, reason) for job_id, (job, reason) in self.dead.items()},
            "events": set(stored),
            "open": {event_id: digits for event_id, digits in stored.items() if digits != "1"},
            "leases": set(self.leases),
            "graves": self.dead_workers,
        }
