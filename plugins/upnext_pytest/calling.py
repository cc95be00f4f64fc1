"""One call of a handler with what it would get from a worker; what it raises is raised."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from upnext.context import Context, current_job
from upnext.runner.provisions import Provisions

if TYPE_CHECKING:
    from upnext.handler import Handler


@dataclass(frozen=True, slots=True)
class _CalledJob:
    called: Context
    slot: None = None

    def context(self) -> Context:
        return self.called


async def call(job_id: str, handler: Handler, body: bytes) -> Any:
    """Run a handler once and return what it returns.

    Args:
        job_id: The job's id.
        handler: The handler.
        body: The payload's JSON; it is decoded for the handler as a worker does.
    """
    arguments = handler.signature.decode(body)
    context = Context(
        job_id=job_id,
        event_id=job_id.rpartition(".")[0],
        event=handler.subject,
        handler=handler.name,
        attempt=1,
        max_attempts=handler.options.retries + 1,
        deadline=datetime.now(UTC) + timedelta(seconds=handler.options.timeout),
    )
    arguments.update(handler.signature.inject(context))
    current_job.set(_CalledJob(context))
    provisions = Provisions(lambda: context, None)
    raised: BaseException | None = None
    try:
        async with asyncio.timeout(handler.options.timeout):
            arguments |= await provisions.open(handler.signature.provided)
            if handler.is_async:
                value = handler.function(**arguments)
            else:
                value = await asyncio.to_thread(handler.function, **arguments)
            return await value if inspect.isawaitable(value) else value
    except BaseException as error:
        raised = error
        raise
    finally:
        await provisions.close(raised)
