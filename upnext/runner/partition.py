"""One worker on one partition: lease, subscriptions, claims, maintenance, and an orderly stop."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from upnext.broker.broker import Broker
from upnext.runner import own_tasks
from upnext.runner.consumer import PartitionConsumer
from upnext.runner.drain import LAST_WORDS, Drain
from upnext.runner.ended_counts import EndedCounts
from upnext.runner.job_runner import JobRunner
from upnext.runner.lease_renewal import LeaseKeeper
from upnext.runner.reaper import Agree, Reaper
from upnext.runner.running_jobs import RunningJobs
from upnext.runner.settle import Settler
from upnext.runner.subscriber import Subscriber
from upnext.runner.unstored_ends import UnstoredEnds
from upnext.runner.wake_ups import WakeUps
from upnext.runner.worker_record import WorkerRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upnext.broker.claims import Claim, Claims
    from upnext.broker.handler_limits import HandlerLimits
    from upnext.broker.keys import Keys
    from upnext.runner.worker_resources import WorkerResources


class PartitionWorker:
    """Works on one partition.

    Args:
        resources: What the worker's partitions share.
        keys: The partition's keys.
        agree: Awaited with the number of partitions to serve; None for all partitions but the first, which knows it.

    Attributes:
        lease: The worker's lease here.
        jobs: Runs its jobs.
        longest_timeout: Seconds that a handler may take at most.
    """

    def __init__(self, resources: WorkerResources, keys: Keys, agree: Agree | None) -> None:
        registry = resources.registry
        self._resources = resources
        self.broker = Broker(resources.url, keys, f"upnext-{registry.worker}")
        self._limits: dict[str, HandlerLimits] = {}
        self._wake_ups = WakeUps(resources.url, keys, registry.worker)
        running, ended, self._unstored = RunningJobs(), EndedCounts(), UnstoredEnds()
        record = WorkerRecord(
            resources.record,
            running,
            resources.watchdog,
            resources.slots.long_waits,
            ended,
            unstored=self._unstored,
        )
        length = registry.settings.lease
        self.lease = LeaseKeeper(resources.url, keys, length, record, self._joined, resumed=self._doubt)
        self._reaper = Reaper(self.broker.maintenance, self.lease, agree)
        self._subscriber = Subscriber(self.broker, resources.handlers, resources.uniqueness, agree, self._changed)
        self._settler = Settler(self._reaper.expect, self._settled, resources.hooks.buried, self._unstored, self._doubt)
        self.broker.maintenance.buried = resources.hooks.buried
        self.broker.link.on_reconnect = self._doubt
        self.jobs = JobRunner(resources, self.lease, self._settler, running, ended)
        self._consumer = PartitionConsumer(resources, self.lease, self._subscriber.ready, self.jobs, self._wake_ups)
        self._drain = Drain(registry.worker, self.jobs, self._settler, self.lease)
        self.longest_timeout = max((h.options.timeout for h in resources.handlers.values()), default=0.0)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop` is called, then drain; returns when nothing of the worker is left."""
        async with AsyncExitStack() as ending:
            # Each of these happens even if the stop itself is cancelled.
            ending.callback(self._resources.watchdog.dismiss, self)
            ending.push_async_callback(self.broker.end)
            ending.push_async_callback(self._wake_ups.close)
            ending.callback(self._settler.stop)
            ending.callback(self._subscriber.stop)
            await self._run()

    async def _run(self) -> None:
        self.lease.start()
        self._resources.watchdog.watch(self)
        claiming = asyncio.create_task(self._consumer.run())
        reaping = asyncio.create_task(self._reaper.run())
        stopping = asyncio.create_task(own_tasks.wait_for(self._stopping))
        try:
            await asyncio.wait([claiming, reaping, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in (claiming, reaping):
                if task.done():
                    task.result()
        finally:
            self.stop()
            stopping.cancel()
            reaping.cancel()
            # A claim under way is waited for, but not on a server that does not answer.
            await asyncio.wait([claiming, reaping], timeout=LAST_WORDS / 3)
            claiming.cancel()
            await self._drain.run(self._consumer.claims, self._resources.registry.settings.grace)

    async def ready(self) -> None:
        """Wait until the worker holds its lease, as far as it knows, and its handlers are subscribed."""
        await self._subscriber.ready.wait()

    @property
    def is_ready(self) -> bool:
        """Whether `ready` would return at once."""
        return self._subscriber.ready.is_set()

    @property
    def stuck(self) -> bool:
        """Whether a job is still running here."""
        return bool(self.jobs)

    @property
    def trouble(self) -> str:
        """Reason that the worker takes no jobs here now, or an empty string. Thread-safe."""
        return (
            self.lease.trouble
            or self._resources.watchdog.trouble
            or self._consumer.trouble
            or self._unstored.trouble
            or ("" if self.is_ready else "it is not subscribed yet")
        )

    @property
    def last_claim(self) -> float:
        """When the server last answered a claim, in seconds since 1970; 0 before the first answer."""
        return self._consumer.last_claim

    def stop(self) -> None:
        """Begin to stop: nothing more is claimed, running jobs get their grace period."""
        self._stopping.set()
        self._resources.poison_jobs.stop()
        self.jobs.stop()
        self._consumer.stop()

    def hand_back(self, *, recount: bool) -> int:
        """Give claimed jobs that have not begun to other workers, because the event loop is blocked. Thread-safe.

        Args:
            recount: Whether to look also for jobs in replies that the event loop has not read.

        Returns:
            How many jobs did not begin, as far as this process knows.
        """
        claims = self._consumer.claims
        if recount and claims is not None:
            self.lease.recount(claims, self.jobs.known)
        return self.jobs.hand_back_unstarted()

    def share_limits(self, partitions: int) -> None:
        """Divide the limits of the handlers by the namespace's number of partitions."""
        number = self.broker.keys.partition
        limits = self._resources.limits
        self._limits.update({handler: each.share(number, partitions) for handler, each in limits.items()})

    def _joined(self, worker_id: str) -> None:
        settings = self._resources.registry.settings
        self._consumer.claims = self.broker.claims(worker_id, settings.result_ttl, self._limits, self._reaper.expect)
        self._subscriber.restart(worker_id)

    def _changed(self) -> None:
        self._consumer.changed.set()

    def _doubt(self) -> None:
        """Compare with the server, which may have forgotten what it was told."""
        self._consumer.compare()
        self._subscriber.look()

    def _settled(self, claims: Claims, ended: Iterable[Claim]) -> None:
        self._changed()
        if claims.limits is not None:
            again_in = claims.limits.note_ended(ended)
            if again_in is not None:
                self._wake_ups.look_in(again_in)
