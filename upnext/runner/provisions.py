"""The values provided for one job: each is created once, before the handler, and closed after it."""

from __future__ import annotations

import asyncio
import functools
import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from upnext.context import Context
from upnext.log import traceback_of
from upnext.provide import Kind, overridden, provider_of
from upnext.runner.job_thread import BEGIN_WITHIN
from upnext.thread_context import ThreadContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping
    from concurrent.futures import Executor

    from upnext.provide import Provide

_UNMADE: Any = object()


class Provisions:
    """The provided values of one job.

    Args:
        context: Makes the job's context, for providers that ask for it.
        thread: Where providers that are not async run: one thread, which is the handler's too.

    Attributes:
        thread_context: The context variables of that thread.
    """

    def __init__(self, context: Callable[[], Context], thread: Executor) -> None:
        self.thread_context = ThreadContext()
        self._context = context
        self._thread = thread
        self._values: dict[Callable[..., Any], Any] = {}
        self._closers: list[Callable[..., Awaitable[Any]]] = []

    async def open(self, provided: Mapping[str, Provide]) -> dict[str, Any]:
        """Return a value for each parameter; if one raises, those opened before still have to be closed.

        Raises:
            BaseException: What a provider raises.
        """
        return {name: await self._value(provide.function) for name, provide in provided.items()}

    @property
    def is_open(self) -> bool:
        """Whether something was opened and not closed yet."""
        return bool(self._closers)

    async def close(self, raised: BaseException | None) -> None:
        """Close everything in reverse order, passing on the handler's exception.

        What a provider swallows has been raised all the same.

        Raises:
            BaseException: What a provider raises while it is closed, and was not told of; the others are closed first.
            GeneratorExit: At once: the coroutine may be closed itself, and must not wait for the others (`is_open`).
        """
        current = raised
        while self._closers:
            closer = self._closers.pop()
            error = None if current is None else (type(current), current, traceback_of(current))
            try:
                await closer(*(error or (None, None, None)))
            except GeneratorExit:
                raise
            except BaseException as fault:  # noqa: BLE001  # user code may raise anything; the others are to be closed
                current = fault
        if current is not None and current is not raised:
            raise current

    async def _value(self, function: Callable[..., Any]) -> Any:
        function = overridden(function)
        value = self._values.get(function, _UNMADE)
        if value is _UNMADE:
            value = self._values[function] = await self._make(function)
        return value

    async def _make(self, function: Callable[..., Any]) -> Any:
        provider = provider_of(function)
        arguments = await self.open(provider.parameters)
        for name, kind in provider.contexts.items():
            context = self._context()
            arguments[name] = context if kind is Context else kind(**vars(context))
        call = functools.partial(provider.call, **arguments)
        if provider.kind is Kind.ASYNC_VALUE:
            return await call()
        if provider.kind is Kind.VALUE:
            value = await self._in_thread(call)
            return await value if inspect.isawaitable(value) else value
        if provider.kind is Kind.ASYNC_MANAGER:
            manager = call()
            with _naming(provider.name):
                value = await manager.__aenter__()
            self._closers.append(functools.partial(_exit_async, provider.name, manager))
            return value
        return await self._in_thread(functools.partial(self._enter, provider.name, call))

    def _enter(self, name: str, call: Callable[[], Any]) -> Any:
        manager = call()
        with _naming(name):
            value = manager.__enter__()
        # At once, and in the thread: what was opened is closed, even if the job was stopped meanwhile.
        self._closers.append(functools.partial(self._close_in_thread, name, manager))
        return value

    async def _close_in_thread(self, name: str, manager: Any, *error: Any) -> None:
        await self._in_thread(functools.partial(_exit, name, manager, *error))

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        """Run a call in a thread; since it cannot be interrupted, a job that is stopped meanwhile waits for it."""
        in_context = self.thread_context.bind(call)
        work, stopped = self._thread.submit(_carry, in_context), False
        future = asyncio.wrap_future(work)
        while not future.done():
            try:
                await asyncio.wait([future], timeout=BEGIN_WITHIN)
            except asyncio.CancelledError:
                stopped = True
            if not future.done() and work.cancel():  # no thread has begun it: the one that should run it has died
                if stopped:
                    break
                work = self._thread.submit(_carry, in_context)
                future = asyncio.wrap_future(work)
        if stopped:
            raise asyncio.CancelledError
        value, raised = future.result()
        self.thread_context.carry_back()
        if raised is not None:
            raise raised
        return value


async def _exit_async(name: str, manager: Any, *error: Any) -> None:
    with _naming(name):
        await manager.__aexit__(*error)


def _exit(name: str, manager: Any, *error: Any) -> None:
    with _naming(name):
        manager.__exit__(*error)


@contextmanager
def _naming(name: str) -> Generator[None]:
    """Name the provider when contextlib complains about a generator that did not yield or did not stop."""
    try:
        yield
    except RuntimeError as error:
        trace = traceback_of(error)
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None and trace.tb_frame.f_globals.get("__name__") == "contextlib":
            error.add_note(f"The provider {name!r} has to yield once.")
        raise


def _carry(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    # As a value: a StopIteration cannot be raised through a future.
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001  # user code may raise anything
        return None, error
