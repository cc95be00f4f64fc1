"""Runs workers in the event loop of another application, such as a web server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from upnext.log import log
from upnext.runner.service import Service
from upnext.runner.unimported import Lock, start_folder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from upnext.outbox.relay import Relay
    from upnext.worker import Worker


@asynccontextmanager
async def running(*members: Worker | Relay) -> AsyncGenerator[None]:
    """Run workers and relays within a block, which starts once every worker takes jobs.

    Raises:
        ConfigError: If a setting or an annotation cannot be used.
        BrokerRefusedError: If the server rejects this client, before the block or at its end.
    """
    service = Service(members, Lock.beside(start_folder()))
    serving = asyncio.create_task(service.run(), name="upnext workers")
    ready = asyncio.create_task(service.ready())
    try:
        await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            serving.add_done_callback(_tell_failure)
            yield
    finally:
        ready.cancel()
        service.stop()
        await serving


def _tell_failure(serving: asyncio.Task[None]) -> None:
    """Report at once that workers have failed; the block only learns of it at its end."""
    error = None if serving.cancelled() else serving.exception()
    if error is not None:
        log.error("The workers in this application have stopped and take no more jobs: %s", error)
