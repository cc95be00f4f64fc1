"""Runs one attempt of a job inside its hooks, which cannot influence its outcome."""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import headers_of, sent_at
from upnext.errors import UpnextError
from upnext.hook_calls import EnteredHooks
from upnext.hooks import HookedJob
from upnext.job_control import Discard
from upnext.log import log, traceback_of
from upnext.runner.execute import RELEASED, failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from upnext.broker.claims import Claim
    from upnext.handler import Handler
    from upnext.hooks import Hooks
    from upnext.runner.execute import AttemptOutcome, Attempts
    from upnext.runner.running_jobs import ClaimedJob


async def run_hooked(
    hooks: Sequence[Hooks],
    claimed: ClaimedJob,
    run: Callable[[], Awaitable[AttemptOutcome | None]],
    *,
    server: str,
    attempts: Attempts,
) -> AttemptOutcome | None:
    """Run an attempt inside hooks.

    Args:
        hooks: Those that are around jobs.
        claimed: The job, which has begun.
        run: The attempt; it raises nothing.
        server: The server's address without its password.
        attempts: Says whether the worker stops its jobs, to be run elsewhere.

    Returns:
        What `run` returned; RELEASED if the worker stopped its jobs before it.
    """
    assert claimed.handler is not None, "a job that has begun has a handler"
    job, entered = _seen(claimed.claim, claimed.handler, server), EnteredHooks(hooks, "around_job")

    def leave(raised: BaseException | None) -> Awaitable[None]:
        job.outcome = "failed"
        return entered.leave(raised)

    claimed.cleanups.append(leave)
    outcome: AttemptOutcome | None = RELEASED
    try:
        await _enter(entered, job, attempts)
        if not attempts.handing_over:
            outcome = await run()
            if outcome is not None and outcome.kind != "done":
                claimed.surroundings = contextvars.copy_context()
    except asyncio.CancelledError:
        outcome = RELEASED
    job.outcome = RELEASED.kind if outcome is None else outcome.kind
    with suppress(asyncio.CancelledError):  # the worker stops its jobs, and this one has ended
        await entered.leave(_raised(outcome))
    claimed.cleanups.pop()
    return _with_canceller(outcome, entered, claimed.handler)


def _with_canceller(outcome: AttemptOutcome | None, entered: EnteredHooks, handler: Handler) -> AttemptOutcome | None:
    """Name the hook that cancelled a handler: its task group failed, or its time was up."""
    if outcome is None or not isinstance(outcome.raised, asyncio.CancelledError) or entered.canceller is None:
        return outcome
    hook, cause = entered.canceller
    message = f"hook {hook!r} cancelled the handler: a task group in it failed, or a time limit in it ended"
    raised = asyncio.CancelledError(message)
    raised.__cause__ = cause
    return failed(raised.with_traceback(traceback_of(outcome.raised)), handler)


async def _enter(entered: EnteredHooks, job: HookedJob, attempts: Attempts) -> None:
    """Enter the hooks; one that cancels the job's task is ignored, like one that raises."""
    task = asyncio.current_task()
    assert task is not None, "a job runs in one"
    with suppress(asyncio.CancelledError):
        await entered.enter(job)
    if task.cancelling() and not attempts.handing_over:
        log.warning("A hook cancelled the task of a job, which runs all the same [job %s]", job.job_id)
    while task.cancelling() and not attempts.handing_over:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)  # where it is raised, if it has not been
        task.uncancel()


def _seen(claim: Claim, handler: Handler, server: str) -> HookedJob:
    entry, sent = claim.entry, sent_at(claim.job_id)
    return HookedJob(
        worker=HandlerId.parse(handler.id).worker,
        event=handler.subject,
        handler=handler.name,
        is_task=handler.is_task,
        job_id=entry.job_id,
        event_id=entry.event_id,
        attempt=entry.attempt,
        max_attempts=handler.options.retries + 1,
        sent_at=None if sent is None else datetime.fromtimestamp(sent, UTC),
        headers={} if claim.envelope is None else headers_of(claim.envelope),
        server=server,
    )


def _raised(outcome: AttemptOutcome | None) -> BaseException | None:
    """Return what hooks are told about an attempt: the handler's exception, or an equivalent."""
    if outcome is None or outcome.kind == "released":
        return asyncio.CancelledError()
    if outcome.kind == "done" or outcome.raised is not None:
        return outcome.raised
    kinds: dict[str, type[Exception]] = {"discarded": Discard, "timeout": TimeoutError}
    return kinds.get(outcome.kind, UpnextError)(outcome.error)
