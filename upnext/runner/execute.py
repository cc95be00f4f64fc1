"""One attempt of one job: the boundary at which user code may do anything at all."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeAlias

from upnext import forks
from upnext.broker.job_ids import unpack
from upnext.broker.results import discarded, unkept
from upnext.context import Context, current_job
from upnext.errors import PayloadError
from upnext.job_control import Discard, RetryLater
from upnext.log import log
from upnext.payload.results import is_nothing, stored_result
from upnext.runner.failure_report import message, only_leaf, report, stack, type_name
from upnext.thread_boundaries import cross_boundaries
from upnext.upcasting import UpcastError, decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from upnext.broker.claims import Claim
    from upnext.deadlines import Deadlines
    from upnext.handler import Handler
    from upnext.runner.lease_renewal import LeaseGuard

_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()  # as late as a datetime can say


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How an attempt ended.

    Attributes:
        kind: "done", "discarded", "failed", "timeout", "payload", or "released" if it was stopped to be run elsewhere.
        result: The JSON of what was returned, or what is kept in its place (`unkept`, `discarded`); None for null.
        error: What was raised, its notes, members and causes, a line each, with their messages.
        where: Its type and place, without the message, which may hold anything.
        traceback: Types, frames and lines of source, without messages.
        full_traceback: The same with messages, for the log.
        raised: The exception itself, for the log; it holds on to everything that the handler's frames hold.
    """

    kind: str
    result: bytes | None = None
    error: str = ""
    where: str = ""
    traceback: str = ""
    full_traceback: str = ""
    raised: BaseException | None = None


RELEASED = AttemptOutcome("released")
"""That of a job that did not run, or was stopped; it has nothing to say."""

_DONE = AttemptOutcome("done")


async def execute(
    claim: Claim,
    handler: Handler,
    threads: Executor,
    deadlines: Deadlines,
    hold: LeaseGuard,
    *,
    handing_over: Callable[[], bool],
    max_result: int,
) -> AttemptOutcome | None:
    """Run a job's handler once. Whatever user code does, an attempt that began has an outcome.

    Args:
        claim: The job.
        handler: Its handler.
        threads: Where handlers that are not async run.
        deadlines: What watches over the handler's timeout.
        hold: Asked last, right before user code: whether the job is still this worker's.
        handing_over: Whether the worker stops its jobs, to be run elsewhere.
        max_result: The largest result that is kept, in bytes of JSON.

    Returns:
        How the attempt ended, or None if it did not begin.
    """
    arguments = _read(claim, handler)
    if isinstance(arguments, AttemptOutcome):
        return arguments
    if not handler.signature.provided:
        end = await _call(handler, arguments, threads, deadlines, hold)
    else:
        end = await _call_provided(handler, arguments, threads, deadlines, hold)
    if end is None:
        return None
    value, raised, late_at = end
    if late_at is not None:
        return _timeout(raised, late_at, handler)
    if raised is None:
        return _done(claim, handler, value, max_result)
    # A handler can cancel its own task as well.
    if issubclass(type(raised), asyncio.CancelledError) and handing_over():
        return RELEASED
    return _raised(raised, handler)


async def _call(
    handler: Handler, arguments: dict[str, Any], threads: Executor, deadlines: Deadlines, hold: LeaseGuard
) -> _End | None:
    """Call a handler; None if it did not begin, because the job is not this worker's any more."""
    end: _End | None = None
    while end is None:
        if not await hold.wait_valid():
            return None
        call = functools.partial(handler.function, **arguments)
        generation = forks.generation()
        end = await (
            _awaited(call, deadlines) if handler.is_async else _run_in_thread(handler, call, threads, deadlines, hold)
        )
        if forks.generation() != generation:
            forks.end_child(end and end[1])  # a child that the handler forked has left its code
    return end


async def _call_provided(
    handler: Handler, arguments: dict[str, Any], threads: Executor, deadlines: Deadlines, hold: LeaseGuard
) -> _End | None:
    """Call a handler with what is provided for it, and close that after it. What providers raise, it has raised.

    The handler's timeout holds for all that is made before it, for itself, and for all that is closed after it.
    """
    from upnext.runner.provisions import Provisions  # noqa: PLC0415  # few handlers are provided with anything

    if not await hold.wait_valid():
        return None
    provisions = Provisions(current_job.get(), threads)
    made = await _awaited(lambda: provisions.open(handler.signature.provided), deadlines)
    end: _End | None = made
    if made[1] is None and made[2] is None:
        end = await _call(handler, {**arguments, **made[0]}, threads, deadlines, hold)
    raised = asyncio.CancelledError() if end is None else end[1]
    if end is not None and raised is None and end[2] is not None:
        raised = TimeoutError(f"it took longer than {handler.options.timeout:g} s")
    closed = await _awaited(lambda: provisions.close(raised), deadlines)
    return end if closed[1] is None or end is None or end[2] is not None else closed


def _raised(raised: BaseException, handler: Handler) -> AttemptOutcome:
    """Return the outcome of an attempt in which user code raised."""
    if issubclass(type(raised), BaseExceptionGroup):
        alone = only_leaf(raised)  # a task of a TaskGroup has raised it
        raised = alone if alone is not None and issubclass(type(alone), (Discard, RetryLater)) else raised
    if not issubclass(type(raised), Discard):
        return failed(raised, handler)
    reason = message(raised)
    return AttemptOutcome("discarded", result=discarded(reason), error=reason)


def failed(raised: BaseException, handler: Handler | None) -> AttemptOutcome:
    """Return the outcome of an attempt that raised."""
    told = report(raised, None if handler is None else handler.function)
    return AttemptOutcome(
        "failed",
        error=told.error,
        where=told.where,
        traceback=told.traceback,
        full_traceback=told.full_traceback,
        raised=raised,
    )


def _timeout(raised: BaseException | None, where: str, handler: Handler) -> AttemptOutcome:
    trace = where if raised is None else report(raised, handler.function).traceback
    return AttemptOutcome(
        "timeout",
        error=f"it took longer than {handler.options.timeout:g} s",
        where="timeout",
        traceback=trace,
        full_traceback=trace,
        raised=raised,
    )


def _read(claim: Claim, handler: Handler) -> dict[str, Any] | AttemptOutcome:
    """Return the handler's arguments, or how the attempt ended because there are none."""
    body = None if claim.envelope is None else unpack(claim.envelope)
    if body is None:
        state = "is gone" if claim.envelope is None else "was written by a later version of upnext"
        return AttemptOutcome("payload", error=f"its payload {state}", where=f"payload {state}")
    try:
        arguments = decode(handler, body)
        arguments.update(_contexts(claim, handler))
    except PayloadError as error:
        reason = " ".join([str(error), *getattr(error, "__notes__", ())])
        return AttemptOutcome("payload", error=reason, where=reason)
    except UpcastError as error:
        return _upcast_failed(error, handler)
    except BaseException as error:  # noqa: BLE001  # a model's validators are user code too
        return _raised(error, handler)
    return arguments


def _upcast_failed(error: UpcastError, handler: Handler) -> AttemptOutcome:
    """Return the outcome of an attempt whose payload an upcaster could not make anew: it is retried as any other."""
    outcome = _raised(error.raised, handler)
    if outcome.kind != "failed":
        return outcome
    return replace(outcome, error=f"{error}: {outcome.error}", where=f"{error}: {outcome.where}")


def _contexts(claim: Claim, handler: Handler) -> dict[str, Context]:
    """Set the job's context, and return what the handler's parameters get of it; most jobs never ask for it."""
    describe_job = functools.partial(_context, claim, handler, time.time())
    if not handler.signature.context_parameters:
        current_job.set(describe_job)
        return {}
    context = describe_job()
    current_job.set(lambda: context)
    return handler.signature.inject(context)


# How user code ended: what it returned, what it raised, and if it was late where its thread was, "" without a thread.
# What was raised travels as a value: raised, StopIteration and its like would change type.
_End: TypeAlias = "tuple[Any, BaseException | None, str | None]"


async def _awaited(call: Callable[[], Any], deadlines: Deadlines) -> _End:
    limit = deadlines.limit()
    try:
        with limit:
            value: Any = call()
            return await value if _is_awaitable(value) else value, None, None
    except BaseException as error:  # noqa: BLE001  # user code may raise anything; all of it is that job's failure
        return None, error, "" if limit.expired and issubclass(type(error), TimeoutError) else None


def _is_awaitable(value: object) -> bool:
    # Most are coroutines, and that is cheaply told.
    return type(value) is CoroutineType or inspect.isawaitable(value)


async def _run_in_thread(
    handler: Handler, function: Callable[[], Any], threads: Executor, deadlines: Deadlines, hold: LeaseGuard
) -> _End | None:
    """Run a function that is not async; None if the lease was in doubt when its thread began, so that nothing ran."""
    # A thread cannot be stopped: after the timeout the attempt counts as failed, and its slot stays taken until the
    # function returns, so that a worker never runs more of them than it says.
    thread: list[int] = []
    call = functools.partial(contextvars.copy_context().run, function)
    future = asyncio.get_running_loop().run_in_executor(threads, _carry, call, hold, thread)
    try:
        done, _ = await asyncio.wait([future], timeout=handler.options.timeout)
        if not done:
            where = _stack_of(thread)
            log.warning(
                "Handler %r is past its timeout in a thread that cannot be stopped; it is at\n%s", handler.name, where
            )
            await asyncio.wait([future])
            return None, None, where
    except asyncio.CancelledError as error:
        return None, error, None
    end = future.result()
    if end is not None and end[1] is None and inspect.isawaitable(end[0]):
        return await _awaited(lambda: end[0], deadlines)
    return end


def _stack_of(thread: list[int]) -> str:
    frame = sys._current_frames().get(thread[0]) if thread else None  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return "" if frame is None else stack(frame)


def _carry(call: functools.partial[Any], hold: LeaseGuard, thread: list[int]) -> _End | None:
    thread.append(threading.get_ident())
    if not hold.is_valid():  # between the event loop and this thread the process may have been frozen
        return None
    generation = forks.generation()
    raised: BaseException | None = None
    value = None
    cross_boundaries()
    try:
        value = call()
    except BaseException as error:  # noqa: BLE001  # as above
        raised = error
    cross_boundaries()
    if forks.generation() != generation:
        forks.end_child(raised)  # a child that the handler forked has left its code
    return value, raised, None


def _context(claim: Claim, handler: Handler, began: float) -> Context:
    entry = claim.entry
    return Context(
        job_id=entry.job_id,
        event_id=entry.event_id,
        event=handler.subject,
        handler=handler.name,
        attempt=entry.attempt,
        max_attempts=handler.options.retries + 1,
        deadline=datetime.fromtimestamp(min(began + handler.options.timeout, _LATEST), UTC),
    )


def _done(claim: Claim, handler: Handler, value: object, max_result: int) -> AttemptOutcome:
    """Return the outcome of an attempt that returned something: with its JSON, or with why that is not kept."""
    if is_nothing(handler.signature.result, value):
        return _DONE
    # The work is done: that its result cannot be kept must not run it again.
    try:
        result = _encode(claim, handler, value, max_result)
        return _DONE if result is None else AttemptOutcome("done", result=result)
    except BaseException:  # noqa: BLE001  # a machine that is out of memory
        return _UNKEPT


_UNKEPT = AttemptOutcome("done", result=unkept("it could not be written"))


def _encode(claim: Claim, handler: Handler, value: object, max_result: int) -> bytes | None:
    try:
        if issubclass(type(value), Iterator):  # it may have no end
            problem = "return a collection, which has an end and can be read twice"
        else:
            body = stored_result(handler.signature.result, handler.name, value, keep_unset=handler.is_task)
            if body is None or len(body) <= max_result:
                return body
            problem = f"it has {len(body):,} bytes of JSON, and at most {max_result:,} are kept (UPNEXT_MAX_RESULT)"
    except BaseException as error:  # noqa: BLE001  # a model's serializers are user code too
        problem = f"JSON cannot carry it ({report(error, handler.function).where})"
    kind = type_name(value)
    log.warning("The result of handler %r, a %s, is not kept: %s [job %s]", handler.name, kind, problem, claim.shown)
    return unkept(f"a {kind} was returned that is not kept: {problem}")
