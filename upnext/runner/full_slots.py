"""Reports when all slots have been in use for a long time and none becomes free."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.log import log
from upnext.runner.stacks import format_stack, frames_of, thread_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from upnext.registry import Registry
    from upnext.runner.running_jobs import ClaimedJob
    from upnext.runner.slots import Slots

REPORT_AFTER = 60.0
"""Seconds without a slot becoming free after which it is reported."""

_REPEAT = 5.0  # times as long, until it is reported again
_LISTED = 5  # handlers


class FullSlotsWatch:
    """Watches one worker's slots, from the watchdog's thread.

    Args:
        registry: The worker's declarations.
        slots: Its slots.
        jobs: Returns the jobs that run, oldest first.
    """

    def __init__(self, registry: Registry, slots: Slots, jobs: Callable[[], list[ClaimedJob]]) -> None:
        self._registry = registry
        self._slots = slots
        self._jobs = jobs
        self._freed = -1
        self._since = 0.0
        self._next_report = REPORT_AFTER

    def look(self, now: float) -> None:
        """Report slots that have all been in use for a long time; `now` is `time.monotonic()`."""
        if self._slots.free > 0 or self._slots.freed != self._freed:
            self._freed, self._since, self._next_report = self._slots.freed, now, REPORT_AFTER
        elif now - self._since >= self._next_report:
            self._next_report *= _REPEAT
            self._report(now - self._since)

    def _report(self, seconds: float) -> None:
        jobs = self._jobs()
        counts = Counter(HandlerId.parse(job.claim.handler).name for job in jobs)
        listed = ", ".join(f"{count} x {name!r}" for name, count in counts.most_common(_LISTED))
        oldest = (
            f"; the oldest is job {jobs[0].claim.shown}, since {time.monotonic() - jobs[0].began:.0f} s" if jobs else ""
        )
        log.warning(
            "All %d slots of worker %r have been taken for %.0f s, so its further jobs wait. Running: %s%s%s",
            self._slots.total,
            self._registry.worker,
            seconds,
            listed or "no job",
            oldest,
            self._stack(jobs[0]) if jobs else "",
        )

    def _stack(self, job: ClaimedJob) -> str:
        """Return the stack of the thread that runs the job's function, if there is one."""
        handler = self._registry.handlers[job.claim.handler]
        code = getattr(handler.function, "__code__", None)
        thread = None if handler.is_async or code is None else thread_of((code,))
        return "" if thread is None else f". A thread of {handler.name!r} is at:\n{format_stack(frames_of(thread))}"
