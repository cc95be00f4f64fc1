"""How many attempts end per second, computed from the counters of worker processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from upnext.broker.handler_id import HandlerId

if TYPE_CHECKING:
    from upnext.broker.status import NamespaceStatus

_WINDOW = 15.0  # seconds that a rate is averaged over; workers report their counts five times per lease

Counts: TypeAlias = "Mapping[str, tuple[int, int]]"


class Rates:
    """The rates of handlers and worker processes.

    Attributes:
        of_handlers: Attempts a second, done and failed, by the handler's identity; none before two readings.
        of_processes: Attempts a second by the worker's id.
        latest: Attempts a second of all together, done and failed, between what each process said last and before that.
    """

    def __init__(self) -> None:
        self._readings: dict[str, deque[tuple[float, Counts]]] = {}
        self.of_handlers: dict[str, tuple[float, float]] = {}
        self.of_processes: dict[str, float] = {}
        self.latest = (0.0, 0.0)

    def add(self, status: NamespaceStatus) -> None:
        """Add one more reading."""
        self.of_handlers, self.of_processes = {}, {}
        alive = {worker.id: worker for worker in status.workers if worker.alive}
        self._readings = {id_: readings for id_, readings in self._readings.items() if id_ in alive}
        for worker in alive.values():
            readings = self._readings.setdefault(worker.id, deque())
            reported_at = status.now - worker.renewed  # when the process last reported its counts
            if not readings or reported_at > readings[-1][0]:
                readings.append((reported_at, worker.activity.ended))
            while len(readings) > 2 and readings[1][0] < reported_at - _WINDOW:
                readings.popleft()
            self._add_rates(worker.worker, worker.id, readings)
        latest = [_between(*list(readings)[-2:]) for readings in self._readings.values() if len(readings) > 1]
        self.latest = sum(done for done, _ in latest), sum(failed for _, failed in latest)

    def _add_rates(self, name: str, process: str, readings: deque[tuple[float, Counts]]) -> None:
        (began, before), (ended, after) = readings[0], readings[-1]
        if ended <= began:
            return
        total = 0
        for local, (done, failed) in after.items():
            earlier = before.get(local, (0, 0))
            new = max(done - earlier[0], 0), max(failed - earlier[1], 0)
            total += sum(new)
            handler = str(HandlerId.within(name, local))
            rate = self.of_handlers.get(handler, (0.0, 0.0))
            self.of_handlers[handler] = rate[0] + new[0] / (ended - began), rate[1] + new[1] / (ended - began)
        self.of_processes[process] = total / (ended - began)


def _between(one: tuple[float, Counts], other: tuple[float, Counts]) -> tuple[float, float]:
    """Return the attempts per second between two readings of a process, successful and failed."""
    (began, before), (ended, after) = one, other
    done, failed = (
        sum(max(counts[n] - before.get(local, (0, 0))[n], 0) for local, counts in after.items()) for n in (0, 1)
    )
    return done / (ended - began), failed / (ended - began)
