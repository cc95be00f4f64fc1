"""The single thread in which all synchronous code of an attempt runs."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import Executor, Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")

BEGIN_WITHIN = 1.0
"""Seconds that a thread has to begin a call; there is one for each slot."""


class JobThread(Executor):
    """A thread of a pool, for the providers of one attempt and its handler.

    What libraries keep for each thread is then the same for all of them: the transaction that a provider begins is that
    of the handler, and a connection that refuses other threads can be closed.

    Args:
        pool: Lends the thread, from the first call until `shutdown`.
    """

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._line = _Line()
        self._loan: Future[None] | None = None

    def __del__(self) -> None:
        """Give the thread back if an attempt is never closed because its event loop has ended."""
        self.shutdown()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call in the thread, after the previous ones."""
        future: Future[T] = Future()
        self._line.calls.put(functools.partial(_run, future, functools.partial(fn, *args, **kwargs)))
        # The thread that was to be lent may have died before it could be, or while it was.
        if self._loan is None or self._loan.cancel() or self._loan.done():
            self._loan = self._pool.submit(self._line.serve)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Give the thread back once the call that it runs has ended, without waiting for that."""
        if self._loan is not None:
            loan, self._loan = self._loan, None
            self._line.end()
            loan.cancel()
            self._line = _Line()


class _Line:
    """The calls that wait for a thread."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._ended = threading.Event()

    def end(self) -> None:
        self._ended.set()
        self.calls.put(_wake_up)

    def serve(self) -> None:
        while not self._ended.is_set():
            with suppress(BaseException):  # thrown by another thread, for a call that has ended
                self.calls.get()()


def _wake_up() -> None: ...


def _run(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        value = call()
    except BaseException as error:  # noqa: BLE001  # it is raised where the call is awaited
        future.set_exception(error)
    else:
        future.set_result(value)
