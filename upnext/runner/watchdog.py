"""The thread that detects what keeps a worker process from making progress, reports it, and limits the damage.

A blocked event loop is reported with the handler and the stack that block it, and jobs that were claimed but have not
begun go back to other workers. Slots that stay in use for a long time are reported as well. Code that holds the
interpreter lock stops this thread too: `lease_standby.py` watches for its silence.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from upnext.broker.activity import Blocked
from upnext.broker.handler_id import HandlerId
from upnext.log import log
from upnext.runner.lease_standby import LeaseStandby
from upnext.runner.stacks import format_stack, frames_of, place

if TYPE_CHECKING:
    from upnext.runner.full_slots import FullSlotsWatch
    from upnext.runner.partition import PartitionWorker
    from upnext.runner.running_jobs import ClaimedJob

HAND_BACK_AFTER = 1.0
"""Seconds after which jobs that have not begun are taken from a process whose event loop is blocked."""

REPORT_AFTER = 2.0
"""Seconds after which a blocked event loop, or interpreter, is reported."""

_REPEAT = 5.0  # times as long, until it is reported again
_REPEAT_CAP = 600.0  # seconds
_STOP_PATIENCE, _STOP_PAUSE = 1.0, 0.01  # seconds
_BEAT_JOBS = 5  # reported to the standby process
_TICKS = 10  # in a lease
_LONGEST_TICK = 0.5  # seconds
_WARN_AFTER = (1, 20)  # failures in a row


class Watchdog:
    """Watches one process and its event loop; created in that loop.

    Args:
        standby: Renews the leases while code keeps the interpreter.
    """

    def __init__(self, standby: LeaseStandby | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._standby = LeaseStandby() if standby is None else standby
        self._partitions: list[PartitionWorker] = []
        self._slots: list[FullSlotsWatch] = []
        self._stopping = threading.Event()
        self._asked = 0.0  # when the loop was last pinged; 0 while no ping is pending
        self._next_report = REPORT_AFTER
        self._handed_back = False
        self._blocked: Blocked | None = None
        self._thread: threading.Thread | None = None

    def watch(self, partition: PartitionWorker) -> None:
        """Watch over a partition's jobs and lease; the first one starts the thread."""
        self._partitions.append(partition)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="upnext-watchdog", daemon=True)
            self._thread.start()

    def watch_slots(self, slots: FullSlotsWatch) -> None:
        """Watch over a worker's slots."""
        self._slots.append(slots)

    def dismiss(self, partition: PartitionWorker) -> None:
        """Watch over a partition no longer: it has stopped."""
        self._partitions.remove(partition)

    async def stop(self) -> None:
        """Stop, when nothing is left to be watched."""
        self._stopping.set()
        deadline = time.monotonic() + _STOP_PATIENCE
        # Not in a thread of the loop's executor: user code may keep all of those.
        while self._thread is not None and self._thread.is_alive() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_STOP_PAUSE)

    @property
    def blocked(self) -> Blocked | None:
        """What blocks the event loop now, its time by this machine's clock; may be called from any thread."""
        return self._blocked

    @property
    def trouble(self) -> str:
        """Reason that this process is unhealthy, or an empty string; may be called from any thread."""
        blocked = self._blocked
        if blocked is None:
            return ""
        by = f" by {blocked.handler.rpartition('|')[2]!r}" if blocked.handler else ""
        return f"its event loop has been blocked for {time.time() - blocked.since:.1f} s{by}"

    def _run(self) -> None:
        failures, last = 0, time.monotonic()
        while not self._stopping.wait(self._interval()):
            now = time.monotonic()
            try:
                self._look(now, now - last)
            except Exception:  # noqa: BLE001  # whatever it is, the next look comes soon
                failures += 1
                if failures in _WARN_AFTER:
                    log.exception("A watchdog check failed; it will be repeated")
            else:
                failures = 0
            last = now
        self._standby.stop()

    def _look(self, now: float, passed: float) -> None:
        self._note_standstill(passed)
        self._beat()
        self._look_at_loop(now)
        for slots in list(self._slots):
            slots.look(now)

    def _interval(self) -> float:
        return min([_LONGEST_TICK, *(partition.lease.length / _TICKS for partition in list(self._partitions))])

    def _patience(self) -> float:
        return max((partition.longest_timeout for partition in list(self._partitions)), default=0.0)

    def _beat(self) -> None:
        leases = [partition.lease for partition in list(self._partitions)]
        running = [(HandlerId.parse(job.claim.handler).local, job.claim.shown) for job in self._started()[:_BEAT_JOBS]]
        self._standby.beat(leases, self._patience(), running)

    def _started(self) -> list[ClaimedJob]:
        return [job for partition in list(self._partitions) for job in partition.jobs.running.started()]

    def _note_standstill(self, passed: float) -> None:
        """Say so when this thread itself did not run: then nothing did, and the loop is not to blame for that time."""
        stalled_for = passed - self._interval()
        if stalled_for < HAND_BACK_AFTER:
            return
        if self._asked:
            self._asked += stalled_for
        if stalled_for >= REPORT_AFTER:
            log.warning(
                "The process did not run for %.1f s: code kept the global interpreter lock (C code such as re, json "
                "or sorted on large data), or the process or the machine was suspended. Running: %s",
                stalled_for,
                _names(self._started()),
            )

    def _look_at_loop(self, now: float) -> None:
        if not self._asked:
            self._asked = now
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._answer)
            return
        blocked = now - self._asked
        if blocked >= HAND_BACK_AFTER:
            for partition in list(self._partitions):
                if count := partition.hand_back(recount=not self._handed_back):
                    log.info("The event loop is blocked: %d claimed job(s) that did not begin are handed back", count)
            self._handed_back = True
        if blocked >= self._next_report:
            self._next_report = min(max(blocked, self._next_report) * _REPEAT, blocked + _REPEAT_CAP)
            self._report(blocked)

    def _report(self, blocked: float) -> None:
        frames = frames_of(self._loop_thread)
        job = self._blocking_job()
        handler_id = None if job is None else HandlerId.parse(job.claim.handler)
        found = Blocked(
            what="event loop",
            since=round(time.time() - blocked, 1),
            handler="" if handler_id is None else handler_id.local,
            job="" if job is None else job.claim.shown,
            frame=place(frames),
        )
        first = self._blocked is None
        self._blocked = found if self._blocked is None else replace(found, since=self._blocked.since)
        log.warning(
            "The event loop has been blocked for %.1f s by %s, at %s: no other async job goes on. Use await, or make "
            "the handler a plain function, which runs in a thread. The stack:\n%s",
            blocked,
            _blocker(found),
            found.frame or "an unknown place",
            format_stack(frames),
        )
        if first:
            self._publish()

    def _blocking_job(self) -> ClaimedJob | None:
        task = asyncio.current_task(self._loop)
        for partition in list(self._partitions):
            job = partition.jobs.running.find(task)
            if job is not None:
                return job
        return None

    def _answer(self) -> None:
        """Hear from the event loop; called in it."""
        blocked, self._blocked = self._blocked, None
        self._next_report, self._asked, self._handed_back = REPORT_AFTER, 0.0, False
        if blocked is not None:
            log.warning(
                "The event loop goes on; %s blocked it for %.1f s",
                _blocker(blocked),
                time.time() - blocked.since,
            )
            self._publish()

    def _publish(self) -> None:
        for partition in list(self._partitions):
            partition.lease.publish()


def _blocker(blocked: Blocked) -> str:
    """Return a name for the code that blocks: a handler may have started a separate task."""
    name = blocked.handler.rpartition("|")[2]
    return f"handler {name!r} [job {blocked.job}]" if name else "code outside of a handler's own task"


def _names(jobs: list[ClaimedJob]) -> str:
    names = sorted({f"{HandlerId.parse(job.claim.handler).name!r}" for job in jobs})
    return ", ".join(names) or "no job"
