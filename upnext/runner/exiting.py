"""Ends a worker process within a limited time, whatever is still running in it.

At exit, Python waits for every non-daemon thread, for the work of every executor, and for child processes of
`multiprocessing`; none of them respects the grace period of the jobs.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

from upnext.log import log
from upnext.runner.task_places import place_of

if TYPE_CHECKING:
    from collections.abc import Callable

STRAY = (Exception, SystemExit, KeyboardInterrupt)
"""What may come up anywhere in the main thread, also in the midst of the runtime's own code: signal handlers of the
application raise what they like."""

_THREADS = 0.5
"""Seconds that threads get at least, once all else has stopped."""

_EXIT_FUNCTIONS = 2.0
"""Seconds for what the program wants done at its exit, `atexit` above all."""

_FAREWELL = 1.0
"""Seconds for the last lines of the log."""

_SHOWN = 10


def leave(why: str, code: int) -> NoReturn:
    """End the process now, whatever is still running in it."""
    # Code that does not end may hold a lock of logging, or the other end of a full pipe.
    farewell = threading.Thread(target=_take_leave, args=(why,), name="upnext-leave", daemon=True)
    with contextlib.suppress(RuntimeError):  # no thread can be started any more
        farewell.start()
        farewell.join(_FAREWELL)
    os._exit(code)


def _take_leave(why: str) -> None:
    log.warning("%s; the process ends without it%s", why, _what_runs())
    _end_children()
    with contextlib.suppress(BaseException):  # handlers of the application
        logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


class BoundedExit:
    """Limits the time between the end of the main thread and the end of the process.

    Args:
        left: Gives the seconds that threads still have.
        code: The exit code if they do not end in time.
    """

    def __init__(self, left: Callable[[], float], code: int) -> None:
        self.code = code
        self._left = left
        self._exiting = threading.Event()
        # A thread cannot be started any more when the interpreter is ending.
        threading.Thread(target=self._watch, name="upnext-exit", daemon=True).start()
        # The standard library waits for its executors there, before atexit.
        register: Callable[[Callable[[], None]], object] = getattr(threading, "_register_atexit", atexit.register)
        register(self._exiting.set)

    def _watch(self) -> None:
        self._exiting.wait()
        end = monotonic() + max(self._left(), _THREADS)
        while _waited_for():
            if monotonic() > end:
                leave("Something that a handler started does not end", self.code)
            threading.Event().wait(0.02)
        threading.Event().wait(max(end - monotonic(), 0.0) + _EXIT_FUNCTIONS)
        leave("A function that was to run at the exit does not end", self.code)


def _waited_for() -> list[threading.Thread]:
    """Return the threads that the interpreter waits for when it exits."""
    main = threading.main_thread()
    return [thread for thread in threading.enumerate() if not thread.daemon and thread is not main]


def _what_runs() -> str:
    """Return the names of running threads and tasks, for a log line."""
    names = [f"thread {thread.name!r}{_place(thread)}" for thread in _waited_for()]
    children = [f"process {child.name!r} ({child.pid})" for child in _children()]
    shown = [*names, *children]
    if not shown:
        return ""
    more = len(shown) - _SHOWN
    return f": {', '.join(shown[:_SHOWN])}{f' and {more} more' if more > 0 else ''}"


def _place(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # there is no other way
    return f" at {frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


def overdue(code: int) -> NoReturn:
    """End a process that has not stopped in time, because something blocks the event loop or the interpreter."""
    leave(f"It has not stopped in time (the main thread is{_place(threading.main_thread()) or ' busy'})", code)


def describe_tasks(tasks: list[asyncio.Task[object]]) -> str:
    """Return the names and places of tasks, for a log line."""
    shown = [
        f"task {task.get_name()!r}{f' at {place}' if (place := place_of(task)) else ''}" for task in tasks[:_SHOWN]
    ]
    more = len(tasks) - _SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _children() -> list[multiprocessing.process.BaseProcess]:
    module = sys.modules.get("multiprocessing")
    return [] if module is None else list(module.active_children())


def _end_children() -> None:
    """End the children of `multiprocessing`, which Python would otherwise wait for."""
    with contextlib.suppress(Exception):
        for child in _children():
            child.terminate()


if TYPE_CHECKING:
    import multiprocessing.process
