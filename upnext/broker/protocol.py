"""An open connection: bytes out, replies in, each to the receiver of its command."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import hiredis

if sys.platform != "win32":
    import fcntl
    import termios

from upnext.broker.dialer import UnsentError
from upnext.broker.redis_types import DefaultParser, RedisConnectionError, RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Receiver: TypeAlias = "Callable[[Any], None]"
"""Called once with a command's reply, or with the exception that it gets instead; it must not raise."""

Command: TypeAlias = "tuple[bytes, Receiver]"
"""A command as it is written, and who gets its reply."""

_LOOKS = 8  # while a connection waits, within the silence after which it is given up
_NOTHING: Any = object()
_PUSH: type[object] = cast("Any", hiredis).PushNotification


class RedisProtocol(asyncio.Protocol):
    """Takes over a connection that redis-py has opened and greeted.

    There is no task, no timer and no buffer for each command: replies go to their receivers as they are read. One timer
    watches all that wait.

    Args:
        transport: The connection.
        silence: Seconds without a byte in either direction after which the connection is given up.
        on_reply: Called after each lot of replies.
        on_disconnect: Called once, with the reason, when the connection is gone and every receiver has heard of it.
        on_error: Called with a command and the error that is its reply; True if its receiver need not hear of it.
    """

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        silence: float,
        on_reply: Callable[[], None],
        on_disconnect: Callable[[RedisProtocol], None],
        on_error: Callable[[Command, Exception], bool],
    ) -> None:
        self._transport = transport
        self._silence = silence
        self._on_reply = on_reply
        self._on_disconnect = on_disconnect
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._reader: Any = cast("Any", hiredis).Reader(
            protocolError=RedisConnectionError, replyError=_error, notEnoughData=_NOTHING
        )
        self._expected: deque[Command] = deque()
        self._last = 0.0
        self._written = 0  # bytes handed to the transport
        self._departed = 0  # bytes of these that were in flight at the last check
        self._watch: asyncio.TimerHandle | None = None
        self._reason: Exception | None = None
        self.departed = 0.0  # when bytes were last seen to leave
        self.writable = True
        transport.set_protocol(self)

    @property
    def waiting(self) -> int:
        """How many commands have no reply yet."""
        return len(self._expected)

    def send(self, packed: bytes, commands: Iterable[Command]) -> None:
        """Write commands, packed all in one; their receivers are called in this order."""
        if not self._expected:
            self._last = self._loop.time()
            if self._watch is None:
                self._watch = self._loop.call_later(self._silence / _LOOKS, self._look)
        self._expected.extend(commands)
        self._written += len(packed)
        self._transport.write(packed)

    def abort(self, reason: Exception) -> None:
        """Give the connection up; every receiver gets the reason at once."""
        self._reason = reason
        self._refuse_unsent()
        self._transport.abort()
        self._end()

    def _refuse_unsent(self) -> None:
        """Refuse commands that have not completely left this process: they were not carried out."""
        if self._transport.get_extra_info("sslcontext") is not None:
            return  # the transport's buffer has grown
        unsent: list[Command] = []
        left = self._transport.get_write_buffer_size()
        while left > 0 and self._expected:
            unsent.append(self._expected.pop())
            left -= len(unsent[-1][0])
        for _, receive in reversed(unsent):
            receive(UnsentError("the connection was given up before the command was sent"))

    def data_received(self, data: bytes) -> None:
        """Dispatch the replies."""
        self._last = self._loop.time()
        reader, expected = self._reader, self._expected
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _NOTHING:
                if type(reply) is _PUSH:
                    continue
                command = expected.popleft()
                if not (isinstance(reply, Exception) and self._on_error(command, reply)):
                    command[1](reply)
        except (RedisConnectionError, IndexError) as error:  # not a reply of such a server
            self.abort(RedisConnectionError(f"The server's answer cannot be read: {error}"))
            return
        self._on_reply()

    def pause_writing(self) -> None:
        """Stop writing: the server does not read fast enough."""
        self.writable = False

    def resume_writing(self) -> None:
        """Go on."""
        self.writable = True
        self._on_reply()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify everyone who waits."""
        if self._reason is None:
            self._reason = RedisConnectionError(f"The connection broke: {exc or 'closed by the server'}")
        self._end()

    def _look(self) -> None:
        self._watch = None
        if not self._expected:
            return
        departed = self._written - _unsent_bytes(self._transport)
        if departed != self._departed:  # a slow network needs time for a long command: it works while bytes move
            self._departed = departed
            self._last = self.departed = self._loop.time()
        rest = self._last + self._silence - self._loop.time()
        if rest > 0:
            self._watch = self._loop.call_later(min(rest, self._silence / _LOOKS), self._look)
        else:
            self.abort(RedisTimeoutError(f"No answer within {self._silence:g} s"))

    def _end(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        reason, self._reason = self._reason, self._reason or RedisConnectionError("The connection is closed")
        while self._expected:
            self._expected.popleft()[1](reason)
        on_disconnect, self._on_disconnect = self._on_disconnect, _nobody
        on_disconnect(self)


def _unsent_bytes(transport: asyncio.WriteTransport) -> int:
    """Return how many bytes the peer has not confirmed: those buffered here and, where known, in the kernel."""
    unsent = transport.get_write_buffer_size()
    if sys.platform != "win32":
        reply = bytearray(4)
        with contextlib.suppress(OSError, AttributeError, ValueError):  # closed by now, or not supported by the system
            fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, reply)
            unsent += int.from_bytes(reply, sys.byteorder)
    return unsent


def _nobody(_: RedisProtocol) -> None:
    """Ignore a second disconnect."""


def _error(text: str) -> Exception:
    """Return redis-py's exception for an error reply."""
    error: Exception = DefaultParser.parse_error(text)
    return error
