"""How many attempts of each handler have ended in one process; read by the lease's thread as well."""

from __future__ import annotations

from collections import defaultdict

from upnext.broker.handler_id import HandlerId

_DONE = ("done", "discarded")
_FAILED = ("failed", "timeout", "payload")  # one that was stopped to be run elsewhere has not ended


class EndedCounts:
    """Counts attempts since the process began."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[str, str], int] = defaultdict(int)

    def note(self, handler: str, outcome: str) -> None:
        """Count an attempt by its outcome.

        Args:
            handler: The handler's identity.
            outcome: The kind of its outcome.
        """
        self._counts[handler, outcome] += 1

    def listed(self) -> dict[str, tuple[int, int]]:
        """Return done and failed attempts by the handler's identity without the worker's name. For any thread."""
        counted = dict(self._counts)
        listed: dict[str, tuple[int, int]] = {}
        for (handler, outcome), count in counted.items():
            local = HandlerId.parse(handler).local
            done, failed = listed.get(local, (0, 0))
            listed[local] = (done + count * (outcome in _DONE), failed + count * (outcome in _FAILED))
        return listed
