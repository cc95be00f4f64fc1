"""One worker at work on one partition: claims jobs while there are free slots, runs them, and stops in order."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING, Any

from upnext.broker.broker import Broker
from upnext.broker.claims import Claim, Claims, LeaseLostError
from upnext.broker.connection import PipelinedConnection
from upnext.broker.failures import backoff, describe_failure
from upnext.broker.handler_id import HandlerId
from upnext.broker.partition_count import PartitionCount
from upnext.broker.redis_types import RedisError
from upnext.runner.execute import AttemptOutcome, describe, execute, locate
from upnext.runner.lease import LeaseGuard, LeaseKeeper
from upnext.runner.queue_rotation import QueueRotation
from upnext.runner.reaper import Agree, Reaper
from upnext.runner.settle import Settler

if TYPE_CHECKING:
    from upnext.broker.keys import Keys
    from upnext.runner.worker_resources import WorkerResources

log = logging.getLogger("upnext")

_WAVE = 10
_BATCH = 100  # jobs that one claim takes at the most
_IDLE = 1.0  # seconds between looks without a wake-up: what a lost one costs
_TELL_AFTER = (1, 20)  # failures in a row
_LAST_WORDS = 1.5  # seconds that a stopping worker gives the server to hear of it


class PartitionConsumer:
    """Runs the jobs of one partition.

    Args:
        shop: What it shares with the worker's other partitions.
        keys: The partition's keys.
        agree: Awaited with how many partitions are to be served; None for all but the first, which knows.

    Attributes:
        ready: Set while the worker holds its lease, as far as it has heard, and its handlers are subscribed.
    """

    def __init__(self, resources: WorkerResources, keys: Keys, agree: Agree | None) -> None:
        self._resources = resources
        self.registry = resources.registry
        settings, name = resources.registry.settings, f"upnext-{resources.registry.worker}"
        self._agree = agree
        self.broker = Broker(resources.url, keys, name)
        self._waiting = PipelinedConnection(resources.url, keys, f"{name}-wait")
        self._keys = keys
        self._lease = LeaseKeeper(resources.url, keys, settings.lease, resources.metadata, self._joined)
        self._sweeper = Reaper(self.broker.maintenance, self._lease, settings.lease, agree)
        self._claims: Claims | None = None
        self._running: dict[asyncio.Task[None], tuple[Claims, Claim]] = {}
        self._handing_over = False
        self.ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._settler = Settler(self._sweeper.expect, self._changed.set)
        self._listening = False
        self._unclaimable = ""
        self._roused = asyncio.Event()
        self._stopping = asyncio.Event()
        self._subscribing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Work until `stop` is called, then drain; returns when nothing of the worker is left."""
        self._lease.start()
        loops = [asyncio.create_task(self._fetch()), asyncio.create_task(self._sweeper.run())]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([*loops, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in loops:
                if task.done():
                    task.result()
        finally:
            self._stopping.set()
            stopping.cancel()
            loops[1].cancel()
            # A claim under way is waited for, but not on a server that does not answer.
            await asyncio.wait(loops, timeout=_LAST_WORDS / 3)
            loops[0].cancel()
            await self._drain()

    @property
    def stuck(self) -> bool:
        """Whether a job is still running here."""
        return bool(self._running)

    @property
    def trouble(self) -> str:
        """Why it takes no jobs now, "" if it does; can be asked from any thread."""
        return self._lease.trouble or self._unclaimable or ("" if self.ready.is_set() else "it is not subscribed yet")

    def stop(self) -> None:
        """Begin to stop: nothing more is claimed, running jobs get their grace."""
        self._stopping.set()
        self._resources.poison_jobs.stop()
        self._changed.set()
        self._roused.set()

    def _joined(self, worker_id: str) -> None:
        self._claims = self.broker.claims(worker_id, self.registry.settings.result_ttl)
        self.ready.clear()
        if self._subscribing is not None:
            self._subscribing.cancel()
        self._subscribing = asyncio.create_task(self._subscribe())

    async def _subscribe(self) -> None:
        failures = 0
        while True:
            try:
                for event in self._events():
                    await self.broker.publisher.subscribe(event, self._handlers_of(event))
                if self._agree is not None:
                    # Only now: whoever adds partitions later than this finds these subscriptions, and copies them.
                    await self._agree((await PartitionCount(self.broker).read()).served)
            except Exception as error:  # noqa: BLE001  # whatever it is, a worker without subscriptions would idle
                failures += 1
                if failures in _TELL_AFTER:
                    log.warning("Subscribing has to wait: %s", describe_failure(error))
                await asyncio.sleep(backoff(failures))
            else:
                self.ready.set()
                self._changed.set()
                return

    def _events(self) -> list[str]:
        return sorted({HandlerId.parse(identity).event for identity in self.registry.handlers} - {""})

    def _handlers_of(self, event: str) -> list[str]:
        return [identity for identity in self.registry.handlers if HandlerId.parse(identity).event == event]

    async def _fetch(self) -> None:
        rotation = QueueRotation(sorted(self.registry.handlers))
        slots = self._resources.slots
        failures, unknown = 0, False
        while not self._stopping.is_set():
            self._changed.clear()
            claims = self._claims
            full = self._settler.pending > slots.total or self._resources.poison_jobs.crowded(self._changed)
            if claims is None or not self.ready.is_set() or full:
                slots.leave(self._changed)
                await self._changed.wait()
                continue
            try:
                if unknown:
                    # Answers were lost: the server may have given jobs that nobody here has heard of.
                    slots.leave(self._changed)
                    await self._hand_back_unknown(claims)
                    unknown = False
                free = slots.take(self._changed, self._wave)
                if not free:
                    await self._changed.wait()
                    continue
                await self._claim(claims, rotation, free)
                failures, self._unclaimable = 0, ""
            except LeaseLostError:
                failures = 0
                if claims is self._claims:
                    self.ready.clear()
                    self._lease.lose(claims.worker_id)
                continue
            except Exception as error:  # noqa: BLE001  # whatever another program put there must not end a worker
                failures, unknown = failures + 1, True
                self._unclaimable = f"no jobs can be claimed: {describe_failure(error)}"
                if failures == 1:
                    log.warning("No jobs can be claimed now (%s); trying on", describe_failure(error))
                await asyncio.sleep(backoff(failures))
                continue
            if rotation.quiet:
                # Whatever came since those queues were seen empty has left a token.
                await self._wait_for_work()
                rotation.woken()

    @property
    def _wave(self) -> int:
        """How many jobs to claim at once: while one half of the slots is at work, the server fills the other."""
        return min(_BATCH, max(_WAVE, (self._resources.slots.total + 1) // 2))

    async def _claim(self, claims: Claims, rotation: QueueRotation, most: int) -> None:
        queues, unused = rotation.next(), most
        try:
            jobs, left = await claims.claim(self.registry.worker, queues, most)
            rotation.note(queues, left, {claim.handler for claim in jobs})
            for claim in jobs:
                task = asyncio.create_task(self._work(claims, claim))
                self._running[task] = (claims, claim)
                task.add_done_callback(self._forget)
            unused -= len(jobs)
        finally:
            self._resources.slots.give(unused)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)

    async def _work(self, claims: Claims, claim: Claim) -> None:
        if claim.last_life:
            async with self._resources.poison_jobs.alone() as free:
                outcome = await self._try(claims, claim) if free else AttemptOutcome("released")
        else:
            try:
                outcome = await (self._run(claims.worker_id, claim) if claim.started else self._try(claims, claim))
            finally:
                self._resources.slots.give(1)
        if outcome is not None:
            self._settler.settle(claims, claim, self.registry.handlers[claim.handler], outcome)

    async def _try(self, claims: Claims, claim: Claim) -> AttemptOutcome | None:
        """Run a job that a worker died under. The server is told of its start before, and of no other's meanwhile."""
        async with self._resources.poison_jobs.starting:
            if not await self._start(claims, claim):
                return AttemptOutcome("released")
            running = asyncio.ensure_future(self._run(claims.worker_id, claim))
            try:
                await asyncio.sleep(0)  # its first step
            except asyncio.CancelledError:
                running.cancel()
        return await running

    async def _start(self, claims: Claims, claim: Claim) -> bool:
        while not self._stopping.is_set():
            try:
                return await claims.start(claim)
            except (RedisError, OSError):
                await asyncio.sleep(backoff(3))
        return False

    async def _run(self, worker_id: str, claim: Claim) -> AttemptOutcome | None:
        """Run a job, unless its lease is not this worker's any more: then nothing of it happens here."""
        handler = self.registry.handlers[claim.handler]
        deadlines = self._resources.deadlines(handler.options.timeout)
        try:
            hold = LeaseGuard(self._lease, worker_id)
            outcome = await execute(
                claim, handler, self._resources.threads, deadlines, hold, handing_over=lambda: self._handing_over
            )
        except Exception as error:
            # Ours, not the handler's; the job must not stay claimed by a worker that does nothing with it.
            log.exception("Job %s could not be run", claim.shown)
            outcome = AttemptOutcome("failed", error=describe(error), where=locate(error))
        if outcome is None:
            log.warning("Job %s was claimed before the lease was lost; it does not start here", claim.shown)
        return outcome

    async def _hand_back_unknown(self, claims: Claims) -> None:
        known = {(claim.field, claim.fencing_token) for held, claim in self._running.values() if held is claims}
        known |= self._settler.known(claims)
        for claim in await claims.held():
            if (claim.field, claim.fencing_token) not in known:
                await claims.release(claim)

    async def _wait_for_work(self) -> None:
        if not self._listening:
            self._listening = True
            self._roused.clear()
            self._waiting.post(("BLPOP", self._keys.wake(self.registry.worker), _IDLE), self._heard)
        if not self._stopping.is_set():
            await self._roused.wait()

    def _heard(self, reply: Any) -> None:
        """Take a wake-up, or its absence; trouble is not looked at too often."""
        self._listening = False
        if isinstance(reply, Exception):
            asyncio.get_running_loop().call_later(backoff(3), self._roused.set)
        else:
            self._roused.set()

    async def _drain(self) -> None:
        grace = self.registry.settings.grace
        if self._running:
            log.info("Worker %r lets %d running job(s) end: %g s", self.registry.worker, len(self._running), grace)
            await asyncio.wait(list(self._running), timeout=grace)
        deadline = monotonic() + _LAST_WORDS
        self._handing_over = True
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(list(self._running), timeout=_LAST_WORDS / 3)
        try:
            async with asyncio.timeout(max(deadline - monotonic(), 0.0)):
                await self._settler.drained()
                if self._claims is not None:
                    await self._release_all(self._claims)
        except (TimeoutError, RedisError, OSError):
            log.warning("The server cannot be told of the last jobs; their lease runs out by itself")
        await self._lease.leave(max(deadline - monotonic(), 0.2))
        if self._subscribing is not None:
            self._subscribing.cancel()
        await self._waiting.close()
        await self.broker.close()

    async def _release_all(self, claims: Claims) -> None:
        for claim in await claims.held():
            await claims.release(claim)
