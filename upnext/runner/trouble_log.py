"""Logs a repeated failure without repeating itself: that it persists, with which others, and when it is over."""

from __future__ import annotations

import threading

from upnext.broker.failures import FailureKind, classify, describe_failure
from upnext.log import log

_LASTING = {FailureKind.REFUSED, FailureKind.FULL, FailureKind.LOCAL}  # until someone intervenes
_LONG = 20  # failures in a row
_MOST = 10  # lines about one trouble


class TroubleLog:
    """Logs about one thing that may fail for a long time.

    An outage goes through several causes by itself (the connection breaks, the server is away, it loads its data): of
    these one line tells. A cause that does not pass by itself gets a line of its own when it begins, and any other one
    that is still there after long.

    Args:
        failing: The warning, with a place for the cause.
        over: What is said when it works again.
    """

    def __init__(self, failing: str, over: str) -> None:
        self._failing = failing
        self._over = over
        self._reported: set[str] = set()
        self._failures = 0
        self._lock = threading.Lock()

    def failed(self, error: BaseException) -> str:
        """Record a failure; return its cause in words. Thread-safe."""
        cause = describe_failure(error)
        passes = isinstance(error, Exception) and classify(error) not in _LASTING
        with self._lock:
            self._failures += 1
            is_due = self._failures == 1 or not passes or self._failures % _LONG == 0
            is_new = is_due and cause not in self._reported and len(self._reported) < _MOST
            if is_new:
                self._reported.add(cause)
        if is_new:
            log.warning(self._failing, cause)
        return cause

    def worked(self) -> None:
        """Record that it works; logs so if a failure was logged."""
        if not self._reported:
            return
        with self._lock:
            self._reported.clear()
            self._failures = 0
        log.info(self._over)
