"""Metrics of a namespace from the server, for Prometheus: collected once for all of its workers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from upnext.broker.handler_id import HandlerId
from upnext.broker.handler_limits import HandlerLimits
from upnext.telemetry.gauges import Families, OutboxRows, build_info, gauges, outbox_gauges

if TYPE_CHECKING:
    from prometheus_client import Metric

    from upnext.broker.outbox_reports import OutboxLag
    from upnext.broker.schedules import ScheduleStatus
    from upnext.broker.status import NamespaceStatus, QueueStatus

_HANDLER = ("event", "handler")


def server_metrics(status: NamespaceStatus | None) -> bytes:
    """Return the status of a namespace in Prometheus' format; None if the server did not answer."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Namespace(status))
    return generate_latest(registry)


class _Namespace(Collector):
    def __init__(self, status: NamespaceStatus | None) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        """Write the readings; if the server did not answer, only that."""
        yield build_info()
        status = self._status
        up = status is not None
        yield GaugeMetricFamily("upnext_up", "1 if the server answered, at least in part.", value=float(up))
        if status is None:
            return
        yield GaugeMetricFamily(
            "upnext_partitions_unreachable", "Partitions that all of this leaves out.", value=len(status.unseen)
        )
        yield GaugeMetricFamily("upnext_dead_letters", "Jobs that will not run again by themselves.", value=status.dead)
        yield GaugeMetricFamily(
            "upnext_jobs_later", "Jobs that are delayed or wait for their next attempt.", value=status.later
        )
        yield from _workers(status)
        yield from _queues(status)
        unrouted = {"upnext_events_unrouted": ("Events that wait for a first handler.", float)}
        yield from gauges(("event",), unrouted, {(each.event,): each.events for each in status.unrouted})
        yield from _schedules(status)
        yield from _outboxes(status)


def _outboxes(status: NamespaceStatus) -> Iterable[Metric]:
    """Yield the reports of relays, under the names that their own processes use."""
    now = status.now
    yield from outbox_gauges(
        {
            lag.outbox: OutboxRows(lag.waiting, lag.set_aside, 0.0 if lag.since is None else max(now - lag.since, 0.0))
            for lag in status.outboxes
        }
    )
    unattended: Families[OutboxLag] = {
        "upnext_outbox_unattended": (
            "1 while no relay of the outbox has reported in time.",
            lambda lag: float(lag.is_unattended(now)),
        )
    }
    yield from gauges(("outbox",), unattended, {(lag.outbox,): lag for lag in status.outboxes})


def _schedules(status: NamespaceStatus) -> Iterable[Metric]:
    def last_tick(schedule: ScheduleStatus) -> float | None:
        last = schedule.record.last
        return last.timestamp() if last is not None and schedule.record.has_run else None

    families: Families[ScheduleStatus] = {
        "upnext_schedule_served": (
            "1 if a living worker has the scheduled task.",
            lambda schedule: float(schedule.served),
        ),
        "upnext_schedule_last_tick_timestamp_seconds": (
            "The latest tick that it ran for; absent before the first.",
            last_tick,
        ),
        "upnext_schedule_overdue_seconds": (
            "Time since the first tick that should have run and has not; 0 if there is none.",
            lambda schedule: 0.0 if schedule.overdue is None else max(status.now - schedule.overdue.timestamp(), 0.0),
        ),
    }
    by_task: dict[tuple[str, ...], ScheduleStatus] = {}
    for schedule in status.schedules:
        identity = HandlerId.parse(schedule.record.handler)
        by_task[identity.worker, identity.name] = schedule
    yield from gauges(("worker", "task"), families, by_task)


def _workers(status: NamespaceStatus) -> Iterable[Metric]:
    # Including workers known only by their queues: that none of them is alive is what operators need to see.
    names = {each.worker for each in status.workers}
    names |= {HandlerId.parse(queue.handler).worker for queue in status.queues}
    counts = {kind: Counter[str]() for kind in ("alive", "dead", "blocked")}
    for each in status.workers:
        counts["alive"][each.worker] += each.alive
        counts["dead"][each.worker] += not each.alive
        counts["blocked"][each.worker] += each.alive and each.activity.blocked is not None
    families: Families[str] = {
        "upnext_leases": (
            "Leases that stand: processes of workers that are alive.",
            lambda worker: counts["alive"][worker],
        ),
        "upnext_leases_expired": (
            "Leases that ran out, of workers that still hold jobs.",
            lambda worker: counts["dead"][worker],
        ),
        "upnext_workers_blocked": (
            "Living processes whose code blocks the event loop or the interpreter.",
            lambda worker: counts["blocked"][worker],
        ),
    }
    yield from gauges(("worker",), families, {(worker,): worker for worker in sorted(names)})


def _queues(status: NamespaceStatus) -> Iterable[Metric]:
    by_handler: dict[tuple[str, str], list[QueueStatus]] = defaultdict(list)
    for queue in status.queues:
        identity = HandlerId.parse(queue.handler)
        by_handler[identity.subject, identity.name].append(queue)
    families: Families[list[QueueStatus]] = {
        "upnext_jobs_waiting": ("Jobs that a worker could take now.", lambda queues: sum(q.waiting for q in queues)),
        "upnext_jobs_delayed": ("Jobs whose delay is not over.", lambda queues: _sum(q.delayed for q in queues)),
        "upnext_jobs_retrying": ("Jobs that wait for a retry.", lambda queues: _sum(q.retrying for q in queues)),
        "upnext_jobs_claimed": ("Jobs that a worker holds.", lambda queues: sum(q.claimed for q in queues)),
        "upnext_jobs_parked": (
            "Jobs that wait, now or for later, for a handler that no living worker has.",
            lambda queues: sum(q.parked for q in queues),
        ),
        "upnext_oldest_waiting_seconds": (
            "Time since the send of the oldest waiting job; 0 if none waits.",
            lambda queues: max(q.lag or 0.0 for q in queues),
        ),
        "upnext_handler_paused": (
            "1 while the handler is paused.",
            lambda queues: float(any(q.handler in status.paused for q in queues)),
        ),
        **_LIMITS,
    }
    yield from gauges(_HANDLER, families, dict(sorted(by_handler.items())))


def _known(counts: Iterable[float | None], total: Callable[[list[float]], float] = sum) -> float | None:
    """Return the sum of the known values; None if there are none."""
    known = [each for each in counts if each is not None]
    return total(known) if known else None


def _sum(counts: Iterable[int | None]) -> int | None:
    """Return the sum, or None if one value is unknown."""
    known = [*counts]
    return None if None in known else sum(each or 0 for each in known)


_LIMITS: Families[list[QueueStatus]] = {
    "upnext_handler_limit": (
        "Jobs that may run at once; absent without a limit.",
        lambda queues: _known([q.limits.limit for q in queues]),
    ),
    "upnext_handler_rate": (
        "Jobs that may start within the time of the handler's rate; absent without one.",
        lambda queues: _known([q.limits.rate.starts if q.limits.rate else None for q in queues]),
    ),
    "upnext_handler_rate_started": (
        "Jobs that have started within that time.",
        lambda queues: _known([q.started if q.limits.rate and not q.limits.by else None for q in queues]),
    ),
    "upnext_jobs_in_line": (
        "Delayed and retrying jobs that wait for room of the value by which they are limited.",
        lambda queues: _known([q.in_line if q.limits.by else None for q in queues]),
    ),
    "upnext_handler_waits_for_limit": (
        "1 while jobs wait for one of the handler's limits; absent without any.",
        lambda queues: _known([float(bool(q.waits_for)) if q.limits != HandlerLimits() else None for q in queues], max),
    ),
}
"""Of handlers that have limits."""
