"""What this process has sent and the server has not stored yet, bounded in time and size."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from upnext.deadlines import Deadlines, Limit
from upnext.errors import BrokerUnavailableError
from upnext.limits import MAX_BACKLOG

if TYPE_CHECKING:
    from collections.abc import Callable

SEND_DEADLINE = 10.0
"""Seconds of the server's silence after which a send is given up."""


class SendLimit(Limit):
    """The limit of one send.

    Attributes:
        begun: When it began.
        failed: Whether the server or the connection has failed it once: then only what is stored proves anything.
    """

    __slots__ = ("begun", "failed")

    begun: float
    failed: bool


class SendDeadlines(Deadlines):
    """Limits sends by the server's silence, so that none of them runs out of time waiting for others.

    As long as sends are stored, or what was written goes on its way, each one waits for its turn.

    Args:
        seconds: How long a send may wait while nothing happens.
        moved: Tells when something was last seen to leave for the server, by the clock of the event loop.

    Attributes:
        stored: When a send was last stored.
    """

    def __init__(self, seconds: float, moved: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__(seconds)
        self.stored = 0.0
        self._moved = moved

    def limit(self) -> SendLimit:
        """Return the limit of one send: `with deadlines.limit(): ...` in a task; raises TimeoutError at its end."""
        limit = SendLimit(self)
        limit.failed = False
        return limit

    def begin(self, limit: Limit) -> None:
        """Start the clock of a limit."""
        assert isinstance(limit, SendLimit)
        loop = asyncio.get_running_loop()
        self._open[limit] = limit.begun = loop.time()
        if self._timer is None:
            self._timer = loop.call_at(limit.begun + self._seconds, self._ring)

    def left(self, limit: Limit) -> float:
        """Return the seconds that an open limit still has; below 0 once its time is up."""
        return self._ends(limit) - asyncio.get_running_loop().time() if limit in self._open else 0.0

    def _ends(self, limit: Limit) -> float:
        assert isinstance(limit, SendLimit)
        # After a failure, a queue that shrinks again and again proves nothing.
        active = self.stored if limit.failed else max(self.stored, self._moved())
        return max(limit.begun, active) + self._seconds

    def _ring(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now, following = loop.time(), float("inf")
        for limit in list(self._open):
            ends = self._ends(limit)
            if ends > now:
                following = min(following, ends)
            else:
                del self._open[limit]
                limit.expire()
        if self._open:
            self._timer = loop.call_at(following, self._ring)


class Backlog:
    """The payloads of one namespace that wait to be stored; above a size, further sends wait for room.

    Args:
        deadline: Seconds of the server's silence after which a send is given up.
        most: Bytes.
    """

    def __init__(self, deadline: float = SEND_DEADLINE, most: int = MAX_BACKLOG) -> None:
        self.deadline = deadline
        self._most = most
        self._bytes = 0
        self._deadlines = SendDeadlines(deadline)
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether a send has to wait for `room` before its payload is encoded."""
        return self._bytes >= self._most or bool(self._waiters)

    def add(self, size: int) -> None:
        """Count a payload that waits to be stored."""
        self._bytes += size

    def remove(self, size: int, *, stored: bool) -> None:
        """Stop counting it, and let another one in."""
        self._bytes -= size
        if self._waiters:
            if stored:
                self._deadlines.stored = asyncio.get_running_loop().time()
            self._admit()

    async def room(self) -> None:
        """Wait until there is room for one more payload, in the order of the calls.

        Raises:
            BrokerUnavailableError: If nothing is stored for as long as a send may wait.
        """
        limit = self._deadlines.limit()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            with limit:
                await waiter
                # The size of what it encodes is not counted yet: one at a time, until it is.
                asyncio.get_running_loop().call_soon(self._admit)
        except TimeoutError:
            if not limit.expired:
                raise
            raise silence(self.deadline) from None
        finally:
            if not waiter.done() or waiter.cancelled():
                self._waiters = deque(other for other in self._waiters if other is not waiter)

    def _admit(self) -> None:
        while self._waiters and self._bytes < self._most:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


def silence(seconds: float) -> BrokerUnavailableError:
    """Return the error of a send that never left, because the server accepted nothing for so long."""
    return BrokerUnavailableError(f"Nothing was stored, the server has not taken anything for {seconds:g} s.")
