"""SIGTERM and SIGINT: the first begins to stop, the second ends the process, whatever the main thread is doing.

They are handled from before the service is imported until the process ends: as PID 1 of a container, a process without
a handler for SIGTERM does not notice it. Python runs signal handlers in the main thread only, between two of its steps;
a thread reads the wake-up pipe, so that it also knows of a signal while the main thread is inside a long call.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from upnext.forks import disown, own
from upnext.log import log

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator
    from types import FrameType

_NUMBERS = (signal.SIGTERM, signal.SIGINT)
_HANDLER_DELAY = 1.0  # seconds after which a main thread that does not run its handler counts as busy elsewhere
_LOOK = 0.5


class StopSignals:
    """The stop of this process: requested by a signal or by `begin`, and enforced after a limited time.

    Used as a context manager, in the main thread; in another one, where Python takes no signals, only `begin` counts.

    Args:
        overdue: Called with the exit code, in a thread of its own, when the process has not ended in time. It ends it.

    Attributes:
        number: The signal that came first, 0 before there is one.
        limit: Gives the seconds from the beginning of the stop to its end.
    """

    def __init__(self, overdue: Callable[[int], None]) -> None:
        self.number = 0
        self.limit: Callable[[], float] = lambda: 0.0
        self._overdue = overdue
        self._began: float | None = None
        self._stop: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._previous: dict[int, Any] = {}
        self._pipe: tuple[int, int] | None = None
        self._loop_wakeup = -1
        self._handled = 0
        self._is_kept = False
        self._over = threading.Event()
        self._asked: SimpleQueue[None] = SimpleQueue()  # unlike an Event, it can be used in signal handlers

    def __enter__(self) -> Self:
        """Handle signals from now on; until `stopping` is entered, the first one ends the process at once."""
        if threading.current_thread() is threading.main_thread():
            own(self)  # first: another thread may fork at any time
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[1], False)
            self._take()
            threading.Thread(target=self._read, args=self._pipe, name="upnext-signals", daemon=True).start()
            threading.Thread(target=self._watch, name="upnext-stop", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the previous signal handlers; the time limit of a stop continues."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            self._give_back()
            disown(self)
            os.close(pipe[1])  # which ends the reading thread

    @contextlib.contextmanager
    def stopping(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Generator[None]:
        """Within the block, inside the running event loop, let signals call `stop` in that loop."""
        if self._pipe is None:
            yield
            return
        self._loop, self._stop = loop, stop
        self._keep_taken(loop)  # once more: imported code may have installed handlers, and so may the event loop
        try:
            yield
        finally:
            self._loop = None
            if self._loop_wakeup != -1:
                with contextlib.suppress(ValueError, OSError):
                    signal.set_wakeup_fd(self._loop_wakeup, warn_on_full_buffer=False)

    def begin(self) -> None:
        """Record that everything begins to stop; only the first call counts."""
        if self._began is None:
            self._began = monotonic()
            self._asked.put(None)

    def finished(self) -> None:
        """Record that everything has stopped: the limit no longer applies."""
        self._over.set()
        self._asked.put(None)

    def ask(self) -> None:
        """Begin to stop as after a SIGTERM, from any thread, without counting as a signal."""
        self._answer(signal.SIGTERM)

    @property
    def left(self) -> float:
        """The seconds until the stop should have ended; the full time if it has not begun."""
        return self.limit() if self._began is None else self._began + self.limit() - monotonic()

    @property
    def code(self) -> int:
        """The exit code of a process that has stopped in order."""
        return 128 + signal.SIGINT if self.number == signal.SIGINT else 0

    def let_go_in_child(self) -> None:
        """Give signals their default meaning in a forked child, as in any Python program."""
        pipe, self._pipe = self._pipe, None
        self._give_back()
        for end in pipe or ():
            os.close(end)

    def _take(self) -> None:
        assert self._pipe is not None
        for number in _NUMBERS:
            before = signal.getsignal(number)
            if before != self._receive:
                self._previous[number] = before  # first: a child that is forked at this moment gives it back
            signal.signal(number, self._receive)  # in any case: Python does not see what C code has set
        wakeup = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        if wakeup != self._pipe[1]:
            self._loop_wakeup = wakeup

    def _keep_taken(self, loop: asyncio.AbstractEventLoop) -> None:
        """Reinstall the handlers repeatedly within `stopping`, because libraries that jobs load later replace them."""
        if self._loop is not loop or self._pipe is None:
            return
        others = [signal.Signals(number).name for number in _NUMBERS if signal.getsignal(number) != self._receive]
        self._take()
        if others and self._is_kept:
            log.warning("A job set another signal handler for %s, which upnext has taken back", " and ".join(others))
        self._is_kept = True
        loop.call_later(_LOOK, self._keep_taken, loop)

    def _give_back(self) -> None:
        for number, before in self._previous.items():
            signal.signal(number, signal.SIG_DFL if before is None else before)
        signal.set_wakeup_fd(-1)

    def _receive(self, number: int, _: FrameType | None) -> None:
        self._handled += 1
        if self._handled > 1:
            os._exit(128 + number)  # leases take care of its jobs
        self._answer(number)

    def _answer(self, number: int) -> None:
        if self._stop is None:
            os._exit(128 + number if number == signal.SIGINT else 0)  # nothing has begun yet
        self.number = self.number or number
        self.begin()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed this very moment
                self._loop.call_soon_threadsafe(self._stop)

    def _read(self, read_end: int, write_end: int) -> None:
        """Wake the event loop at each signal, and act in place of a main thread that is inside a long call."""
        answered = False
        while numbers := os.read(read_end, 64):
            if self._loop_wakeup not in {-1, write_end}:
                with contextlib.suppress(OSError):
                    os.write(self._loop_wakeup, numbers)  # the event loop has its own handlers for other signals
            mine = [number for number in numbers if number in _NUMBERS]
            # A child forked at this very moment may have written here; then there is no signal to handle.
            if self._main_thread_runs() or not mine or self._handled:
                continue
            if answered:
                os._exit(128 + mine[0])
            answered = True
            self._answer(mine[0])
        os.close(read_end)

    def _main_thread_runs(self) -> bool:
        ran = threading.Event()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(ran.set)
        return ran.wait(_HANDLER_DELAY)

    def _watch(self) -> None:
        self._asked.get()
        while not self._over.is_set():
            if self.left <= 0:
                self._overdue(self.code)
            self._over.wait(min(max(self.left, 0.01), _LOOK))
