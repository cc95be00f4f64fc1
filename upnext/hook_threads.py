"""Runs a synchronous hook in a thread that nothing has to wait for."""

from __future__ import annotations

import asyncio
import functools
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from upnext.thread_context import ThreadContext

MOST_OVERDUE: Final = 20
"""Threads that hang in one method of one hook; it is then left out until one of them returns."""


class HangingError(Exception):
    """Raised when so many calls hang that no more are started."""


class Overdue:
    """Counts the threads that hang in each method of a hook."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def count(self, moment: str) -> int:
        """Return how many hang."""
        return self._counts.get(moment, 0)

    def add(self, moment: str, number: int) -> None:
        """Count one more, or one less."""
        with self._lock:
            self._counts[moment] = self._counts.get(moment, 0) + number


class _Call:
    """A call in a thread whose caller waits until it returns or takes too long.

    Args:
        call: What is called.
        context: Where it is.
        too_late: Called there with its return value if the wait for it has ended.
    """

    def __init__(
        self, call: Callable[[], Any], context: ThreadContext, too_late: Callable[[Any], object] | None
    ) -> None:
        self._call = context.bind(call)
        self._context = context
        self._too_late = too_late
        self._loop = asyncio.get_running_loop()
        # An exception is passed as a value: a future accepts no StopIteration, and a GeneratorExit from one would
        # close every coroutine that waits for it.
        self.future: asyncio.Future[tuple[Any, BaseException | None]] = self._loop.create_future()
        self._lock = threading.Lock()
        self._returned: list[Any] = []
        self._given_up = False

    def run(self) -> bool:
        """Make the call in the thread; return whether it was still waited for."""
        value, error = None, None
        try:
            value = self._call()
        except BaseException as raised:  # noqa: BLE001  # as above
            error = raised
        with self._lock:
            if not self._given_up:
                self._returned.append(value)
        if self._given_up:
            self._undo(value)
            return False
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            self._loop.call_soon_threadsafe(self._settle, value, error)
        return True

    def give_up(self) -> bool:
        """Stop waiting; return whether the call is still running."""
        with self._lock:
            self._given_up = not self._returned
        if not self._given_up:  # it returned at the same moment
            threading.Thread(target=self._undo, args=self._returned, name="upnext-hook", daemon=True).start()
        return self._given_up

    def _undo(self, value: Any) -> None:
        if self._too_late is not None:
            with suppress(BaseException):  # no caller is left to report it to; the timeout was logged
                self._context.run(functools.partial(self._too_late, value))

    def _settle(self, value: object, error: BaseException | None) -> None:
        if not self.future.done():
            self.future.set_result((value, error))


async def in_thread(
    overdue: Overdue,
    moment: str,
    call: Callable[[], Any],
    context: ThreadContext,
    too_late: Callable[[Any], object] | None = None,
) -> tuple[Any, BaseException | None]:
    """Run a call in a thread; return its result and its exception.

    Args:
        overdue: Counts those that were cancelled and have not returned.
        moment: The method, by which they are counted.
        call: What is called.
        context: Where it is: the context variables that it sets are in there.
        too_late: Called there with its return value if the wait for it has ended.

    Raises:
        HangingError: If too many have not returned.
    """
    if overdue.count(moment) >= MOST_OVERDUE:
        raise HangingError
    running = _Call(call, context, too_late)

    def work() -> None:
        if not running.run():
            overdue.add(moment, -1)

    threading.Thread(target=work, name="upnext-hook", daemon=True).start()
    try:
        return await running.future
    except asyncio.CancelledError:
        if running.give_up():
            overdue.add(moment, 1)
        raise
