"""A way to a server that loses answers, goes silent or is slow, on purpose; also one over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import unquote

from upnext.broker.scripts import script


class Proxy:
    """Forwards bytes both ways; an armed one lets a command through and cuts the connection in place of its answer.

    Args:
        upstream: The server's URL, `unix://...`.
        tls: How to speak TLS to clients; None is not at all.
    """

    def __init__(self, upstream: str, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._path = unquote(upstream.removeprefix("unix://"))
        self._doomed: bytes | None = None
        self._slow: bytes | None = None
        self._late: list[tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._outage = 0
        self._refusing = 0
        self._silenced = 0
        self.cuts = 0
        self.delay = 0.0  # seconds that everything takes on its way, there and back
        self.piece = 1 << 16  # bytes that arrive together
        self.buffer = 0  # bytes that the kernel takes in beforehand, as it is; set before serving
        self.url = ""

    def lose_answer_to(self, name: str, outage: int = 0) -> None:
        """Lose the answer to the next run of a script, and refuse so many connections after it."""
        self._doomed = script(name).sha.encode()
        self._outage = outage

    def take_connections(self) -> None:
        """Refuse no connection any more."""
        self._refusing = 0

    def hold_back(self, name: str) -> None:
        """Keep the next run of a script on its way until `deliver`; who sent it sees the connection break."""
        self._slow = script(name).sha.encode()

    async def deliver(self) -> None:
        """Let what was held back reach the server, and wait until it has been carried out."""
        while self._late:
            data, reader, writer = self._late.pop()
            writer.write(data)
            await reader.read(1)
            writer.close()

    def silence(self) -> None:
        """Let the connections that there are stay open and carry nothing any more; later ones are as before."""
        self._silenced += 1

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, age: int) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)  # the fault itself
        if age != self._silenced:
            return
        for start in range(0, len(data), self.piece):
            writer.write(data[start : start + self.piece])
            await asyncio.sleep(0)
        await writer.drain()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, age: int) -> None:
        while data := await reader.read(1 << 16):
            await self._pass(self.answered(data), writer, age)
        writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if self._refusing:
            self._refusing -= 1
            writer.close()
            return
        up_reader, up_writer = await asyncio.open_unix_connection(self._path)
        age = self._silenced
        back = asyncio.create_task(self._copy(up_reader, writer, age))
        try:
            while data := await reader.read(1 << 16):
                if self._slow is not None and self._slow in data:
                    self._slow = None
                    self.cuts += 1
                    back.cancel()
                    await asyncio.wait([back])
                    self._late.append((data, up_reader, up_writer))
                    return
                doomed = self._doomed is not None and self._doomed in data
                if doomed:
                    back.cancel()
                    await asyncio.wait([back])
                await self._pass(data, up_writer, age)
                if doomed:
                    # The server has answered when this byte comes: the command was carried out.
                    await up_reader.read(1)
                    self._doomed = None
                    self.cuts += 1
                    self._refusing = self._outage
                    return
        finally:
            back.cancel()
            if not any(up_writer is late for _, _, late in self._late):
                up_writer.close()
            writer.close()

    def answered(self, data: bytes) -> bytes:
        """Return what becomes of an answer, or of a part of one."""
        return data

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """Serve on a loopback port."""
        listener = socket.create_server(("127.0.0.1", 0))
        if self.buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
        server = await asyncio.start_server(self.serve, sock=listener, ssl=self._tls)
        scheme = "redis" if self._tls is None else "rediss"
        self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        try:
            yield self
        finally:
            server.close()


@asynccontextmanager
async def proxy_to(upstream: str) -> AsyncIterator[Proxy]:
    """Serve a proxy on a loopback port."""
    async with Proxy(upstream).serving() as proxy:
        yield proxy
