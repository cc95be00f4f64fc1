"""The event loop of a worker process."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import signal
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from upnext.forks import end_child, process
from upnext.log import log
from upnext.runner import own_tasks
from upnext.runner.exiting import describe_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_LEAST = 0.5
"""Seconds that tasks and asynchronous generators which handlers left behind get to end, at least."""

_MOST = 10.0
"""Seconds that they get at most."""

_abandoned: list[object] = []
"""Tasks that will not end: collected as garbage, their code would run once more."""


def in_event_loop() -> bool:
    """Return whether this thread is running an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_in_loop(coroutine: Coroutine[Any, Any, T], left: Callable[[], float]) -> T:
    """Run a coroutine like `asyncio.run`, in uvloop's event loop if it is installed.

    A subtask or a callback of a handler that raises `SystemExit` or `KeyboardInterrupt` stops an event loop, with every
    job in it, as does a handler that calls the loop's `stop`; this one goes on. Code that awaits the subtask gets the
    exception. Code that cancels all tasks cancels none of the runtime's.

    Unlike `asyncio.run`, it does not wait for ever for what the coroutine left behind: tasks that will not be
    cancelled, asynchronous generators, and threads of the default executor.

    Args:
        coroutine: What to run.
        left: Gives the seconds that are left at its end for what else runs in the loop.
    """
    loop: asyncio.AbstractEventLoop
    if importlib.util.find_spec("uvloop") is not None:
        loop = importlib.import_module("uvloop").new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    threads = ThreadPoolExecutor(thread_name_prefix="asyncio")
    loop.set_default_executor(threads)
    own_tasks.install(loop)
    generation = process.generation
    main = loop.create_task(coroutine)
    try:
        return _drive(loop, loop.create_task(own_tasks.outlive(main)))
    finally:
        own_tasks.show(main)
        if process.generation != generation:
            end_child(None)  # a child that a handler forked has left its code
        _close(loop, min(max(left(), _LEAST), _MOST))
        threads.shutdown(wait=False, cancel_futures=True)


def _drive(loop: asyncio.AbstractEventLoop, task: asyncio.Future[T]) -> T:
    while True:
        rounds: list[None] = []
        loop.call_soon(rounds.append, None)
        try:
            return loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as error:
            # Ctrl-C raises only before and after the time in which signals are listened to.
            if task.done() or (
                isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler
            ):
                raise
            log.warning(
                "Code that a handler started raised %s outside of it; the process goes on", type(error).__name__
            )
        except RuntimeError:
            if task.done() or not rounds:  # it cannot run at all
                raise
            log.warning("Code that a handler started stopped the event loop; the process goes on")


def _close(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    deadline = monotonic() + seconds
    try:
        left = list(asyncio.all_tasks(loop))
        for task in left:
            task.cancel()
        _drive(loop, loop.create_task(_end(left, deadline)))
        closing = loop.create_task(loop.shutdown_asyncgens())
        _drive(loop, loop.create_task(_end([closing], max(deadline, monotonic() + _LEAST))))
    finally:
        _abandon([task for task in asyncio.all_tasks(loop) if not task.done()])
        loop.close()


async def _end(tasks: list[asyncio.Task[Any]], deadline: float) -> None:
    if not tasks:
        return
    done, _ = await asyncio.wait(tasks, timeout=max(deadline - monotonic(), 0.0))
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "A task that a handler left behind failed at the end", "exception": error}
            asyncio.get_running_loop().call_exception_handler({**context, "task": task})


def _abandon(tasks: list[asyncio.Task[Any]]) -> None:
    if not tasks:
        return
    log.warning("What handlers started will not be cancelled; the process ends without it: %s", describe_tasks(tasks))
    for task in tasks:
        setattr(task, "_log_destroy_pending", False)  # noqa: B010  # it has been reported; asyncio has no other way
        _abandoned.append((task, task.get_coro()))
