"""Reads the status of a namespace repeatedly, even while its server is unreachable."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from upnext.errors import UpnextError

if TYPE_CHECKING:
    from upnext.broker.status import NamespaceStatus
    from upnext.settings import Settings

_PATIENCE = 8.0  # seconds; Prometheus gives up after ten


async def read_status(settings: Settings) -> NamespaceStatus | str:
    """Return the status of the namespace, or a sentence that says why the server did not answer."""
    from upnext.broker.failures import describe_failure  # noqa: PLC0415 - commands import what they need
    from upnext.broker.redis_types import RedisError  # noqa: PLC0415
    from upnext.connect import reach  # noqa: PLC0415

    try:
        async with asyncio.timeout(_PATIENCE):
            return await (await reach(settings)).status_reader.seen()
    except UpnextError as error:
        return str(error)
    except TimeoutError:
        return f"The server took longer than {_PATIENCE:.0f} s."
    except (RedisError, OSError) as error:
        return f"The server gives no answer: {describe_failure(error)}."
