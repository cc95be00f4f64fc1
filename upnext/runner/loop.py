"""The event loop that a process of workers runs in."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import signal
from typing import TYPE_CHECKING, Any, TypeVar

from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run_in_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as `asyncio.run` does, in uvloop's event loop where it is installed.

    A subtask or a callback of a handler that raises `SystemExit` or `KeyboardInterrupt` stops an event loop, with every
    job in it; this one goes on. Whoever awaits the subtask gets the exception.
    """
    factory: Any = None
    if importlib.util.find_spec("uvloop") is not None:
        factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        loop = runner.get_loop()
        task = loop.create_task(coroutine)
        while True:
            try:
                return loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt) as error:
                # Ctrl-C raises only before and after the time in which the coroutine listens to signals itself.
                if task.done() or (
                    isinstance(error, KeyboardInterrupt)
                    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
                ):
                    raise
                log.warning(
                    "Code that a handler started raised %s outside of it; the process goes on", type(error).__name__
                )
