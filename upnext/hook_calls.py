"""Calling hooks: in the event loop or in a thread, for so long and no longer, and whatever they raise."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any

from upnext.connect import connected
from upnext.elapsed import elapsed
from upnext.hooks import MAX_HEADERS, HookedSend, Hooks
from upnext.log import log, traceback_of
from upnext.settings import without_password

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from upnext.settings import Settings
    from upnext.transport import OutgoingMessage

_WARN_EVERY = 60.0  # seconds, for one hook and one way to fail
_MOST_OVERDUE = 20  # threads that hang in one method of one hook; it is then left out until one of them returns
_UNSET: Any = object()

_in_send_hook: contextvars.ContextVar[bool] = contextvars.ContextVar("upnext_in_send_hook", default=False)


class HookFailedError(Exception):
    """Raised when a hook raised, or took too long; it is logged."""


class _Calls:
    """What is known of earlier calls: how many threads hang, and what was logged lately."""

    def __init__(self) -> None:
        self.overdue: dict[tuple[int, str], int] = {}
        self.warned: dict[tuple[int, str, str], float] = {}
        self.lock = threading.Lock()


_calls = _Calls()


async def call_hook(hooks: Hooks, moment: str, *arguments: object) -> None:
    """Call a method of hooks that is around nothing; what goes wrong in it is logged."""
    try:
        await _call(hooks, moment, functools.partial(getattr(hooks, moment), *arguments))
    except HookFailedError:
        return


class EnteredHooks:
    """Hooks around one send or job, from when they are entered until they are left.

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
        self._entered: list[tuple[Hooks, Any]] = []
        self.canceller: tuple[str, BaseException | None] | None = None

    async def enter(self, subject: object) -> None:
        """Enter each; one that fails is left out.

        Raises:
            asyncio.CancelledError: If the task was cancelled meanwhile; `leave` is to be called all the same.
        """
        for one in self._hooks:
            try:
                await self._enter(one, subject)
            except HookFailedError:
                continue

    async def leave(self, raised: BaseException | None) -> None:
        """Leave each that was entered, the last one first, whatever goes wrong in them.

        Args:
            raised: What they are told of.

        Raises:
            asyncio.CancelledError: If the task was cancelled meanwhile; all of them were left.
        """
        cancelled = False
        told = (None, None, None) if raised is None else (type(raised), raised, traceback_of(raised))
        while self._entered:
            one, manager = self._entered.pop()
            leave: Any = manager.__exit__ if _is_entered_at_once(manager) else manager.__aexit__
            requests, fault = _cancel_requests(), None
            try:
                await _call(one, self._moment, functools.partial(leave, *told), raised)
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
        manager: Any = await _call(hooks, self._moment, enter_async if is_async else enter)
        if manager is None:
            return
        if not is_async and not _is_entered_at_once(manager):
            manager = await _call(hooks, self._moment, functools.partial(enter_async, manager))
        self._entered.append((hooks, manager))


def _cancel_requests() -> int:
    """Return how often the task has been cancelled, without those that have been taken back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _is_entered_at_once(manager: object) -> bool:
    """Whether it is a context manager that is not async."""
    return isinstance(manager, AbstractContextManager)


async def around_send(
    hooks: Sequence[Hooks], worker: str, message: OutgoingMessage, send: Callable[[], Awaitable[Any]]
) -> Any:
    """Send a message within its hooks; what a hook sends itself has none."""
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
        _in_send_hook.set(True)
        try:
            await entered.enter(seen)
        finally:
            _in_send_hook.set(False)
        message.headers = _checked(seen.headers)
        published = await send()
        seen.event_id, seen.jobs = published.event_id, len(published.handlers)
    except BaseException as error:
        raised = error
        raise
    else:
        return published
    finally:
        _in_send_hook.set(True)
        await entered.leave(raised)
        _in_send_hook.set(False)


def _server(settings: Settings) -> str:
    namespace = connected(settings)
    return without_password((settings.redis_url or "") if namespace is None else namespace.url)


def _checked(headers: dict[str, str]) -> dict[str, str] | None:
    """Return headers that can travel; None for none."""
    if not headers:
        return None
    if not all(type(text) is str for pair in headers.items() for text in pair):
        log.warning("The headers that hooks gave a send are left out: names and values must be text")
    elif sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADERS:
        log.warning("The headers that hooks gave a send are left out: they have more than %d characters", MAX_HEADERS)
    else:
        return headers
    return None


async def _call(hooks: Hooks, moment: str, call: Callable[[], Any], own: BaseException | None = None) -> Any:
    """Call something of hooks, in a thread unless it is async.

    Args:
        hooks: The hooks.
        moment: The method, for the log.
        call: What is called.
        own: What the hooks were told of; that they raise it again is no fault of theirs.

    Raises:
        HookFailedError: If it raised something else, or took too long; it is logged.
        asyncio.CancelledError: If the task was cancelled.
    """
    requests = _cancel_requests()
    try:
        async with asyncio.timeout(hooks.timeout):
            value = call() if _is_async(call) else await _in_thread((id(hooks), moment), call)
            return await value if inspect.isawaitable(value) else value
    except BaseException as error:  # whatever it is: a hook must not decide what becomes of a job
        if isinstance(error, asyncio.CancelledError) and _cancel_requests() > requests:
            raise
        if error is own:
            return None
        if isinstance(error, _HangingError):
            _report(hooks, moment, f"{_MOST_OVERDUE} calls of it have not returned; it is left out until one does")
        elif isinstance(error, TimeoutError):
            _report(hooks, moment, f"it took longer than {hooks.timeout:g} s, or raised a TimeoutError", error)
        else:
            _report(hooks, moment, f"it raised {type(error).__name__}", error)
        raise HookFailedError from error


def _is_async(call: Any) -> bool:
    function = inspect.unwrap(call.func if isinstance(call, functools.partial) else call)
    return inspect.iscoroutinefunction(function)


class _HangingError(Exception):
    """Raised when so many calls hang that no more are begun."""


async def _in_thread(key: tuple[int, str], call: Callable[[], Any]) -> Any:
    """Run a call in a thread that nobody has to wait for, and take over the context variables that it sets."""
    if _calls.overdue.get(key, 0) >= _MOST_OVERDUE:
        raise _HangingError
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    # What was raised travels as a value: a future takes no StopIteration, and a GeneratorExit out of one would close
    # every coroutine that waits for it.
    future: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    ended = threading.Event()  # by its return, or because it took too long

    def work() -> None:
        value, error = None, None
        try:
            value = context.run(call)
        except BaseException as raised:  # noqa: BLE001  # as above
            error = raised
        with _calls.lock:
            if ended.is_set():
                _calls.overdue[key] -= 1
                return
            ended.set()
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(_settle, future, value, error)

    threading.Thread(target=work, name="upnext-hook", daemon=True).start()
    try:
        value, raised = await future
    except asyncio.CancelledError:
        with _calls.lock:
            if not ended.is_set():
                ended.set()
                _calls.overdue[key] = _calls.overdue.get(key, 0) + 1
        raise
    if raised is not None:
        raise raised
    for variable in context:
        if variable.get(_UNSET) is not context[variable]:
            variable.set(context[variable])
    return value


def _settle(
    future: asyncio.Future[tuple[Any, BaseException | None]], value: object, error: BaseException | None
) -> None:
    if not future.done():
        future.set_result((value, error))


def _report(hooks: Hooks, moment: str, what: str, error: BaseException | None = None) -> None:
    """Log what is wrong with a hook, now and then: it may be called for every job."""
    key, now = (id(hooks), moment, what), elapsed()
    if now - _calls.warned.get(key, float("-inf")) >= _WARN_EVERY:
        _calls.warned[key] = now
        log.exception("Hook %s.%s was left out: %s", type(hooks).__name__, moment, what) if error else log.error(
            "Hook %s.%s was left out: %s", type(hooks).__name__, moment, what
        )
