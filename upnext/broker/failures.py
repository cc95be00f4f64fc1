"""What a server error means, and how long to wait before the next try.

The server may be restarting, loading, failing over, out of memory or unreachable: a worker retries in every case. A
sender has a deadline, and must know whether anything can have been stored.
"""

from __future__ import annotations

import errno
import random
import re
import socket
import ssl
from enum import Enum
from typing import Final

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

# Errors of connections that are not among Python's own classes for them.
_OF_NETWORKS: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENETRESET, errno.ENOTCONN}
)
_NO_PASSWORD: Final = ("Authentication required", "HELLO must be called with the client already authenticated")
_WRONG_PASSWORD: Final = ("invalid username-password pair", "invalid password")
# How servers name a command; or one of upnext's scripts, if a server only says that something is forbidden.
_FORBIDDEN_COMMAND: Final = re.compile(
    r"permissions? to run the '([^']{1,40})' command|^(?:NOPERM )?([A-Z]{1,20}), which "
)
_FORBIDDEN_KEY: Final = re.compile(r"permissions? to access (?:a|one of the) keys?")
_NEEDS_PRIMARY: Final = ("READONLY", "UNBLOCKED", "MASTERDOWN")
_BACKOFF_FIRST = 0.05
_BACKOFF_CAP = 1.0
# A slot left open by a killed reshard looks like one that is being moved.
_MOVING: Final = (
    "the cluster is moving its data: should that not pass, "
    "`redis-cli --cluster fix` ends a reshard that was interrupted"
)
_PASSING = {
    "LOADING": "the server is loading its data",
    "BUSY": "the server is busy with somebody's script",
    "READONLY": "the server is a replica, and takes no writes",
    "UNBLOCKED": "the server is becoming a replica",
    "MASTERDOWN": "the server is a replica that has lost its primary",
    "CLUSTERDOWN": "the cluster is down",
    "TRYAGAIN": _MOVING,
    "MOVED": _MOVING,
    "ASK": _MOVING,
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
    """The kind of a failure, and whether another try can help."""

    AWAY = "the server cannot be reached"
    PASSING = "the server takes no commands now"
    LOST = "the connection broke"
    LOCAL = "the operating system refused"
    FULL = "the server's memory is full (maxmemory)"
    REFUSED = "the server rejects this client"
    FAULT = "the server rejected the command"

    @property
    def passes(self) -> bool:
        """Whether another try may succeed."""
        return self in (FailureKind.AWAY, FailureKind.PASSING, FailureKind.LOST, FailureKind.LOCAL)

    @property
    def leaves_doubt(self) -> bool:
        """Whether the server may have carried out the failed command."""
        return self in (FailureKind.LOST, FailureKind.LOCAL)


_KINDS: Final = (
    ((AuthenticationError, AuthorizationError, NoPermissionError, UnfitServerError), FailureKind.REFUSED),
    ((UnsentError,), FailureKind.AWAY),
    (tuple(_PASSING_CLASSES), FailureKind.PASSING),
    ((OutOfMemoryError,), FailureKind.FULL),
    ((RedisConnectionError, RedisTimeoutError), FailureKind.LOST),
)


def classify(error: Exception) -> FailureKind:
    """Classify an exception of redis-py."""
    for classes, kind in _KINDS:
        if isinstance(error, classes):
            return kind
    if isinstance(error, OSError):
        return FailureKind.LOST if _is_of_connection(error) else FailureKind.LOCAL
    if isinstance(error, ResponseError):
        text = str(error)
        if text.startswith(_REFUSED) or any(words in text for words in _REFUSED_INSIDE):
            return FailureKind.REFUSED
        if text.startswith("OOM") or "OOM command" in text:
            return FailureKind.FULL
        if _passing_word(error):
            return FailureKind.PASSING
    return FailureKind.FAULT


def describe_failure(error: BaseException) -> str:
    """Describe what is wrong with the server; for any other exception, name its type."""
    if isinstance(error, UnsentError):
        return f"{FailureKind.AWAY.value}: {error}"
    if isinstance(error, UpnextError):
        return str(error).removesuffix(".")
    if not isinstance(error, (RedisError, OSError)):
        return type(error).__name__
    kind = classify(error)
    what: str = kind.value
    if kind is FailureKind.PASSING:
        return _PASSING[_passing_word(error)]
    if kind is FailureKind.REFUSED:
        return f"{what}: {describe_refusal(error)}"
    if kind is FailureKind.LOST and isinstance(error, (RedisTimeoutError, TimeoutError)):
        return "the server does not answer"
    if kind is FailureKind.LOCAL and isinstance(error, OSError):
        file = "" if error.filename is None else f" ({error.filename})"
        return f"{what}: {error.strerror or type(error).__name__}{file}"
    return what


def describe_refusal(error: BaseException) -> str:
    """Describe why the server rejects this client."""
    text = str(error).strip().removesuffix(".")
    if isinstance(error, UnfitServerError):
        return text
    if any(words in text for words in _NO_PASSWORD):
        return "the server asks for a password and the address has none"
    if any(words in text for words in _WRONG_PASSWORD):
        return "the password in the address is wrong, or its user is"
    if command := _FORBIDDEN_COMMAND.search(text):
        return f"this user may not run {(command[1] or command[2]).upper()}; see `upnext explain rights`"
    if _FORBIDDEN_KEY.search(text):
        return "this user may not access the keys of this namespace; see `upnext explain rights`"
    if "can't run this command" in text:
        return "this user may not run a command that upnext needs; see `upnext doctor`"
    if text.startswith("WRONGTYPE"):
        return "a key that upnext uses holds the value of another program (WRONGTYPE)"
    return text


def failure_sentence(error: Exception) -> str:
    """Say why a server did not do what it was asked, and what to do about it, if anything."""
    kind, what = classify(error), describe_failure(error)
    if kind in {FailureKind.AWAY, FailureKind.LOST}:
        return f"The server went away: {what}."
    way_out = ""
    if kind is FailureKind.FULL:
        way_out = ": raise it, or let the workers catch up"
    elif kind is FailureKind.PASSING:
        word = _passing_word(error)
        way_out = ": use the address of its primary" if word in _NEEDS_PRIMARY else "; try again later"
    return f"{what[0].upper()}{what[1:]}{way_out}."


def _is_of_connection(error: OSError) -> bool:
    """Return whether an error concerns a connection; some errors only show that in their text."""
    known = isinstance(error, (ConnectionError, TimeoutError, socket.gaierror, socket.herror, ssl.SSLError))
    return known or error.errno is None or error.errno in _OF_NETWORKS


def _passing_word(error: Exception) -> str:
    """Return the word by which a server says that a failure is temporary, or ""."""
    for kind, word in _PASSING_CLASSES.items():
        if isinstance(error, kind):
            return word
    text = str(error) if isinstance(error, ResponseError) else ""
    return next((word for word in _PASSING if text.startswith(word) or f"-{word}" in text), "") if text else ""


def backoff(failures: int) -> float:
    """Return the seconds to wait after the n-th failure in a row: capped, and jittered to spread out a fleet."""
    ceiling: float = min(_BACKOFF_FIRST * 2 ** min(failures - 1, 10), _BACKOFF_CAP)
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
