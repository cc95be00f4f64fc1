"""One connection that sends all waiting commands together.

A command is written at once if the connection is idle; otherwise the commands that several coroutines issue in one
iteration of the event loop are written together. Replies arrive in order, each for its own caller. A caller that is
cancelled leaves the connection intact, because the connection itself reads all replies.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from upnext.broker.dialer import Dialer, UnsentError
from upnext.broker.protocol import RedisProtocol
from upnext.broker.redis_types import ClusterDownError, NoScriptError, ReadOnlyError, RedisError
from upnext.broker.resp import pack
from upnext.limits import MAX_REDIRECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from upnext.broker.keys import Keys
    from upnext.broker.protocol import Command, Receiver
    from upnext.broker.scripts import Script

_PIPELINE = 256  # commands without a reply; more of them wait here
_WRITE = 256 * 1024  # bytes beyond which writing pauses: commands that wait here can still be withdrawn
_DEMOTED = ("READONLY", "UNBLOCKED", "MASTERDOWN", "CLUSTERDOWN")


class PipelinedConnection:
    """A pipelined connection to the server of a partition: opened on first use, and again after it broke.

    Args:
        url: The server's address, or that of those who know it.
        keys: The partition's keys.
        name: What the server's list of clients shows.
        timeout: Seconds without an answer after which a connection is given up, if the address does not ask for less.
        blocking: Seconds that a command on it may take by itself.

    Attributes:
        on_reconnect: Called when it was opened again: what the server was told before, and has confirmed, may be lost.
    """

    def __init__(
        self, url: str, keys: Keys, name: str = "upnext", timeout: float | None = None, blocking: float = 0.0
    ) -> None:
        self._dialer = Dialer(url, keys.leases, name, timeout)
        self._timeout = self._dialer.timeout + blocking
        # redis-py opens the connection and authenticates; from then on upnext writes and reads it.
        self._connection: Any = None
        self._wire: RedisProtocol | None = None
        self._waiting: deque[Command] = deque()
        self._connecting: asyncio.Task[None] | None = None
        self.on_reconnect: Callable[[], None] = _nothing
        self._was_made = False
        self._unwanted = False
        self._ended = False
        self._flushing = False
        self._leaving = False
        self._returned = 0
        self._redirects = 0

    def post(self, words: Sequence[Any], receive: Receiver) -> None:
        """Send one command; `receive` is called with its reply or exception."""
        self.post_packed(pack(words), receive)

    def post_packed(self, packed: bytes, receive: Receiver) -> None:
        """Send one command that is packed already."""
        command = (packed, receive)
        wire = self._wire
        if wire is not None and not wire.waiting and not self._waiting and wire.writable:
            wire.send(packed, (command,))
            return
        self._waiting.append(command)
        if wire is None:
            self._reconnect()
        elif not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def withdraw(self, packed: bytes) -> bool:
        """Withdraw a command that has not been written; False if it has."""
        for position, (waiting, _) in enumerate(self._waiting):
            if waiting is packed:
                del self._waiting[position]
                self._returned -= position < self._returned
                return True
        return False

    def moved(self) -> float:
        """Return when bytes last left for the server, by the event loop's clock; 0 if none have."""
        return 0.0 if self._wire is None else self._wire.departed

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
        """Run a script, loading it again if the server has forgotten it."""
        try:
            return await self.command("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.command("EVAL", script.source, len(keys), *keys, *arguments)

    async def close(self) -> None:
        """Close the connection; it can be used again."""
        self._unwanted = True
        try:
            if self._connecting is not None:
                self._connecting.cancel()
                await asyncio.wait([self._connecting])
        finally:
            # Even if the wait is cancelled: the caller that closes does not come back.
            if self._wire is not None:
                self._wire.abort(ConnectionAbortedError("link closed"))
            self._refuse(ConnectionAbortedError("link closed"))
            await self._disconnect()

    async def end(self) -> None:
        """Close the connection for good: later requests are refused as unsent."""
        self._ended = True
        await self.close()

    def _reconnect(self) -> None:
        if self._ended:
            asyncio.get_running_loop().call_soon(self._refuse, UnsentError("the worker has stopped"))
        elif self._connecting is None:
            self._unwanted = False
            self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await self._disconnect()  # the remains of the last one
            connection = self._connection = await self._dialer.dial()
            if self._unwanted:  # it was cancelled after it was done
                await self._disconnect()
                self._refuse(ConnectionAbortedError("link closed"))
                return
            transport: asyncio.WriteTransport = connection._writer.transport  # noqa: SLF001  # redis-py has no other way
            self._wire = RedisProtocol(transport, self._timeout, self._on_reply, self._on_disconnect, self._on_error)
        except RedisError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001  # from redis-py or the event loop: passed on to those who wait
            self._refuse(UnsentError(f"connecting raised {type(error).__name__}: {error}"))
        except BaseException:
            self._refuse(ConnectionAbortedError("link closed"))
            raise
        else:
            if self._was_made:
                self.on_reconnect()
            self._was_made = True
            self._flush()
        finally:
            self._connecting = None

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._dialer.hang_up(self._connection)

    def _flush(self) -> None:
        """Write what is waiting, as far as the server keeps up."""
        self._flushing = False
        wire, waiting = self._wire, self._waiting
        if wire is None or not waiting or not wire.writable or self._leaving:
            return
        room = min(len(waiting), _PIPELINE - wire.waiting)
        batch: list[Command] = []
        size = 0
        while len(batch) < room and size < _WRITE:
            batch.append(waiting.popleft())
            size += len(batch[-1][0])
        if batch:
            wire.send(b"".join([packed for packed, _ in batch]), batch)

    def _on_reply(self) -> None:
        wire = self._wire
        if not self._leaving:
            self._redirects = 0
            self._flush()
        elif wire is not None and not wire.waiting:
            self._leave()
            wire.abort(ConnectionAbortedError("another server is the one to talk to"))
            if self._waiting:
                self._reconnect()

    def _on_error(self, command: Command, error: Exception) -> bool:
        """Take a command back if another node has to run it; look for the primary if this server is not it."""
        moved = self._redirects < MAX_REDIRECTS and self._dialer.follow(error)
        if moved:
            self._redirects += not self._leaving
            self._waiting.insert(self._returned, command)
            self._returned += 1
        self._leaving = self._leaving or moved or _is_demotion(error)
        return moved

    def _leave(self) -> None:
        self._wire, self._leaving, self._returned = None, False, 0

    def _on_disconnect(self, wire: RedisProtocol) -> None:
        if self._wire is wire:
            self._leave()
            # They were never sent: callers may safely retry.
            self._refuse(UnsentError("the connection broke before the command was sent"))

    def _refuse(self, reason: Exception) -> None:
        """Refuse the waiting commands as unsent."""
        refused, self._waiting = self._waiting, deque()
        for _, receive in refused:
            receive(reason)


def _nothing() -> None:
    """Ignore it."""


def _is_demotion(error: Exception) -> bool:
    """Return whether another server may have become the primary, so that it has to be looked for."""
    text = str(error)
    return isinstance(error, (ReadOnlyError, ClusterDownError)) or text.startswith(_DEMOTED) or "-READONLY" in text
