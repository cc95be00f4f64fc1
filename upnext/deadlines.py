"""Many time limits of the same length, watched by a single timer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Deadlines:
    """Limits blocks to a number of seconds, each counted from its own start.

    Behaves as `asyncio.timeout` of that length does. As all limits are equally long, they end in the order in which
    they began: one timer, for the first of them, serves them all.

    Args:
        seconds: How long a block may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: dict[Limit, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def limit(self) -> Limit:
        """Return the limit of one block: `with deadlines.limit(): ...` in a task; TimeoutError when it expires."""
        return Limit(self)

    def begin(self, limit: Limit) -> None:
        """Start the clock of a limit."""
        loop = asyncio.get_running_loop()
        ends = self._open[limit] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(ends, self._ring)

    def end(self, limit: Limit) -> None:
        """Stop the clock of a limit. The timer stays: it fires once for however many limits have come and gone."""
        self._open.pop(limit, None)

    def left(self, limit: Limit) -> float:
        """Return the seconds that an open limit still has; below 0 once it has expired."""
        return self._open.get(limit, 0.0) - asyncio.get_running_loop().time()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for limit, ends in list(self._open.items()):
            if ends > now:
                self._timer = loop.call_at(ends, self._ring)
                return
            del self._open[limit]
            limit.expire()


class Limit:
    """The limit of one block of code in one task.

    Attributes:
        expired: Whether its time ran out.
    """

    # On the class until the block begins: there is a limit for each job.
    _task: asyncio.Task[object] | None = None
    _cancelling = 0
    expired = False

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines

    @property
    def left(self) -> float:
        """The seconds that the block has left."""
        return self._deadlines.left(self)

    def expire(self) -> None:
        """Interrupt the block."""
        self.expired = True
        if self._task is not None:
            self._task.cancel()

    def __enter__(self) -> Self:
        """Begin, in a task."""
        task = self._task = asyncio.current_task()
        assert task is not None, "a limit is for code that runs in a task"
        self._cancelling = task.cancelling()
        self._deadlines.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End: a cancellation by the time limit becomes a TimeoutError, any other stays a cancellation."""
        self._deadlines.end(self)
        task, self._task = self._task, None
        is_own = self.expired and task is not None and task.uncancel() <= self._cancelling
        if is_own and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error
