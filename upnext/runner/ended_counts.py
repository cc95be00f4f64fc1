"""Counts the ended attempts of each handler in one process; the lease thread reads them as well."""

from __future__ import annotations

from collections import defaultdict

from upnext.broker.handler_id import HandlerId

_DONE = ("done", "discarded")
_FAILED = ("failed", "timeout", "payload")  # a job that was stopped in order to run elsewhere has not ended


class EndedCounts:
    """Counts attempts since the process began."""

    def __init__(self) -> None:
        self._done: defaultdict[str, int] = defaultdict(int)
        self._failed: defaultdict[str, int] = defaultdict(int)

    def note(self, handler: str, outcome: str) -> None:
        """Count an attempt by its outcome.

        Args:
            handler: The handler's identity.
            outcome: The kind of its outcome.
        """
        if outcome in _DONE:
            self._done[handler] += 1
        elif outcome in _FAILED:
            self._failed[handler] += 1

    def listed(self) -> dict[str, tuple[int, int]]:
        """Return successful and failed attempts by the handler's identity without the worker's name. Thread-safe."""
        done, failed = dict(self._done), dict(self._failed)
        handlers = dict.fromkeys([*done, *failed])
        return {HandlerId.parse(each).local: (done.get(each, 0), failed.get(each, 0)) for each in handlers}
