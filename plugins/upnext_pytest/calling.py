"""Calls a handler with what it would get from a worker; exceptions propagate."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from upnext.context import Context, current_job
from upnext.runner.provisions import Provisions

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from upnext.handler import Handler


@dataclass(frozen=True, slots=True)
class _CalledJob:
    called: Context
    slot: None = None

    def context(self) -> Context:
        return self.called


async def call(job_id: str, handler: Handler, body: bytes, threads: Executor | None = None) -> Any:
    """Run a handler once and return what it returns.

    Args:
        job_id: The job's id.
        handler: The handler.
        body: The payload's JSON; it is decoded for the handler as a worker does.
        threads: Where functions that are not async run, one after the other in one thread; None for a new one.
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
    thread = ThreadPoolExecutor(1, thread_name_prefix="upnext-handler") if threads is None else threads
    provisions = Provisions(lambda: context, thread)
    raised: BaseException | None = None
    try:
        async with asyncio.timeout(handler.options.timeout):
            arguments |= await provisions.open(handler.signature.provided)
            if handler.is_async:
                value = handler.function(**arguments)
            else:
                in_context = provisions.thread_context.bind(partial(handler.function, **arguments))
                value = await asyncio.get_running_loop().run_in_executor(thread, in_context)
                provisions.thread_context.carry_back()
            return await value if inspect.isawaitable(value) else value
    except BaseException as error:
        raised = error
        raise
    finally:
        await provisions.close(raised)
        if threads is None:
            thread.shutdown(wait=False)
