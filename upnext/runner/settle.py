"""What becomes of a job after its attempt: finished in batches, put back, or buried. Redis away is waited out."""

from __future__ import annotations

import asyncio
import functools
import random
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from upnext.broker.claims import DeadLetter
from upnext.broker.failures import backoff, classify
from upnext.broker.redis_types import RedisError
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from upnext.broker.claims import Claim, Claims
    from upnext.handler import Handler
    from upnext.runner.execute import AttemptOutcome

# A job that has done its work, with its result.
_Done: TypeAlias = "tuple[Claims, Claim, bytes | None]"

Held = TypeVar("Held", bool, "list[bool]")

_BATCH = 200
_JITTER = 0.1


class Settler:
    """Settles the jobs of one worker.

    Args:
        retried: Called with the seconds until a retry is due.
        settled: Called whenever the server knows of more.
    """

    def __init__(self, retried: Callable[[float], None], settled: Callable[[], None]) -> None:
        self._retried = retried
        self._tell = settled
        self._done: list[_Done] = []
        self._told: list[_Done] = []
        self._flushing: asyncio.Task[None] | None = None
        self._others: dict[asyncio.Task[None], tuple[Claims, Claim]] = {}
        self._settled = asyncio.Event()

    @property
    def pending(self) -> int:
        """How many jobs have ended here, but not yet on the server."""
        return len(self._done) + len(self._told) + len(self._others)

    def settle(self, claims: Claims, claim: Claim, handler: Handler, outcome: AttemptOutcome) -> None:
        """Take a job whose attempt has ended; returns at once."""
        if outcome.kind == "done":
            self._done.append((claims, claim, outcome.result))
            if self._flushing is None:
                self._flushing = asyncio.create_task(self._flush())
            return
        task = asyncio.create_task(self._settle_other(claims, claim, handler, outcome))
        self._others[task] = (claims, claim)
        task.add_done_callback(self._forget)

    def known(self, claims: Claims) -> set[tuple[str, str]]:
        """Return field and counts of what is being settled."""
        entries = [(held, claim) for held, claim, _ in (*self._told, *self._done)] + list(self._others.values())
        return {(claim.field, claim.fencing_token) for held, claim in entries if held is claims}

    async def drained(self) -> None:
        """Wait until the server knows of everything."""
        while self.pending:
            self._settled.clear()
            await self._settled.wait()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._others.pop(task, None)
        self._note()

    def _note(self) -> None:
        self._settled.set()
        self._tell()

    async def _flush(self) -> None:
        try:
            while self._done:
                claims = self._done[0][0]
                self._told, self._done = self._done[:_BATCH], self._done[_BATCH:]
                if any(entry[0] is not claims for entry in self._told):
                    # The worker goes on under a new id: what is from before it is told on its own.
                    self._done = [entry for entry in self._told if entry[0] is not claims] + self._done
                    self._told = [entry for entry in self._told if entry[0] is claims]
                held = await _persist(functools.partial(claims.finish, [entry[1:] for entry in self._told]))
                told, self._told = self._told, []
                self._note()
                for (_, claim, _), kept in zip(told, held, strict=True):
                    if not kept:
                        _report_lost(claim)
        finally:
            self._told, self._done = [], self._told + self._done
            self._flushing = None
            self._note()

    async def _settle_other(self, claims: Claims, claim: Claim, handler: Handler, outcome: AttemptOutcome) -> None:
        if outcome.kind == "released":
            held = await _persist(functools.partial(claims.release, claim))
        elif outcome.kind != "payload" and claim.entry.failures < handler.options.retries:
            delay = handler.options.delay_before(claim.entry.failures + 1) * (1 + random.uniform(0, _JITTER))  # noqa: S311
            log.warning("%s; retrying in %.1f s", _say(claim, handler, outcome), delay)
            held = await _persist(functools.partial(claims.retry, claim, delay))
            self._retried(delay)
        else:
            log.error("%s; it is a dead letter now", _say(claim, handler, outcome))
            entry = claim.entry if outcome.kind == "payload" else claim.entry.failed()
            letter = DeadLetter.of(claim.handler, entry, outcome.kind, outcome.error)
            held = await _persist(functools.partial(claims.bury, claim, letter))
        if not held:
            _report_lost(claim)


async def _persist(write: Callable[[], Awaitable[Held]]) -> Held:
    """Repeat a fenced write until the server has taken it: repeating one is safe.

    After a lost answer, that a job is not held any more may only mean that the first try was taken.
    """
    failures = 0
    while True:
        try:
            held = await write()
        except (RedisError, OSError) as error:
            failures += 1
            if failures == 1:
                log.warning("A job's end cannot be stored now (%s); trying on", classify(error).value)
            await asyncio.sleep(backoff(failures))
        else:
            return held


def _say(claim: Claim, handler: Handler, outcome: AttemptOutcome) -> str:
    of = f" of {handler.subject!r}" if handler.subject != handler.name else ""
    attempts = f"attempt {claim.entry.attempt}, failure {claim.entry.failures + 1} of {handler.options.retries + 1}"
    return f"Handler {handler.name!r}{of} failed ({attempts}) with {outcome.where} [job {claim.shown}]"


def _report_lost(claim: Claim) -> None:
    log.warning("Job %s was taken over by another worker; what became of it here is void", claim.shown)
