"""One worker in one process, on every partition of its namespace; the partitions start and stop together."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upnext.broker.contracts import ContractStore
from upnext.broker.keys import Keys
from upnext.broker.partition_count import PartitionCount
from upnext.broker.schedules import ScheduleStore
from upnext.runner.contract_publisher import ContractPublisher
from upnext.runner.full_slots import FullSlotsWatch
from upnext.runner.limit_shares import report_limits
from upnext.runner.partition import PartitionWorker
from upnext.runner.scheduler import Scheduler
from upnext.runner.undeclared_schedules import UndeclaredSchedules
from upnext.runner.worker_resources import WorkerResources

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from upnext.registry import Registry
    from upnext.runner.running_jobs import ClaimedJob
from upnext.runner.watchdog import Watchdog


@dataclass(frozen=True, slots=True)
class WorkerReading:
    """The state of a worker in one process.

    Attributes:
        worker: The worker's name.
        slots: How many jobs it runs at the same time.
        free: How many of them no job has.
        is_ready: Whether it takes jobs.
        last_claim: When the server last answered a claim in every partition, in seconds since 1970; 0 before.
        renewal_failures: How many renewals of its leases have failed.
    """

    worker: str
    slots: int
    free: int
    is_ready: bool
    last_claim: float
    renewal_failures: int


class Runner:
    """Runs the jobs of one worker.

    Args:
        registry: The worker's declarations.
        concurrency: How many jobs run at the same time.
        url: The server's address.
        record: What the worker says about itself on the server, as JSON.
        watchdog: Watches over the process.
    """

    def __init__(
        self,
        registry: Registry,
        concurrency: int,
        url: str,
        record: str,
        watchdog: Watchdog,
    ) -> None:
        self.registry = registry
        self._resources = WorkerResources(registry, concurrency, url, json.loads(record), watchdog)
        self._schedules = dict(registry.schedules)
        watchdog.watch_slots(FullSlotsWatch(registry, self._resources.slots, self._running_jobs))
        self._namespace = registry.settings.namespace
        self._partitions: list[PartitionWorker] = []
        self._working: list[asyncio.Task[None]] = []
        self._ended = asyncio.Event()
        self._begun = False
        self._stopping = False
        self._serve(registry.settings.partitions)

    async def run(self) -> None:
        """Work until `stop` is called, then drain; returns when nothing of the worker is left."""
        await self._resources.hooks.started()
        self._begun = True
        for partition in self._partitions:
            self._begin(partition)
        first = self._partitions[0].broker
        watching = [self._start(self._resources.paused.watch(first))]
        publisher = ContractPublisher(
            self.registry, ContractStore(first), self._resources.record, self._partitions[0].lease.publish
        )
        watching.append(self._start(publisher.run()))
        undeclared = UndeclaredSchedules(self.registry, first, self._schedules)
        watching.append(self._start(undeclared.run()))
        if self._schedules:
            watching.append(self._start(Scheduler(self.registry, ScheduleStore(first), self._schedules).run()))
        try:
            await self._ended.wait()
        finally:
            for task in watching:
                task.cancel()
            self.stop()
            try:
                ends = await asyncio.gather(*self._working, return_exceptions=True)
                await self._resources.hooks.stopped()
            finally:
                await asyncio.wait(watching)
                self._resources.close()
        for end in (*ends, *(task.exception() for task in watching if not task.cancelled())):
            if isinstance(end, BaseException):
                raise end

    async def ready(self) -> None:
        """Wait until the worker holds its leases and its handlers are subscribed, in every partition."""
        while waiting := [partition for partition in self._partitions if not partition.is_ready]:
            await waiting[0].ready()

    @property
    def stuck(self) -> bool:
        """Whether a job is still running here."""
        return any(partition.stuck for partition in self._partitions)

    @property
    def trouble(self) -> str:
        """Reason that the worker takes no jobs in some partition, or an empty string. Thread-safe."""
        if self._stopping:
            return "it is stopping"
        found = [(number, partition.trouble) for number, partition in enumerate(list(self._partitions))]
        troubles = [f"partition {number}: {trouble}" if number else trouble for number, trouble in found if trouble]
        return "; ".join(troubles)

    def reading(self) -> WorkerReading:
        """Return the worker's state. Thread-safe."""
        slots, partitions = self._resources.slots, list(self._partitions)
        return WorkerReading(
            self.registry.worker,
            slots.total,
            slots.free,
            not self.trouble,
            min((partition.last_claim for partition in partitions), default=0.0),
            sum(partition.lease.failures for partition in partitions),
        )

    def stop(self) -> None:
        """Begin to stop: nothing more is claimed, running jobs get their grace period."""
        self._stopping = True
        for partition in self._partitions:
            partition.stop()
        if not self._begun:
            self._ended.set()

    def _running_jobs(self) -> list[ClaimedJob]:
        jobs = [job for partition in list(self._partitions) for job in partition.jobs.running.started()]
        return sorted(jobs, key=lambda job: job.began)

    def _serve(self, partitions: int) -> None:
        """Serve at least that many partitions: a namespace may grow while its workers run."""
        before = len(self._partitions)
        while len(self._partitions) < partitions and not self._stopping:
            number = len(self._partitions)
            partition = PartitionWorker(self._resources, Keys(self._namespace, number), None if number else self._agree)
            self._partitions.append(partition)
            self._resources.slots.sharers = len(self._partitions)
            if self._begun:
                self._begin(partition)
        if len(self._partitions) > before and self._resources.limits:
            for partition in self._partitions:
                partition.share_limits(len(self._partitions))
            report_limits(self.registry, len(self._partitions))

    async def _agree(self, partitions: int) -> None:
        """Serve as many as the first partition records; if the record is missing, write it again."""
        self._serve(partitions)
        if partitions < len(self._partitions):
            await PartitionCount(self._partitions[0].broker).serve(len(self._partitions))

    def _begin(self, partition: PartitionWorker) -> None:
        self._working.append(self._start(partition.run()))

    def _start(self, part: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start something without which the worker cannot continue."""
        task = asyncio.create_task(part)
        task.add_done_callback(lambda _: self._ended.set())
        return task
