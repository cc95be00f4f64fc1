"""One connection on which everything that waits goes out together.

A command is written at once if the connection is idle; otherwise what several coroutines issue in one round of the
event loop is written as one. Replies come in order, each to its own caller. A caller that is cancelled leaves the
connection clean, because it is the link that reads the replies.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import hiredis
from redis.asyncio.connection import ConnectionPool
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoScriptError,
    RedisError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from upnext.broker.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from upnext.broker.scripts import Script
    from upnext.broker.wire import Receiver

SOCKET_TIMEOUT = 5.0
"""Seconds without an answer after which a connection is given up."""

_PIPELINE = 256  # commands without a reply; more of them wait here

# In C, which redis-py's connections do not use.
_pack: Callable[[tuple[Any, ...]], bytes] = cast("Any", hiredis).pack_command


class UnsentError(RedisConnectionError):
    """Raised when there was no connection: nothing of the command has reached the server."""


class Link:
    """A pipelined connection, opened when it is first used and again after it broke.

    Args:
        url: The server's address.
        name: What the server's list of clients shows.
    """

    def __init__(self, url: str, name: str = "upnext") -> None:
        pool: Any = ConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            url, socket_timeout=SOCKET_TIMEOUT, socket_connect_timeout=SOCKET_TIMEOUT, client_name=name
        )
        # redis-py opens the connection and says who we are; what goes over it then is ours.
        self._connection: Any = pool.make_connection()
        self._wire: Wire | None = None
        self._waiting: deque[tuple[bytes, Receiver]] = deque()
        self._connecting: asyncio.Task[None] | None = None
        self._flushing = False

    def post(self, words: Sequence[Any], receive: Receiver) -> None:
        """Send one command; `receive` is called with its reply, or with what was raised instead."""
        packed = _pack(tuple(words))
        wire = self._wire
        if wire is not None and not wire.waiting and not self._waiting and wire.writable:
            wire.send(packed, (receive,))
            return
        self._waiting.append((packed, receive))
        if wire is None:
            if self._connecting is None:
                self._connecting = asyncio.create_task(self._connect())
        elif not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def command(self, *words: Any) -> Any:
        """Send one command and return its reply.

        Raises:
            redis.exceptions.RedisError: What the server or the connection made of it.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def receive(reply: Any) -> None:
            if not future.done():
                if isinstance(reply, Exception):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)

        self.post(words, receive)
        return await future

    async def call(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script; one that the server has forgotten is loaded again."""
        try:
            return await self.command("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.command("EVAL", script.source, len(keys), *keys, *arguments)

    async def close(self) -> None:
        """Close the connection; the link can be used again."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._wire is not None:
            self._wire.abort(ConnectionAbortedError("link closed"))
        self._refuse(ConnectionAbortedError("link closed"))
        await self._connection.disconnect(nowait=True)

    async def _connect(self) -> None:
        connection = self._connection
        try:
            await connection.disconnect(nowait=True)  # what is left of the last one
            await connection.connect()
            transport: asyncio.WriteTransport = connection._writer.transport  # noqa: SLF001  # redis-py has no other way
            self._wire = Wire(transport, SOCKET_TIMEOUT, self._flush, self._lost)
        except (AuthenticationError, AuthorizationError, BusyLoadingError) as error:
            self._refuse(error)
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            self._refuse(UnsentError(str(error)))
        except RedisError as error:
            self._refuse(error)
        except BaseException:
            self._refuse(ConnectionAbortedError("link closed"))
            raise
        else:
            self._flush()
        finally:
            self._connecting = None

    def _flush(self) -> None:
        """Write what waits, as far as the server keeps up."""
        self._flushing = False
        wire, waiting = self._wire, self._waiting
        if wire is None or not waiting or not wire.writable:
            return
        room = min(len(waiting), _PIPELINE - wire.waiting)
        if room > 0:
            batch = [waiting.popleft() for _ in range(room)]
            wire.send(b"".join([packed for packed, _ in batch]), [receive for _, receive in batch])

    def _lost(self, wire: Wire) -> None:
        if self._wire is wire:
            self._wire = None
            # They never left: whoever waits may try again without a doubt.
            self._refuse(UnsentError("The connection broke before the command was sent"))

    def _refuse(self, reason: Exception) -> None:
        """Tell those who wait here that nothing of their command was sent."""
        refused, self._waiting = self._waiting, deque()
        for _, receive in refused:
            receive(reason)
