"""Real workers in a test, in its event loop or, for synchronous tests, in a thread."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING, Protocol, Self

from upnext.connect import broker_for
from upnext.errors import JobFailedError, ResultTimeoutError, UpnextError
from upnext.runner.service import Service

if TYPE_CHECKING:
    from types import TracebackType

    from upnext.broker.namespace import Namespace
    from upnext.worker import Worker

_PAUSE = 0.01


class RunWorkers(Protocol):
    """The value of the fixture `upnext_workers`."""

    def __call__(self, *workers: Worker) -> Workers:
        """Return these workers, to be run by `async with` or `with`."""
        ...


class Workers:
    """Workers that run within an `async with` block, or a `with` block in a synchronous test.

    Args:
        workers: The workers.
    """

    def __init__(self, *workers: Worker) -> None:
        self._workers = workers
        self._service: Service | None = None
        self._running: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reported: set[str] = set()

    async def drained(self, timeout: float = 10.0, *, check: bool = True) -> list[JobFailedError]:
        """Wait until every job has ended, including those of events that handlers send, and retries.

        Sends with a delay that is not over within that time are left where they are.

        Args:
            timeout: Seconds to wait.
            check: Raise the failures.

        Returns:
            The jobs that became dead letters since the last call.

        Raises:
            JobFailedError: The first of them, the others noted in it.
            ResultTimeoutError: If not every job has ended in time, or if one is tried again only later.
        """
        broker = await broker_for(self._workers[0].registry.settings)
        deadline = monotonic() + timeout
        while await self._is_busy(broker, deadline):  # noqa: ASYNC110  # it polls the server
            await asyncio.sleep(_PAUSE)
        failures = [
            JobFailedError(letter.job_id, letter.handler, letter.reason, letter.error)
            for letter in await broker.dead_letters.dead()
            if letter.job_id not in self._reported
        ]
        self._reported.update(failure.job_id for failure in failures)
        if failures and check:
            for other in failures[1:]:
                failures[0].add_note(str(other))
            raise failures[0]
        return failures

    def drained_sync(self, timeout: float = 10.0, *, check: bool = True) -> list[JobFailedError]:
        """Do the same as `drained`, in a `with` block."""
        if self._loop is None:
            raise UpnextError("drained_sync is for a `with` block; in an `async with` block, await drained().")
        return asyncio.run_coroutine_threadsafe(self.drained(timeout, check=check), self._loop).result()

    async def _is_busy(self, broker: Namespace, deadline: float) -> bool:
        if self._running is not None and self._running.done():
            self._running.result()
        left, now = await broker.status_reader.left(), monotonic()
        if left.open == 0:
            awaited = [(member, due) for member, due in left.later if now + due <= deadline]
            retries = [member for member, due in left.later if now + due > deadline and ":" in member.split(" ")[-1]]
            if retries:
                raise ResultTimeoutError(
                    f"{_names(retries)} failed and is tried again only after the time that drained() waits: test it "
                    "with a shorter retry_delay, or wait longer."
                )
            if not awaited:
                return False
        if now > deadline:
            standing = await broker.status_reader.read()
            busy = [queue.handler for queue in standing.queues if not queue.idle]
            raise ResultTimeoutError(f"Not every job has ended in time; left are jobs of {_names(busy)}.")
        return True

    async def __aenter__(self) -> Self:
        """Start the workers and return when they take jobs."""
        self._service = Service(self._workers)
        self._running = asyncio.create_task(self._service.run())
        ready = asyncio.create_task(self._service.ready())
        await asyncio.wait([self._running, ready], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self._running
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the workers."""
        assert self._service is not None
        assert self._running is not None
        self._service.stop()
        await self._running

    def __enter__(self) -> Self:
        """Start the workers in a thread and return when they take jobs."""
        started: Future[None] = Future()
        stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started, stop)), name="upnext-workers")
        self._stop = stop
        self._thread.start()
        started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the workers."""
        assert self._thread is not None
        self._stop.set()
        self._thread.join()

    async def _serve(self, started: Future[None], stop: threading.Event) -> None:
        try:
            await self.__aenter__()
        except BaseException as error:  # noqa: BLE001  # raised in the test's thread
            started.set_exception(error)
            return
        self._loop = asyncio.get_running_loop()
        started.set_result(None)
        await asyncio.to_thread(stop.wait)
        await self.__aexit__(None, None, None)


def _names(members: list[str]) -> str:
    found = sorted({member.split(" ")[0].rpartition("|")[2] for member in members})
    return ", ".join(map(repr, found))
