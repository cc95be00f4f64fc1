"""Chooses the queues to poll next: those that had more jobs, and a share of all the others in turn."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_STRETCH = 64


class QueueRotation:
    """Rotates through a worker's queues so that none is forgotten and one look stays cheap, however many there are.

    Args:
        handlers: Identities of the worker's handlers and tasks.
    """

    def __init__(self, handlers: Sequence[str]) -> None:
        self._turn = deque(handlers)
        self._full: list[str] = []
        self._quiet = 0

    def next(self) -> list[str]:
        """Return the queues to look at next."""
        # Enough is known to fill the slots: a shorter check of the others will do.
        length = _STRETCH // 4 if len(self._full) == _STRETCH // 2 else _STRETCH
        stretch = [self._turn[n] for n in range(min(len(self._turn), length))]
        self._turn.rotate(-max(1, len(stretch) if len(self._turn) > length else 1))
        return list(dict.fromkeys([*self._full, *stretch]))

    def note(self, handlers: Sequence[str], left: Sequence[int], served: Collection[str]) -> None:
        """Record what is left in the queues that were looked at, and which of them gave jobs."""
        full = [handler for handler, n in zip(handlers, left, strict=True) if n]
        # Those that were left out come first the next time.
        self._full = sorted(full, key=served.__contains__)[: _STRETCH // 2]
        self._quiet = 0 if self._full else self._quiet + len(handlers)

    @property
    def quiet(self) -> bool:
        """Whether a whole round has found nothing more: time to wait for a wake-up."""
        return self._quiet >= len(self._turn)

    def woken(self) -> None:
        """Begin a new round."""
        self._quiet = 0
