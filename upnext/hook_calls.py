"""Calls hooks in the event loop or in a thread, within a time limit, whatever they raise."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import weakref
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from upnext.connect import connected
from upnext.elapsed import elapsed
from upnext.hook_threads import MOST_OVERDUE, HangingError, Overdue, in_thread
from upnext.hooks import MAX_HEADERS, HookedSend, Hooks
from upnext.log import log, traceback_of
from upnext.settings import without_password
from upnext.thread_context import ThreadContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

    from upnext.settings import Settings
    from upnext.transport import OutgoingMessage

_WARN_EVERY = 60.0  # seconds, per hook and kind of failure

_in_send_hook: contextvars.ContextVar[bool] = contextvars.ContextVar("upnext_in_send_hook", default=False)


class HookFailedError(Exception):
    """Raised when a hook raised, or took too long; it is logged."""


class _Calls:
    """The state of earlier calls of some hooks: how many threads hang in a method, and what was logged recently."""

    def __init__(self) -> None:
        self.overdue = Overdue()
        self.warned: dict[tuple[str, str], float] = {}


_calls: dict[int, _Calls] = {}


def _calls_of(hooks: Hooks) -> _Calls:
    # By identity, not equality, as they may not even be hashable; removed with them, before another
    # object can have their id.
    found = _calls.get(id(hooks))
    if found is None:
        found = _calls.setdefault(id(hooks), _Calls())
        weakref.finalize(hooks, _calls.pop, id(hooks), None).atexit = False
    return found


async def call_hook(hooks: Hooks, moment: str, *arguments: object) -> None:
    """Call a hook that surrounds nothing; errors in it are logged."""
    try:
        await _call(hooks, moment, functools.partial(getattr(hooks, moment), *arguments), ThreadContext())
    except HookFailedError:
        return


class EnteredHooks:
    """The hooks around one send or job, from entering to leaving them.

    Args:
        hooks: Those that take part.
        moment: The method that they are asked by.

    Attributes:
        canceller: The first hook that took back, as it was left, that it had cancelled the task (a task group or a time
            limit does so): its name and method, and what it raised.
    """

    def __init__(self, hooks: Sequence[Hooks], moment: str) -> None:
        self._hooks = hooks
        self._moment = moment
        self._entered: list[tuple[Hooks, Any, ThreadContext]] = []
        self.canceller: tuple[str, BaseException | None] | None = None

    async def enter(self, subject: object) -> None:
        """Enter each hook; one that fails is left out.

        Raises:
            asyncio.CancelledError: If the task was cancelled meanwhile; `leave` is to be called all the same.
        """
        for one in self._hooks:
            try:
                await self._enter(one, subject)
            except HookFailedError:
                continue

    async def leave(self, raised: BaseException | None) -> None:
        """Leave each entered hook in reverse order, whatever goes wrong in them.

        Args:
            raised: What they are told of.

        Raises:
            asyncio.CancelledError: If the task was cancelled meanwhile; all of them were left.
        """
        cancelled = False
        exc_info = (None, None, None) if raised is None else (type(raised), raised, traceback_of(raised))
        while self._entered:
            one, manager, context = self._entered.pop()
            leave: Any = manager.__exit__ if _is_entered_at_once(manager) else manager.__aexit__
            requests, fault = _cancel_requests(), None
            try:
                await _call(one, self._moment, functools.partial(leave, *exc_info), context, own=raised, leaving=True)
            except HookFailedError as error:
                fault = error.__cause__
            except asyncio.CancelledError:
                cancelled = True
            if self.canceller is None and _cancel_requests() < requests:
                self.canceller = f"{type(one).__name__}.{self._moment}", fault
        if cancelled:
            raise asyncio.CancelledError

    async def _enter(self, hooks: Hooks, subject: object) -> None:
        method: Callable[[Any], Any] = getattr(hooks, self._moment)

        async def enter_async(manager: Any = None) -> Any:
            manager = method(subject) if manager is None else manager
            if not hasattr(manager, "__aenter__"):
                raise TypeError(f"it returned a {type(manager).__name__}, and no context manager")
            await manager.__aenter__()
            return manager

        def enter() -> Any:
            manager = method(subject)
            if _is_entered_at_once(manager):
                manager.__enter__()
            return manager

        is_async = inspect.isasyncgenfunction(inspect.unwrap(method))
        context = ThreadContext()
        call = enter_async if is_async else enter
        manager: Any = await _call(hooks, self._moment, call, context, too_late=_leave_late)
        if manager is None:
            return
        if not is_async and not _is_entered_at_once(manager):
            manager = await _call(hooks, self._moment, functools.partial(enter_async, manager), context)
        self._entered.append((hooks, manager, context))


def _leave_late(manager: Any) -> None:
    """Leave a hook that was entered too late, because what it opened would otherwise stay open."""
    if _is_entered_at_once(manager):
        error = TimeoutError("it was entered too late, and is left out")
        manager.__exit__(TimeoutError, error, None)


def _cancel_requests() -> int:
    """Return how often the task has been cancelled, without cancellations that were taken back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _is_entered_at_once(manager: object) -> bool:
    """Whether it is a synchronous context manager."""
    return isinstance(manager, AbstractContextManager)


async def around_send(
    hooks: Sequence[Hooks], worker: str, message: OutgoingMessage, send: Callable[[], Awaitable[Any]]
) -> Any:
    """Send a message inside its hooks; sends made by a hook have none."""
    if _in_send_hook.get():
        return await send()
    seen = HookedSend(
        worker,
        message.name,
        message.is_task,
        len(message.body),
        message.delay,
        message.key,
        server=_server(message.settings),
    )
    entered, raised = EnteredHooks(hooks, "around_send"), None
    try:
        with _in_hooks():
            await entered.enter(seen)
        message.headers = _checked(seen.headers)
        published = await send()
        seen.event_id, seen.jobs = published.event_id, len(published.handlers)
    except BaseException as error:
        raised = error
        raise
    else:
        return published
    finally:
        with _in_hooks():
            await entered.leave(raised)


@contextmanager
def _in_hooks() -> Generator[None]:
    """Let sends made by hooks bypass hooks, but no later send of the task, whatever they raise."""
    token = _in_send_hook.set(True)
    try:
        yield
    finally:
        _in_send_hook.reset(token)


def _server(settings: Settings) -> str:
    namespace = connected(settings)
    return without_password((settings.redis_url or "") if namespace is None else namespace.url)


def _checked(headers: dict[str, str]) -> dict[str, str] | None:
    """Return headers that can travel, None if there are none."""
    if not headers:
        return None
    if not all(type(text) is str for pair in headers.items() for text in pair):
        log.warning("The headers that hooks gave a send are left out: names and values must be text")
    elif sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADERS:
        log.warning("The headers that hooks gave a send are left out: they have more than %d characters", MAX_HEADERS)
    else:
        return headers
    return None


async def _call(
    hooks: Hooks,
    moment: str,
    call: Callable[[], Any],
    context: ThreadContext,
    *,
    own: BaseException | None = None,
    leaving: bool = False,
    too_late: Callable[[Any], object] | None = None,
) -> Any:
    """Call a hook, in a thread unless it is async.

    Args:
        hooks: The hooks.
        moment: The method, for the log.
        call: What is called.
        context: Where it is, in a thread: that in which the hooks were entered.
        own: What the hooks were told of; that they raise it again is not a fault of theirs.
        leaving: Whether they took part, and are left now.
        too_late: Called in the thread with its return value if the wait for it has ended.

    Raises:
        HookFailedError: If it raised something else, or took too long; it is logged.
        asyncio.CancelledError: If the task was cancelled.
    """
    requests = _cancel_requests()
    report = functools.partial(_report, hooks, moment, "failed as it was left" if leaving else "was left out")
    try:
        async with asyncio.timeout(hooks.timeout):
            if _is_async(call):
                return await call()
            value, raised = await in_thread(_calls_of(hooks).overdue, moment, call, context, too_late)
            if raised is None or leaving:
                context.carry_back()
            return await _result(value, raised)
    except BaseException as error:  # any exception: a hook must not decide what becomes of a job
        if isinstance(error, asyncio.CancelledError) and _cancel_requests() > requests:
            raise
        if error is own:
            return None
        if isinstance(error, HangingError):
            report(f"{MOST_OVERDUE} calls of it have not returned; it is left out until one does")
        elif isinstance(error, TimeoutError):
            report(f"it took longer than {hooks.timeout:g} s, or raised a TimeoutError", error)
        else:
            report(f"it raised {type(error).__name__}", error)
        raise HookFailedError from error


async def _result(value: Any, raised: BaseException | None) -> Any:
    if raised is not None:
        raise raised
    return await value if inspect.isawaitable(value) else value


def _is_async(call: Any) -> bool:
    function = inspect.unwrap(call.func if isinstance(call, functools.partial) else call)
    return inspect.iscoroutinefunction(function)


def _report(hooks: Hooks, moment: str, became: str, what: str, error: BaseException | None = None) -> None:
    """Log a fault of a hook, at intervals: it may be called for every job."""
    warned, key, now = _calls_of(hooks).warned, (moment, what), elapsed()
    if now - warned.get(key, float("-inf")) >= _WARN_EVERY:
        warned[key] = now
        write = log.error if error is None else log.exception
        write("Hook %s.%s %s: %s", type(hooks).__name__, moment, became, what)
