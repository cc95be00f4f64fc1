"""How many attempts of each handler have ended in one process; read by the lease's thread as well."""

from __future__ import annotations

from upnext.broker.handler_id import HandlerId

_DONE = frozenset({"done", "discarded"})
_FAILED = frozenset({"failed", "timeout", "payload"})


class EndedCounts:
    """Counts attempts since the process began."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}

    def note(self, handler: str, outcome: str) -> None:
        """Count an attempt by its outcome; one that was stopped to be run elsewhere has not ended.

        Args:
            handler: The handler's identity.
            outcome: The kind of its outcome.
        """
        counts = self._counts.get(handler)
        if counts is None:
            counts = self._counts[handler] = [0, 0]
        if outcome in _DONE:
            counts[0] += 1
        elif outcome in _FAILED:
            counts[1] += 1

    def listed(self) -> dict[str, tuple[int, int]]:
        """Return done and failed attempts by the handler's identity without the worker's name. For any thread."""
        counted = list(self._counts.items())
        return {HandlerId.parse(handler).local: (done, failed) for handler, (done, failed) in counted}
