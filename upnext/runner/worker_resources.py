"""What the partitions of one worker share in its process."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from upnext.deadlines import Deadlines
from upnext.runner.paused_handlers import PausedHandlers
from upnext.runner.poison_jobs import PoisonJobs
from upnext.runner.slots import Slots
from upnext.runner.worker_hooks import WorkerHooks
from upnext.settings import without_password
from upnext.thread_boundaries import within_boundaries

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import ParamSpec

    from upnext.registry import Registry
    from upnext.runner.watchdog import Watchdog

    P = ParamSpec("P")

T = TypeVar("T")

THREADS = "upnext-handler-"
"""How the names of threads that run handlers begin."""


class WorkerResources:
    """The worker's declarations, its slots, threads and timers.

    Args:
        registry: The worker's declarations.
        concurrency: How many jobs run at the same time.
        url: The server's address.
        record: What the worker says about itself on the server: name, host, handlers and so on.
        watchdog: Watches over the process.

    Attributes:
        server: The server's address without its password.
        slots: What each job that runs takes one of.
        threads: Where handlers that are not async run.
        poison_jobs: Jobs that workers died under.
        paused: Handlers whose jobs are not claimed now.
        hooks: What the application does around its work.
        handlers: The handlers and tasks that run here, by identity: what is declared after the start is not among them.
        limits: What holds for them over all processes, by identity, for those that have limits.
        uniqueness: What their jobs are unique by, by identity, for those that are.
    """

    def __init__(
        self,
        registry: Registry,
        concurrency: int,
        url: str,
        record: dict[str, Any],
        watchdog: Watchdog,
    ) -> None:
        self.registry = registry
        self.url = url
        self.handlers = dict(registry.handlers)
        self.limits, self.uniqueness = registry.limits, registry.uniqueness
        self.server = without_password(url)
        self.record = record
        self.watchdog = watchdog
        self.slots = Slots(concurrency)
        self.threads = _HandlerThreads(
            concurrency + self.slots.most_loans, thread_name_prefix=f"{THREADS}{registry.worker}"
        )
        self.poison_jobs = PoisonJobs(self.slots)
        self.paused = PausedHandlers()
        self.hooks = WorkerHooks(registry.worker, registry.hooks)
        self._deadlines: dict[float, Deadlines] = {}

    def deadlines(self, seconds: float) -> Deadlines:
        """Return what watches over handlers with that timeout."""
        found = self._deadlines.get(seconds)
        if found is None:
            found = self._deadlines[seconds] = Deadlines(seconds)
        return found

    def close(self) -> None:
        """Stop the timers, and let go of threads that do not end."""
        for deadlines in self._deadlines.values():
            deadlines.close()
        self.threads.shutdown(wait=False, cancel_futures=True)


class _HandlerThreads(ThreadPoolExecutor):
    """Threads for what is not async of jobs, within the boundaries that there are around each."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(within_boundaries, functools.partial(fn, *args, **kwargs))
