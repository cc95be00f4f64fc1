"""A way to a server that loses answers on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote

from upnext.broker.scripts import script


class Proxy:
    """Forwards bytes both ways; an armed one lets a command through and cuts the connection in place of its answer.

    Args:
        upstream: The server's URL, `unix://...`.
    """

    def __init__(self, upstream: str) -> None:
        self._path = unquote(upstream.removeprefix("unix://"))
        self._doomed: bytes | None = None
        self._outage = 0
        self._refusing = 0
        self.cuts = 0
        self.url = ""

    def lose_answer_to(self, name: str, outage: int = 0) -> None:
        """Lose the answer to the next run of a script, and refuse so many connections after it."""
        self._doomed = script(name).sha.encode()
        self._outage = outage

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if self._refusing:
            self._refusing -= 1
            writer.close()
            return
        up_reader, up_writer = await asyncio.open_unix_connection(self._path)
        back = asyncio.create_task(_copy(up_reader, writer))
        try:
            while data := await reader.read(1 << 16):
                doomed = self._doomed is not None and self._doomed in data
                if doomed:
                    back.cancel()
                    await asyncio.wait([back])
                up_writer.write(data)
                await up_writer.drain()
                if doomed:
                    # The server has answered when this byte comes: the command was carried out.
                    await up_reader.read(1)
                    self._doomed = None
                    self.cuts += 1
                    self._refusing = self._outage
                    return
        finally:
            back.cancel()
            up_writer.close()
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def proxy_to(upstream: str) -> AsyncIterator[Proxy]:
    """Serve a proxy on a loopback port."""
    proxy = Proxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield proxy
    finally:
        server.close()
