"""Explains why a connection could not be made, cause by cause, and what to do about each."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final

from upnext.broker.redis_types import RedisConnectionError, RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHECK: Final = "Check that it runs, and that this is its address."
_CROWDED: Final = "max number of clients reached"
_AT_ONCE: Final = 0.2  # seconds
_NUMBERS: Final = re.compile(r"\[Errno (\d+)\]")
_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE}
_NO_DESCRIPTOR: Final = (
    "this process has no file descriptor left for a connection",
    "Find what opens files or connections and does not close them, or raise the limit (ulimit -n).",
)
# Errors of a machine that is off, or of a network that cannot be reached from here.
_NO_ROUTE: Final = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}


def absence(error: BaseException, connection: Any) -> tuple[str, str]:
    """Return why a connection could not be made, and what to do about it.

    Args:
        error: What connecting raised.
        connection: The connection of redis-py that it was raised by.
    """
    path = getattr(connection, "path", None)
    where = f"{connection.host}:{connection.port}" if path is None else f"'{path}'"
    for cause in _causes(error):
        # Resolving a name opens files too, and does not report that it could not.
        if _numbers(cause) & _EXHAUSTED or (isinstance(cause, socket.gaierror) and _is_exhausted()):
            return _NO_DESCRIPTOR
        if isinstance(cause, socket.gaierror):
            return (
                f"the host name '{connection.host}' cannot be resolved",
                "Check how it is spelled, and that this machine can look it up.",
            )
        if isinstance(cause, ssl.SSLError):
            return (
                f"{where} does not speak TLS as it should ({cause.reason or cause})",
                "Use redis:// where it has none.",
            )
        if isinstance(cause, (TimeoutError, RedisTimeoutError, asyncio.TimeoutError)):
            return (
                f"{where} does not answer",
                "Check the address, that the machine is up, and that no firewall is in between.",
            )
        numbers = _numbers(cause)
        if errno.ECONNREFUSED in numbers:
            return f"{where} refuses connections", _CHECK
        if errno.ENOENT in numbers:
            return f"there is no socket {where}", _CHECK
        if numbers & {errno.EACCES, errno.EPERM}:
            return f"this user may not connect to {where}", "Check the rights of the socket, or of the firewall."
        if numbers & _NO_ROUTE:
            return f"there is no route to {where}", "Check the address, and the network of this machine."
    text = str(error).strip().rstrip(".")
    return _in_its_words(where, text)


def _in_its_words(where: str, text: str) -> tuple[str, str]:
    if _CROWDED in text:
        way_out = "Raise maxclients there, or find what opens connections and does not close them (CLIENT LIST)."
        return f"{where} takes no more clients ({_CROWDED})", way_out
    return f"{where} closed the connection" if "closed by server" in text else f"{where}: {text}", _CHECK


async def farewell(error: Exception, connection: Any) -> Exception:
    """Return what a server says before it hangs up, to replace an error that does not explain it.

    Over a socket of Unix its words are lost with the first write, which fails.
    """
    path = getattr(connection, "path", None)
    if path is None or isinstance(error, (TimeoutError, RedisTimeoutError)):
        return error
    try:
        async with asyncio.timeout(_AT_ONCE):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, ValueError):  # there is no server, or it waits for the client to begin
        return error
    return RedisConnectionError(line.decode(errors="replace")) if line.startswith(b"-") else error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, innermost first: redis-py's errors wrap those of the system."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    return reversed(chain)


def _is_exhausted() -> bool:
    """Return whether this process cannot open anything more."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in _EXHAUSTED
    return False


def _numbers(error: BaseException) -> set[int]:
    """Return the error numbers; asyncio raises one error for all addresses of a host, with the numbers in its text."""
    if not isinstance(error, OSError):
        return set()
    return {error.errno} if error.errno is not None else set(map(int, _NUMBERS.findall(str(error))))
