"""SIGTERM and SIGINT: the first begins to stop, the second ends the process, also while the event loop is blocked."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def listening(
    stop: Callable[[], None], patience: Callable[[], float], give_up: Callable[[int], None]
) -> Generator[list[int]]:
    """Listen to signals; in another thread than the main one, where nobody can, do nothing.

    Args:
        stop: Called in the event loop at the first signal.
        patience: Gives the seconds for which code may block the event loop after that.
        give_up: Called with the signal's number in a thread of its own when it has.

    Yields:
        The number of the signal that came, once one has.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    loop, first, over = asyncio.get_running_loop(), threading.Event(), threading.Event()

    def receive(number: int, _: FrameType | None) -> None:
        # Python calls this between any two steps of the main thread, and the loop its own callback when it comes to it.
        if received:
            os._exit(128 + number)  # the leases see to what it was doing
        received.append(number)
        first.set()

    def watch() -> None:
        first.wait()
        while not over.is_set():
            alive = threading.Event()
            with suppress(RuntimeError):  # the loop was closed this very moment
                loop.call_soon_threadsafe(alive.set)
            if not alive.wait(patience()) and not over.is_set():
                give_up(received[0])
            over.wait(1.0)

    threading.Thread(target=watch, name="upnext-signals", daemon=True).start()
    for number in _NUMBERS:
        loop.add_signal_handler(number, stop)
        signal.signal(number, receive)
    try:
        yield received
    finally:
        for number in _NUMBERS:
            loop.remove_signal_handler(number)
        over.set()
        first.set()
