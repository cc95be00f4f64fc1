"""What an error of the server means, and how long to wait before the next try.

The server may be restarting, loading, failing over, out of memory or out of reach: a worker tries again whatever it
is. A sender has a deadline, and must know whether anything can have been stored.
"""

from __future__ import annotations

import random
from enum import Enum

from upnext.broker.dialer import UnfitServerError, UnsentError
from upnext.broker.redis_types import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisConnectionError,
    RedisError,
    RedisTimeoutError,
    ResponseError,
    TryAgainError,
)

SERVER_ERRORS = (RedisError, ConnectionError, TimeoutError)
"""What the server and the connection to it fail with; any other OSError is of a file or of the system."""

_BACKOFF_FIRST = 0.05
_BACKOFF_CAP = 1.0
_PASSING = (
    "LOADING",
    "BUSY",
    "READONLY",
    "UNBLOCKED",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MOVED",
    "ASK",
    "NOREPLICAS",
    "MISCONF",
)
_REFUSED = ("NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE", "DENIED")
# Also of a database that the server does not have.
_REFUSED_INSIDE = (
    "WRONGTYPE",
    "ACL failure",
    "can't run this command",
    "DB index is out of range",
    "SELECT is not allowed in cluster mode",
)


class FailureKind(Enum):
    """Kind of failure, and whether another try can help."""

    AWAY = "the server cannot be reached"
    PASSING = "the server is busy"
    LOST = "the connection broke"
    FULL = "the server accepts no writes now"
    REFUSED = "the server rejects this client"
    FAULT = "the server rejected the command"

    @property
    def passes(self) -> bool:
        """Whether another try may do."""
        return self in (FailureKind.AWAY, FailureKind.PASSING, FailureKind.LOST)


def classify(error: Exception) -> FailureKind:
    """Say what kind of trouble an exception of redis-py is."""
    if isinstance(error, (AuthenticationError, AuthorizationError, NoPermissionError, UnfitServerError)):
        return FailureKind.REFUSED
    if isinstance(error, UnsentError):
        return FailureKind.AWAY
    if isinstance(error, (BusyLoadingError, ReadOnlyError, ClusterDownError, AskError, TryAgainError)):
        return FailureKind.PASSING
    if isinstance(error, OutOfMemoryError):
        return FailureKind.FULL
    if isinstance(error, (RedisConnectionError, RedisTimeoutError, OSError)):
        return FailureKind.LOST
    if isinstance(error, ResponseError):
        text = str(error)
        if text.startswith(_REFUSED) or any(words in text for words in _REFUSED_INSIDE):
            return FailureKind.REFUSED
        if text.startswith("OOM") or "OOM command" in text:
            return FailureKind.FULL
        if text.startswith(_PASSING) or any(f"-{word}" in text for word in _PASSING):
            return FailureKind.PASSING
    return FailureKind.FAULT


def describe_failure(error: BaseException) -> str:
    """Say in words what is wrong with the server; name the type of any other exception."""
    if isinstance(error, UnsentError):
        return f"{FailureKind.AWAY.value}: {error}"
    return classify(error).value if isinstance(error, (RedisError, OSError)) else type(error).__name__


def backoff(failures: int) -> float:
    """Return the seconds to wait after the n-th failure in a row: capped, and jittered so that a fleet spreads out."""
    ceiling: float = min(_BACKOFF_FIRST * 2 ** min(failures - 1, 10), _BACKOFF_CAP)
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
