"""A worker's record on the server: its identity, what blocks it, and its running, waiting and ended jobs."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from upnext.broker.activity import Activity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.context import LongWait
    from upnext.runner.ended_counts import EndedCounts
    from upnext.runner.running_jobs import RunningJobs
    from upnext.runner.unstored_ends import UnstoredEnds
    from upnext.runner.watchdog import Watchdog


class WorkerRecord:
    """The record of one worker on one partition.

    Args:
        identity: Who it is: name, host, process id, handlers and so on. Of its keys only the values ever change.
        running: The jobs that run.
        watchdog: Knows what blocks the process.
        long_waits: The worker's jobs that have waited for other jobs for long.
        ended: Counts the attempts that end here.
        unstored: The jobs whose end cannot be stored.

    Attributes:
        identity: As above.
    """

    def __init__(
        self,
        identity: dict[str, Any],
        running: RunningJobs,
        watchdog: Watchdog,
        long_waits: Sequence[LongWait],
        ended: EndedCounts,
        *,
        unstored: UnstoredEnds,
    ) -> None:
        self.identity = identity
        self._running = running
        self._watchdog = watchdog
        self._long_waits = long_waits
        self._ended = ended
        self._unstored = unstored

    def text(self, clock_offset: float) -> str:
        """Return the record as JSON; may be called in any thread.

        Args:
            clock_offset: Seconds by which the server's clock is ahead of this machine's.
        """
        now = time.time() + clock_offset
        running, total = self._running.listed(now)
        waiting = self._running.waiting(tuple(self._long_waits), now)
        blocked, ended, unstored = self._watchdog.blocked, self._ended.listed(), self._unstored.record
        if blocked is None and unstored is None and not running and not waiting and not ended:
            return json.dumps(self.identity)
        if blocked is not None:
            blocked = replace(blocked, since=round(blocked.since + clock_offset, 1))
        return json.dumps(self.identity | Activity(blocked, running, total, waiting, ended, unstored).to_record())
