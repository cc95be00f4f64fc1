"""Runs one attempt of one job. This is the boundary within which user code may do anything at all."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import CoroutineType, MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from upnext.broker.job_ids import is_later, unpack
from upnext.broker.results import discarded, unkept
from upnext.deadlines import Limit
from upnext.errors import PayloadError
from upnext.failure_report import message, only_leaf, report, stack, type_name
from upnext.forks import end_child, process
from upnext.job_control import Discard, RetryLater
from upnext.log import log
from upnext.payload.results import stored_result
from upnext.registry import declarations
from upnext.runner.job_thread import BEGIN_WITHIN, JobThread
from upnext.runner.provisions import Provisions
from upnext.thread_context import ThreadContext
from upnext.upcasting import UpcastError, decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from upnext.broker.claims import Claim
    from upnext.deadlines import Deadlines
    from upnext.handler import Handler
    from upnext.runner.lease_renewal import LeaseGuard
    from upnext.runner.running_jobs import ClaimedJob


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


@dataclass(slots=True)
class Attempts:
    """What the attempts of one worker on one partition share.

    Attributes:
        threads: Where handlers that are not async run.
        deadlines: Returns what watches over handlers with a timeout of so many seconds.
        max_result: The largest result that is kept, in bytes of JSON.
        handing_over: Whether the worker stops its jobs, to be run elsewhere.
    """

    threads: Executor
    deadlines: Callable[[float], Deadlines]
    max_result: int
    handing_over: bool = False


async def execute(job: ClaimedJob, handler: Handler, attempts: Attempts) -> AttemptOutcome | None:
    """Run a job's handler once. Whatever user code does, an attempt that began has an outcome.

    Args:
        job: The job.
        handler: Its handler.
        attempts: What all attempts share.

    Returns:
        How the attempt ended, or None if it did not begin: the job is not this worker's any more.
    """
    arguments = _read(job, handler)
    if isinstance(arguments, AttemptOutcome):
        return arguments
    deadlines = attempts.deadlines(handler.options.timeout)
    # Checked last, right before user code.
    if not job.lease.is_valid() and not await job.lease.wait_valid():
        return None
    if handler.signature.provided:
        end = await _call_provided(job, handler, arguments, attempts.threads, deadlines)
    elif handler.is_async:
        end = await _awaited(handler.function, deadlines, arguments)
    else:
        end = await _run_in_thread(job, handler, arguments, attempts.threads, deadlines, context=ThreadContext())
    if end is None:
        return None
    value, raised, late_at = end
    if late_at is not None:
        return _timeout(raised, late_at, handler)
    if raised is None:
        if value is None and handler.signature.may_return_nothing:
            return _DONE
        return _done(job.claim, handler, value, attempts.max_result)
    # A handler can cancel its own task as well.
    if issubclass(type(raised), asyncio.CancelledError) and attempts.handing_over:
        return RELEASED
    return _raised(raised, handler)


async def _call_provided(
    job: ClaimedJob, handler: Handler, arguments: dict[str, Any], threads: Executor, deadlines: Deadlines
) -> _End | None:
    """Call a handler with its provided values, and close these afterwards. Errors of providers count as the handler's.

    The handler's timeout holds for all that is made before it, for itself, and for all that is closed after it.
    """
    thread = JobThread(threads)
    provisions = Provisions(job.context, thread)
    job.cleanups.append(lambda raised: _close(provisions, raised, deadlines, thread))
    made = await _awaited(lambda: provisions.open(handler.signature.provided), deadlines)
    end: _End | None = made
    if made[1] is None and made[2] is None:
        held = job.lease.is_valid() or await job.lease.wait_valid()
        arguments |= made[0]
        if not held:
            end = None
        elif handler.is_async:
            end = await _awaited(handler.function, deadlines, arguments)
        else:
            context = provisions.thread_context
            end = await _run_in_thread(job, handler, arguments, thread, deadlines, context=context)
    raised = asyncio.CancelledError() if end is None else end[1]
    if end is not None and raised is None and end[2] is not None:
        raised = TimeoutError(f"it took longer than {handler.options.timeout:g} s")
    closed = await _close(provisions, raised, deadlines, thread)
    job.cleanups.pop()
    return end if closed[1] is None or end is None or end[2] is not None else closed


async def _close(provisions: Provisions, raised: BaseException | None, deadlines: Deadlines, thread: JobThread) -> _End:
    """Close the provided values, give the thread back, and return the outcome."""
    closed = await _awaited(lambda: provisions.close(raised), deadlines)
    if not provisions.is_open:
        thread.shutdown()
        return closed
    others = await _close(provisions, closed[1], deadlines, thread)
    return closed if others[1] is None else others


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
    failure = report(raised, None if handler is None else handler.function)
    return AttemptOutcome(
        "failed",
        error=failure.error,
        where=failure.where,
        traceback=failure.traceback,
        full_traceback=failure.full_traceback,
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


def _read(job: ClaimedJob, handler: Handler) -> dict[str, Any] | AttemptOutcome:
    """Return the handler's arguments, or the outcome of the attempt if there are none."""
    envelope = job.claim.envelope
    body = None if envelope is None else unpack(envelope)
    if body is None:
        later = "was written by a later version of upnext"
        state = "is gone" if envelope is None else later if is_later(envelope) else "is not an envelope"
        return AttemptOutcome("payload", error=f"its payload {state}", where=f"payload {state}")
    try:
        arguments = decode(handler, body) if declarations.has_upcasters else handler.signature.codec.decode(body)
        if handler.signature.context_parameters:
            arguments.update(handler.signature.inject(job.context()))
    except PayloadError as error:
        reason = " ".join([str(error), *getattr(error, "__notes__", ())])
        return AttemptOutcome("payload", error=reason, where=reason)
    except UpcastError as error:
        return _upcast_failed(error, handler)
    except BaseException as error:  # noqa: BLE001  # a model's validators are user code too
        return _raised(error, handler)
    return arguments


def _upcast_failed(error: UpcastError, handler: Handler) -> AttemptOutcome:
    """Return the outcome of an attempt whose payload could not be upcast: it is retried like any other."""
    outcome = _raised(error.raised, handler)
    if outcome.kind != "failed":
        return outcome
    return replace(outcome, error=f"{error}: {outcome.error}", where=f"{error}: {outcome.where}")


# How user code ended: its result, its exception, and if it was late the position of its thread, "" without a thread.
# An exception is passed as a value: raised, StopIteration and its like would change type.
_End: TypeAlias = "tuple[Any, BaseException | None, str | None]"


_NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})
_COROUTINE: Any = CoroutineType  # fast path: most awaitables are coroutines


async def _awaited(
    call: Callable[..., Any], deadlines: Deadlines, arguments: Mapping[str, Any] = _NO_ARGUMENTS
) -> _End:
    limit, generation = Limit(deadlines), process.generation
    try:
        with limit:
            value: Any = call(**arguments)
            end: _End = (await value if type(value) is _COROUTINE or inspect.isawaitable(value) else value), None, None
    except BaseException as error:  # noqa: BLE001  # user code may raise anything; all of it is that job's failure
        end = None, error, "" if limit.expired and issubclass(type(error), TimeoutError) else None
    if process.generation != generation:
        end_child(end[1])  # a child that user code forked has left it
    return end


async def _run_in_thread(
    job: ClaimedJob,
    handler: Handler,
    arguments: dict[str, Any],
    threads: Executor,
    deadlines: Deadlines,
    *,
    context: ThreadContext,
) -> _End | None:
    """Run a synchronous function; None if nothing ran, because this worker no longer holds the job."""
    call = context.bind(functools.partial(handler.function, **arguments))
    end = await _run_once_in_thread(job, handler, call, threads, deadlines)
    while end is None and await job.lease.wait_valid():  # it was in doubt when the thread began
        end = await _run_once_in_thread(job, handler, call, threads, deadlines)
    context.carry_back()
    return end


async def _run_once_in_thread(
    job: ClaimedJob, handler: Handler, call: Callable[[], Any], threads: Executor, deadlines: Deadlines
) -> _End | None:
    # A thread cannot be stopped: after the timeout the attempt counts as failed, and its slot stays taken until the
    # function returns, so that a worker never exceeds its concurrency.
    thread: list[int] = []
    timeout = handler.options.timeout
    try:
        future = await _begun(lambda: threads.submit(_carry, call, job.lease, thread), timeout)
        done, _ = await asyncio.wait([future], timeout=max(timeout - BEGIN_WITHIN, 0.0))
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


async def _begun(submit: Callable[[], Future[_End | None]], timeout: float) -> asyncio.Future[_End | None]:
    """Return the future of a call that a thread has begun or completed.

    Libraries that limit the time of code raise an exception in its thread from another one. Where that comes too late,
    the thread dies, and with it what it takes from the queue next; the pool goes on to count on it.
    """
    while True:
        work = submit()
        future = asyncio.wrap_future(work)
        done, _ = await asyncio.wait([future], timeout=min(BEGIN_WITHIN, timeout))
        if done or not work.cancel():
            return future


def _stack_of(thread: list[int]) -> str:
    frame = sys._current_frames().get(thread[0]) if thread else None  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return "" if frame is None else stack(frame)


def _carry(call: Callable[[], Any], lease: LeaseGuard, thread: list[int]) -> _End | None:
    thread.append(threading.get_ident())
    if not lease.is_valid():  # between the event loop and this thread the process may have been frozen
        return None
    generation = process.generation
    raised: BaseException | None = None
    value = None
    try:
        value = call()
    except BaseException as error:  # noqa: BLE001  # as above
        raised = error
    if process.generation != generation:
        end_child(raised)  # a child that the handler forked has left its code
    return value, raised, None


def _done(claim: Claim, handler: Handler, value: object, max_result: int) -> AttemptOutcome:
    """Return the outcome of a successful attempt: with the result's JSON, or the reason why it is not kept."""
    # The work is done: a result that cannot be kept must not make it run again.
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
