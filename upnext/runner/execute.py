"""One attempt of one job: the boundary at which user code may do anything at all."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import importlib
import inspect
import os
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeAlias

from upnext.broker.job_ids import unpack
from upnext.context import Context, current_job
from upnext.errors import PayloadError
from upnext.log import log
from upnext.payload.results import stored_result

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from upnext.broker.claims import Claim
    from upnext.deadlines import Deadlines
    from upnext.handler import Handler
    from upnext.runner.lease import LeaseGuard

_MESSAGE_LIMIT = 2000
_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()  # as late as a datetime can say
_NOT_USERS = (str(Path(__file__).parent.parent), "<frozen importlib", importlib.__file__)


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How an attempt ended.

    Attributes:
        kind: "done", "failed", "timeout", "payload", or "released" when it was stopped to be run elsewhere.
        result: The JSON of what was returned; None for null.
        error: What was raised, with its message.
        where: Its type and place, without the message, which may hold anything.
    """

    kind: str
    result: bytes | None = None
    error: str = ""
    where: str = ""


_DONE = AttemptOutcome("done")


async def execute(
    claim: Claim,
    handler: Handler,
    threads: Executor,
    deadlines: Deadlines,
    hold: LeaseGuard,
    *,
    handing_over: Callable[[], bool],
) -> AttemptOutcome | None:
    """Run a job's handler once.

    Args:
        claim: The job.
        handler: Its handler.
        threads: Where handlers that are not async run.
        deadlines: What watches over the handler's timeout.
        hold: Asked last, right before user code: whether the job is still this worker's.
        handing_over: Whether the worker stops its jobs, to be run elsewhere.

    Returns:
        How the attempt ended, or None if it did not begin.
    """
    arguments = _read(claim, handler)
    if isinstance(arguments, AttemptOutcome):
        return arguments
    end: _End | None = None
    while end is None:
        if not await hold.wait_valid():
            return None
        call = functools.partial(handler.function, **arguments)
        end = await (
            _awaited(call, deadlines) if handler.is_async else _run_in_thread(handler, call, threads, deadlines, hold)
        )
    value, raised, late = end
    if late:
        return AttemptOutcome("timeout", error=f"it took longer than {handler.options.timeout:g} s", where="timeout")
    if raised is None:
        return _done(value, handler)
    # A handler can cancel its own task as well.
    if isinstance(raised, asyncio.CancelledError) and handing_over():
        return AttemptOutcome("released")
    return AttemptOutcome("failed", error=describe(raised), where=locate(raised))


def _read(claim: Claim, handler: Handler) -> dict[str, Any] | AttemptOutcome:
    """Return the handler's arguments, or how the attempt ended because there are none."""
    body = None if claim.envelope is None else unpack(claim.envelope)
    if body is None:
        state = "is gone" if claim.envelope is None else "was written by a later version of upnext"
        return AttemptOutcome("payload", error=f"its payload {state}", where=f"payload {state}")
    try:
        arguments = handler.signature.decode(body)
        arguments.update(_contexts(claim, handler))
    except PayloadError as error:
        return AttemptOutcome("payload", error=str(error), where=str(error))
    except BaseException as error:  # noqa: BLE001  # a model's validators are user code too
        return AttemptOutcome("failed", error=describe(error), where=locate(error))
    return arguments


def _contexts(claim: Claim, handler: Handler) -> dict[str, Context]:
    """Set the job's context, and return what the handler's parameters get of it; most jobs never ask for it."""
    describe_job = functools.partial(_context, claim, handler, time.time())
    if not handler.signature.context_parameters:
        current_job.set(describe_job)
        return {}
    context = describe_job()
    current_job.set(lambda: context)
    return handler.signature.inject(context)


# What user code raises travels as a value from here on: raised, StopIteration and its like would change their type.
_End: TypeAlias = "tuple[Any, BaseException | None, bool]"


async def _awaited(call: Callable[[], Any], deadlines: Deadlines) -> _End:
    limit = deadlines.limit()
    try:
        with limit:
            value: Any = call()
            return await value if _is_awaitable(value) else value, None, False
    except BaseException as error:  # noqa: BLE001  # user code may raise anything; all of it is that job's failure
        return None, error, isinstance(error, TimeoutError) and limit.expired


def _is_awaitable(value: object) -> bool:
    # Most are coroutines, and that is cheaply told.
    return type(value) is CoroutineType or inspect.isawaitable(value)


async def _run_in_thread(
    handler: Handler, function: Callable[[], Any], threads: Executor, deadlines: Deadlines, hold: LeaseGuard
) -> _End | None:
    """Run a function that is not async; None if the lease was in doubt when its thread began, so that nothing ran."""
    # A thread cannot be stopped: after the timeout the attempt counts as failed, and its slot stays taken until the
    # function returns, so that a worker never runs more of them than it says.
    call = functools.partial(contextvars.copy_context().run, function)
    future = asyncio.get_running_loop().run_in_executor(threads, _carry, call, hold)
    try:
        done, _ = await asyncio.wait([future], timeout=handler.options.timeout)
        if not done:
            log.warning("Handler %r is past its timeout in a thread that cannot be stopped", handler.name)
            await asyncio.wait([future])
            return None, None, True
    except asyncio.CancelledError as error:
        return None, error, False
    carried = future.result()
    if carried is None:
        return None
    value, raised = carried
    if inspect.isawaitable(value):
        return await _awaited(lambda: value, deadlines)
    return value, raised, False


def _carry(call: functools.partial[Any], hold: LeaseGuard) -> tuple[Any, BaseException | None] | None:
    if not hold.is_valid():  # between the event loop and this thread the process may have been frozen
        return None
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001  # as above
        return None, error


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


def _done(value: object, handler: Handler) -> AttemptOutcome:
    result = stored_result(handler.signature.result, handler.name, value, keep_unset=handler.is_task)
    return _DONE if result is None else AttemptOutcome("done", result=result)


def describe(error: BaseException) -> str:
    """Return an exception's type and message, cut to a length that can be stored."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001  # an exception whose own message raises
        message = "(its message cannot be read)"
    return f"{type(error).__name__}: {message}"[:_MESSAGE_LIMIT] if message else type(error).__name__


def locate(error: BaseException) -> str:
    """Return an exception's type and the last place in a file that is not ours or the import system's, for logs."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_NOT_USERS)]
    place = f" at {os.path.relpath(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
