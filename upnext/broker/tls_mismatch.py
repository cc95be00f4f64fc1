"""Detects an address with TLS for a server without it, or the reverse: neither side then says why it fails.

A server without TLS takes a TLS greeting for the beginning of a command and waits for its end; a server with TLS closes
a connection that does not begin with such a greeting. So a second attempt is made in the other way.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

from upnext.broker.redis_types import SSLConnection

_PATIENCE: Final = 1.0  # seconds for the answer
_FAREWELL: Final = 0.2  # seconds that hanging up may take
_REPLIES: Final = (b"+", b"-")  # the start of Redis's replies to PING


async def mismatch(connection: Any) -> str:
    """Return what the address should be; "" if TLS is not the problem.

    Args:
        connection: The connection of redis-py that could not be made.
    """
    host, port = getattr(connection, "host", None), getattr(connection, "port", None)
    if host is None or port is None:
        return ""
    patience = min(_PATIENCE, connection.socket_connect_timeout or _PATIENCE)
    try:
        async with asyncio.timeout(patience):
            if isinstance(connection, SSLConnection):
                wrong = await _answers_without(host, port)
                return "it does not speak TLS: use redis:// in place of rediss://" if wrong else ""
            return "it speaks TLS: use rediss:// in place of redis://" if await _speaks(host, port) else ""
    except (OSError, EOFError, ValueError):
        return ""


async def _answers_without(host: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"PING\r\n")
        return await reader.read(1) in _REPLIES
    finally:
        await _hang_up(writer)


async def _speaks(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # nothing is sent to it, so its identity does not matter
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    await _hang_up(writer)
    return True


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(_FAREWELL):
            await writer.wait_closed()
    except OSError:  # including a timeout
        writer.transport.abort()
