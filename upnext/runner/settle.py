"""Settles jobs after their attempts: finished in batches, retried or buried. Waits out server outages."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from upnext.broker.claims import DeadLetter
from upnext.broker.failures import FailureKind, backoff, classify, describe_failure
from upnext.broker.foreign_data import ForeignDataError, warn_foreign
from upnext.broker.job_failure import JobFailure
from upnext.broker.redis_types import RedisError
from upnext.broker.results import unkept
from upnext.log import log
from upnext.runner.exiting import STRAY
from upnext.runner.retry_backoff import next_retry

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from upnext.broker.claims import Claim, Claims
    from upnext.handler import Handler
    from upnext.runner.execute import AttemptOutcome
    from upnext.runner.unstored_ends import UnstoredEnds

T = TypeVar("T")

# A job that has done its work, with the JSON of its result.
_Done: TypeAlias = "tuple[Claims, Claim, bytes | None]"

_BATCH = 200  # jobs that one command ends
_BATCH_BYTES = 500_000  # of results in one command; a larger result goes alone
_BATCH_TRIES = 2  # of one batch that is refused, before each of its jobs is ended separately
_RESULT_TRIES = 3  # of a result that the server refuses
_LARGE_RESULT_TRIES = 8  # of a result that breaks the connection each time, although the server answers otherwise
_LARGE_RESULT = 100_000  # bytes; one that is smaller cannot be why a connection breaks
_PUT_OFF = 300.0  # seconds until a job that cannot become a dead letter runs again
_LONGEST_PAUSE = 30.0  # seconds between tries of a command that the server refuses
_WARN_AFTER = (1, 20)  # failures in a row
_ENDED = ("done", "discarded")  # attempts after which the job is finished, mostly the first


class Settler:
    """Settles the jobs of one worker on one partition.

    Jobs that have done their work are ended in batches, one command at a time. A batch that the server does not take is
    split, so that one bad entry does not hold up the others.

    Args:
        retried: Called with the seconds until a retry is due.
        settled: Called with the jobs that the server has been told the end of.
        buried: Called with each job that became a dead letter.
        unstored: Notes the jobs whose end the server does not take.
        unheld: Called when the server says that a job which has ended is not claimed here: it may have lost more.
    """

    def __init__(
        self,
        retried: Callable[[float], None],
        settled: Callable[[Claims, Iterable[Claim]], None],
        buried: Callable[[DeadLetter], None],
        unstored: UnstoredEnds,
        unheld: Callable[[], None],
    ) -> None:
        self._unstored = unstored
        self._on_retry = retried
        self._on_burial = buried
        self._on_settled = settled
        self._on_unheld = unheld
        self._done: list[_Done] = []
        self._sending: list[_Done] = []
        self._flushing: asyncio.Task[None] | None = None
        self._alone: dict[asyncio.Task[None], tuple[Claims, Claim]] = {}
        self._settled = asyncio.Event()
        self._suspicious = asyncio.Lock()
        self._stopped = False

    @property
    def pending(self) -> int:
        """How many jobs have ended here, but not yet on the server."""
        return len(self._done) + len(self._sending) + len(self._alone)

    def settle(
        self,
        claims: Claims,
        claim: Claim,
        handler: Handler,
        outcome: AttemptOutcome,
        surroundings: contextvars.Context | None = None,
    ) -> None:
        """Take over a job whose attempt has ended; returns at once. If it raises, it has not taken the job.

        Args:
            claims: What it was claimed with.
            claim: The claim.
            handler: Its handler.
            outcome: How the attempt ended.
            surroundings: The context variables that hooks had set around it: what is logged of it has its span.
        """
        if self._stopped:
            log.warning("Job %s ended after its worker; its outcome here was discarded", claim.shown)
        elif outcome.kind in _ENDED:
            if outcome.kind == "discarded":
                _within(surroundings, functools.partial(_log_discard, claim, handler, outcome))
            if self._flushing is None:
                self._begin_to_flush()
            self._done.append((claims, claim, outcome.result))
        else:
            end = _within(surroundings, functools.partial(self._ending, claims, claim, handler, outcome))
            self._settle_alone(claims, claim, end)

    def known(self, claims: Claims) -> set[tuple[str, str]]:
        """Return field and fencing token of the jobs being settled."""
        entries = [(held, claim) for held, claim, _ in (*self._sending, *self._done)] + list(self._alone.values())
        return {(claim.field, claim.fencing_token) for held, claim in entries if held is claims}

    async def drained(self) -> None:
        """Wait until the server knows everything."""
        while self.pending:
            self._settled.clear()
            await self._settled.wait()

    def stop(self) -> None:
        """Give up what the server has not been told: others run those jobs, or have begun to."""
        self._stopped = True
        for task in (self._flushing, *self._alone):
            if task is not None:
                task.cancel()

    def _note_settled(self, claims: Claims, ended: Sequence[Claim]) -> None:
        self._settled.set()
        self._unstored.stored(ended, self.pending)
        self._on_settled(claims, ended)

    def _begin_to_flush(self) -> None:
        if not self._stopped:
            self._flushing = asyncio.create_task(self._flush())
            self._flushing.add_done_callback(self._flushed)

    def _flushed(self, task: asyncio.Task[None]) -> None:
        if self._flushing is task:
            self._flushing = None
        if task.cancelled():
            return
        fault = task.exception()
        if fault is not None:
            log.log(logging.ERROR, "Cannot end jobs; retrying", error=fault)
        if self._done:  # an error ended it: continue with the rest
            asyncio.get_running_loop().call_later(backoff(3), self._flush_again)

    def _flush_again(self) -> None:
        if self._flushing is None:
            self._begin_to_flush()

    async def _flush(self) -> None:
        failures = 0
        try:
            while self._done:
                self._sending = self._next_batch()
                del self._done[: len(self._sending)]
                try:
                    await self._finish(self._sending, repeated=failures > 0)
                except STRAY as error:  # whatever the error, the jobs have ended
                    failures += 1
                    await self._after_failure(failures, error)
                else:
                    ended, failures, self._sending = self._sending, 0, []
                    self._note_settled(ended[0][0], [claim for _, claim, _ in ended])
        finally:
            self._sending, self._done, self._flushing = [], self._sending + self._done, None

    def _next_batch(self) -> list[_Done]:
        """Return the jobs that one command ends: held under one worker id, and with a bounded size of results."""
        first, size, batch = self._done[0][0], 0, self._done[:_BATCH]
        for position, (claims, _, result) in enumerate(batch):
            if result is not None:
                size += len(result)
            elif claims is first:
                continue
            if position and (claims is not first or size > _BATCH_BYTES):
                return batch[:position]
        return batch

    async def _after_failure(self, failures: int, error: BaseException) -> None:
        self._unstored.failed((claim for _, claim, _ in self._sending), failures, error)
        if failures in _WARN_AFTER:
            log.warning("Cannot store the end of %d job(s) now (%s); retrying", self.pending, describe_failure(error))
        batch, self._sending = self._sending, []
        if failures < _BATCH_TRIES or _is_outage(error):
            self._done = batch + self._done
        else:
            for claims, claim, result in batch:
                self._settle_alone(claims, claim, functools.partial(self._finish_alone, claims, claim, result))
        await asyncio.sleep(backoff(failures))

    async def _finish(self, batch: Sequence[_Done], *, repeated: bool) -> None:
        claims = batch[0][0]
        held = await claims.finish([(claim, result) for _, claim, result in batch])
        if not all(held):
            for (_, claim, _), kept in zip(batch, held, strict=True):
                if not kept:
                    self._unheld(claim, repeated=repeated)

    async def _finish_alone(self, claims: Claims, claim: Claim, result: bytes | None) -> None:
        """End one job alone; its result is given up if the server answers but does not accept it."""
        failures = refusals = 0
        while True:
            try:
                # One at a time: a command that breaks the connection fails the other commands on it too.
                async with self._suspicious:
                    await self._finish([(claims, claim, result)], repeated=True)
            except STRAY as error:  # as above
                failures += 1
                size = len(result or b"")
                if size and not _is_outage(error) and await claims.answered():
                    refusals += 1
                    tries = _LARGE_RESULT_TRIES if _is_lost(error) else _RESULT_TRIES
                    if refusals >= tries and not (_is_lost(error) and size < _LARGE_RESULT):
                        reason = f"the server did not take its {size:,} bytes ({describe_failure(error)})"
                        log.error("The result of job %s is not kept: %s; the job is done", claim.shown, reason)
                        result = unkept(reason)
                await self._pause(claim, failures, error)
            else:
                return

    def _settle_alone(self, claims: Claims, claim: Claim, end: Callable[[], Awaitable[object]]) -> None:
        task = asyncio.create_task(self._run_to_its_end(claim, end))
        self._alone[task] = (claims, claim)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        claims, claim = self._alone.pop(task)
        self._note_settled(claims, [claim])

    async def _run_to_its_end(self, claim: Claim, end: Callable[[], Awaitable[object]]) -> None:
        failures = 0
        while True:
            try:
                await end()
            except STRAY as error:  # also a fault of the runtime, or a machine out of memory
                failures += 1
                await self._pause(claim, failures, error)
            else:
                return

    def _ending(
        self, claims: Claims, claim: Claim, handler: Handler, outcome: AttemptOutcome
    ) -> Callable[[], Awaitable[object]]:
        """Log an unsuccessful attempt, and return the command that ends it.

        It is logged first, because an outage can last; and what is returned does not hold the exception, which holds
        on to everything in the handler's frames.
        """
        entry, trace = claim.entry, outcome.traceback
        if outcome.kind == "released":
            return functools.partial(self._persist, claim, functools.partial(claims.release, claim))
        delay = next_retry(handler.options, entry.failures, outcome)
        if delay is not None:
            _log_failure(claim, handler, outcome, f"retrying in {delay:.1f} s", logging.WARNING)
            failure = JobFailure.of(outcome.error, outcome.where, outcome.kind, entry.attempt, trace)
            return functools.partial(self._retry, claims, claim, delay, failure)
        _log_failure(claim, handler, outcome, "it becomes a dead letter", logging.ERROR)
        counted = entry if outcome.kind == "payload" else entry.failed()
        letter = DeadLetter.of(
            claim.handler, counted, outcome.kind, outcome.error, where=outcome.where, traceback=trace
        )
        return functools.partial(self._bury, claims, claim, letter)

    async def _bury(self, claims: Claims, claim: Claim, letter: DeadLetter) -> None:
        """Turn a job into a dead letter, or postpone it if a foreign key is in the way."""
        try:
            if await self._persist(claim, functools.partial(claims.bury, claim, letter)):
                self._on_burial(letter)
        except ForeignDataError as error:
            # Held here until the key is gone, such jobs would fill the worker, and would be lost to its next restart.
            warn_foreign(
                error.key,
                f"no job can become a dead letter. Those that fail for good are run again every {_PUT_OFF:.0f} s "
                "until the key is deleted",
            )
            failure = JobFailure.of(letter.error, letter.where, letter.reason, letter.attempts, letter.traceback)
            await self._retry(claims, claim, _PUT_OFF, failure)

    async def _retry(self, claims: Claims, claim: Claim, delay: float, failure: JobFailure) -> None:
        await self._persist(claim, functools.partial(claims.retry, claim, delay, failure))
        self._on_retry(delay)

    async def _persist(self, claim: Claim, write: Callable[[], Awaitable[bool]]) -> bool:
        """Repeat a fenced write until the server has accepted it: repeating it is safe.

        Returns:
            Whether it took effect, or may have before a reply was lost.
        """
        failures = 0
        while True:
            try:
                held = await write()
            except ForeignDataError:
                raise
            except (RedisError, OSError) as error:
                failures += 1
                await self._pause(claim, failures, error)
            else:
                if not held:
                    self._unheld(claim, repeated=failures > 0)
                return bool(held) or failures > 0

    def _unheld(self, claim: Claim, *, repeated: bool) -> None:
        _report_unheld(claim, repeated=repeated)
        self._on_unheld()

    async def _pause(self, claim: Claim, failures: int, error: BaseException) -> None:
        self._unstored.failed([claim], failures, error)
        if failures in _WARN_AFTER:
            log.warning("Cannot store the end of job %s now (%s); retrying", claim.shown, describe_failure(error))
        # A refusal hardly goes away within a second: another program's key may be in the way.
        slower = 1 if _is_outage(error) or _is_lost(error) else 2 ** min(failures, 6)
        await asyncio.sleep(min(backoff(failures) * slower, _LONGEST_PAUSE))


def _within(surroundings: contextvars.Context | None, function: Callable[[], T]) -> T:
    return function() if surroundings is None else surroundings.run(function)


def _is_outage(error: BaseException) -> bool:
    """Return whether the server is to blame, whatever was sent; a broken connection may be the command's fault."""
    if not isinstance(error, (RedisError, OSError)):
        return False
    return classify(error) not in {FailureKind.LOST, FailureKind.FAULT}


def _is_lost(error: BaseException) -> bool:
    return isinstance(error, (RedisError, OSError)) and classify(error) is FailureKind.LOST


def _log_failure(claim: Claim, handler: Handler, outcome: AttemptOutcome, consequence: str, level: int) -> None:
    entry = claim.entry
    log.log(
        level,
        "Handler %r%s failed (attempt %d, failure %d of %d) with %s; %s [job %s]",
        handler.name,
        _of(handler),
        entry.attempt,
        entry.failures + 1,
        handler.options.retries + 1,
        outcome.where.removesuffix("."),
        consequence,
        claim.shown,
        error=outcome.raised,
        traceback=outcome.full_traceback or None,
        extra=_details(claim, handler, outcome),
    )


def _log_discard(claim: Claim, handler: Handler, outcome: AttemptOutcome) -> None:
    log.log(
        logging.INFO,
        "Handler %r%s discarded its job (attempt %d)%s [job %s]",
        handler.name,
        _of(handler),
        claim.entry.attempt,
        f": {outcome.error}" if outcome.error else "",
        claim.shown,
        extra=_details(claim, handler, outcome),
    )


def _of(handler: Handler) -> str:
    return f" of {handler.subject!r}" if handler.subject != handler.name else ""


def _details(claim: Claim, handler: Handler, outcome: AttemptOutcome) -> dict[str, object]:
    """Return the extra fields of a job's log record."""
    return {
        "job_id": claim.job_id,
        "event_id": claim.entry.event_id,
        "event": handler.subject,
        "handler": handler.name,
        "attempt": claim.entry.attempt,
        "max_attempts": handler.options.retries + 1,
        "reason": outcome.kind,
    }


def _report_unheld(claim: Claim, *, repeated: bool) -> None:
    """Report what is known about a job that, according to the server, is no longer held here.

    Another worker may have it, or it was purged, or lost with the server's data.
    """
    if repeated:  # an earlier try may have succeeded, and only its reply been lost
        log.info("Job %s was ended here, or is not held here any more: a reply of the server was lost", claim.shown)
    else:
        log.warning("Lost the lease on job %s; its outcome here was discarded, and it may run elsewhere", claim.shown)
