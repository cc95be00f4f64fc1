"""Warns of schedules that a worker's release no longer declares, once no running process has them.

Such schedules stay on the server, because a deployment must not lose anything, but no process runs their ticks: no job
is created, so nothing waits or fails where somebody would see it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from upnext.broker.failures import backoff, describe_failure
from upnext.broker.handler_id import HandlerId
from upnext.broker.schedules import ScheduleStore
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Container

    from upnext.broker.broker import Broker
    from upnext.broker.schedules import ScheduleRecord
    from upnext.registry import Registry

_INTERVAL = 60.0
"""Seconds between two looks at what other processes have: during a deployment it is those of the earlier release."""

_WARN_AFTER = 3  # failures in a row


class UndeclaredSchedules:
    """Watches the schedules of one worker that this process does not declare.

    Args:
        registry: The worker's declarations.
        first: The namespace's first partition, which keeps schedules.
        declared: The identities of the scheduled tasks that it has.
    """

    def __init__(self, registry: Registry, first: Broker, declared: Container[str]) -> None:
        self._worker = registry.worker
        self._store = ScheduleStore(first)
        self._status = first.status_reader
        self._declared = declared
        self._reported: set[str] = set()

    async def run(self) -> None:
        """Look at intervals until cancelled; jobs do not depend on it."""
        failures = 0
        while True:
            try:
                await self.look()
                failures = 0
            except Exception as error:  # noqa: BLE001  # as above
                failures += 1
                if failures == _WARN_AFTER:
                    log.warning(
                        "Cannot see whether the server has schedules that worker %r does not declare (%s); retrying",
                        self._worker,
                        describe_failure(error),
                    )
            await asyncio.sleep(backoff(failures) if failures else _INTERVAL)

    async def look(self) -> None:
        """Log, once each, the schedules that no living process has."""
        undeclared = [
            record
            for record in await self._store.read()
            if HandlerId.parse(record.handler).worker == self._worker
            and record.handler not in self._declared
            and record.handler not in self._reported
        ]
        if not undeclared:
            return
        served = {handler for worker in await self._status.living() for handler in worker.schedules}
        for record in undeclared:
            if record.handler not in served:
                self._reported.add(record.handler)
                self._tell(record)

    def _tell(self, record: ScheduleRecord) -> None:
        log.warning(
            "The server has a schedule that worker %r does not declare any more: task %r (%s), %s. No running process "
            "has it, and its ticks do not run. Import what declares it in the file that is run; or, if it is gone, "
            "remove it: `upnext unsubscribe '%s'`",
            self._worker,
            HandlerId.parse(record.handler).name,
            record.in_words,
            _since(record),
            record.handler,
        )


def _since(record: ScheduleRecord) -> str:
    if record.last is None:
        return "of which no tick is known"
    if record.has_run:
        return f"whose latest tick was that of {record.last.isoformat()}"
    return f"which has run no tick since it was declared at {record.last.isoformat(timespec='seconds')}"
