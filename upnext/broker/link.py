"""One connection on which everything that waits goes out together.

Commands that several coroutines issue at the same time are written as one pipeline, in order; each caller gets its
own reply. A caller that is cancelled leaves the connection clean, because it is the link that reads the replies.
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
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from upnext.broker.scripts import Script

SOCKET_TIMEOUT = 5.0
"""Seconds without an answer after which a connection is given up."""

_PIPELINE = 256

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
        self._connection: Any = pool.make_connection()
        self._waiting: deque[tuple[tuple[Any, ...], asyncio.Future[Any]]] = deque()
        self._pump: asyncio.Task[None] | None = None

    async def command(self, *words: Any) -> Any:
        """Send one command and return its reply.

        Raises:
            redis.exceptions.RedisError: What the server or the connection made of it.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((words, future))
        if self._pump is None:
            self._pump = asyncio.create_task(self._run())
        return await future

    async def call(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script; one that the server has forgotten is loaded again."""
        try:
            return await self.command("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.command("EVAL", script.source, len(keys), *keys, *arguments)

    async def close(self) -> None:
        """Close the connection; the link can be used again."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        await self._connection.disconnect(nowait=True)

    async def _run(self) -> None:
        batch: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _PIPELINE))]
                await self._exchange(batch)
        except BaseException as error:
            # The callers of this batch, and those behind them, must hear of it; each decides whether to try again.
            reason = error if isinstance(error, (RedisError, OSError)) else ConnectionAbortedError("link closed")
            for _, future in (*batch, *self._waiting):
                if not future.done():
                    future.set_exception(reason)
            self._waiting.clear()
            if not isinstance(error, (RedisError, OSError)):
                raise
        finally:
            self._pump = None

    async def _exchange(self, batch: list[tuple[tuple[Any, ...], asyncio.Future[Any]]]) -> None:
        connection = self._connection
        packed = [_pack(words) for words, _ in batch]
        if not connection.is_connected:
            try:
                await connection.connect()
            except (RedisTimeoutError, OSError) as error:
                raise UnsentError(str(error)) from error
            except RedisConnectionError as error:
                if isinstance(error, (AuthenticationError, AuthorizationError, BusyLoadingError)):
                    raise
                raise UnsentError(str(error)) from error
        await connection.send_packed_command(packed)
        for _, future in batch:
            try:
                reply = await connection.read_response()
            except ResponseError as error:
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(reply)
