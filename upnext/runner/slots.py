"""How many jobs run at the same time in one process, shared by the partitions that it works on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class Slots:
    """Slots for jobs, handed out in turn to whoever has work for them.

    Who asks in vain is called as soon as it is its turn. Nobody holds any for work that it may have later.

    Args:
        total: How many there are.

    Attributes:
        total: How many there are.
        sharers: How many partitions share them.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.sharers = 0
        self._free = total
        self._waiting: deque[asyncio.Event] = deque()

    def take(self, asker: asyncio.Event, most: int) -> int:
        """Take up to so many slots.

        Args:
            asker: Who asks; it is set when it should ask again.
            most: As many as there is use for.

        Returns:
            How many it may use now, and has to `give` back; 0 if it has to wait.
        """
        waiting = self._waiting
        if self._free <= 0 or (waiting and waiting[0] is not asker):
            if asker not in waiting:
                waiting.append(asker)
            return 0
        if waiting:
            waiting.popleft()
        # A server that does not answer keeps what is asked of it for a while: never more than a fair share.
        granted = min(most, max(1, self._free // (1 + len(waiting))), max(1, self.total // self.sharers))
        self._free -= granted
        self._call_next()
        return granted

    def give(self, count: int) -> None:
        """Give slots back."""
        self._free += count
        self._call_next()

    def leave(self, asker: asyncio.Event) -> None:
        """Note that somebody waits no more: the next one's turn comes."""
        if asker in self._waiting:
            self._waiting.remove(asker)
            self._call_next()

    def _call_next(self) -> None:
        if self._waiting and self._free > 0:
            self._waiting[0].set()
