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
from upnext.errors import UpnextError

SERVER_ERRORS = (RedisError, ConnectionError, TimeoutError)
"""What the server and the connection to it fail with; any other OSError is of a file or of the system."""

_BACKOFF_FIRST = 0.05
_BACKOFF_CAP = 1.0
_PASSING = {
    "LOADING": "the server is loading its data",
    "BUSY": "the server is busy with somebody's script",
    "READONLY": "the server is a replica, and takes no writes",
    "UNBLOCKED": "the server is becoming a replica",
    "MASTERDOWN": "the server is a replica that has lost its primary",
    "CLUSTERDOWN": "the cluster is down",
    "TRYAGAIN": "the cluster is moving its data",
    "MOVED": "the cluster is moving its data",
    "ASK": "the cluster is moving its data",
    "NOREPLICAS": "the server has fewer replicas than it wants for writes",
    "MISCONF": "the server cannot write its data to disk",
}
_PASSING_CLASSES = {
    BusyLoadingError: "LOADING",
    ReadOnlyError: "READONLY",
    ClusterDownError: "CLUSTERDOWN",
    AskError: "ASK",
    TryAgainError: "TRYAGAIN",
}
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
    PASSING = "the server takes no commands now"
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
    if isinstance(error, tuple(_PASSING_CLASSES)):
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
        if _passing_word(text):
            return FailureKind.PASSING
    return FailureKind.FAULT


def describe_failure(error: BaseException) -> str:
    """Say in words what is wrong with the server; name the type of any other exception."""
    if isinstance(error, UnsentError):
        return f"{FailureKind.AWAY.value}: {error}"
    if isinstance(error, UpnextError):
        return str(error).removesuffix(".")
    for kind, word in _PASSING_CLASSES.items():
        if isinstance(error, kind):
            return _PASSING[word]
    if isinstance(error, ResponseError) and classify(error) is FailureKind.PASSING:
        return _PASSING[_passing_word(str(error))]
    return classify(error).value if isinstance(error, (RedisError, OSError)) else type(error).__name__


def _passing_word(text: str) -> str:
    """Return the word with which a server says that something passes; "" if it says something else."""
    return next((word for word in _PASSING if text.startswith(word) or f"-{word}" in text), "")


def backoff(failures: int) -> float:
    """Return the seconds to wait after the n-th failure in a row: capped, and jittered so that a fleet spreads out."""
    ceiling: float = min(_BACKOFF_FIRST * 2 ** min(failures - 1, 10), _BACKOFF_CAP)
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
