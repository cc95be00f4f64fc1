"""Metrics of the jobs of one worker process, for Prometheus."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from upnext.broker.job_ids import sent_at
from upnext.instruments import JobEnd, JobInstrument, watching_jobs
from upnext.telemetry.gauges import Families, OutboxRows, build_info, gauges, outbox_gauges

if TYPE_CHECKING:
    from prometheus_client import Metric

    from upnext.broker.claims import Claim
    from upnext.handler import Handler
    from upnext.outbox.backlog import RelayReading
    from upnext.outbox.row import OutboxBacklog
    from upnext.runner.execute import AttemptOutcome
    from upnext.runner.runner import WorkerReading

    _Members: TypeAlias = tuple[Callable[[], Sequence[WorkerReading]], Callable[[], Sequence[RelayReading]]]

T = TypeVar("T")

_HANDLER = ("event", "handler")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

_STARTED = Counter("upnext_jobs_started", "Attempts of jobs that began here.", _HANDLER)
_ENDED = Counter("upnext_jobs", "Attempts of jobs that ended here, by how.", (*_HANDLER, "outcome"))
_DURATION = Histogram("upnext_job_duration_seconds", "Time that attempts took.", _HANDLER, buckets=_SECONDS)
_WAIT = Histogram(
    "upnext_job_wait_seconds", "Time from the send to the first attempt, a delay included.", _HANDLER, buckets=_SECONDS
)
_IN_PROGRESS = Gauge("upnext_jobs_in_progress", "Attempts that run here now.", _HANDLER)


@contextmanager
def process_metrics(
    readings: Callable[[], Sequence[WorkerReading]], outboxes: Callable[[], Sequence[RelayReading]] = lambda: ()
) -> Generator[Callable[[], bytes]]:
    """Count the jobs of this process within the block, and yield a function that renders its metrics for Prometheus.

    They are in the library's own registry, so that what an application counts itself is scraped with them.

    Args:
        readings: How the workers of this process stand.
        outboxes: How its relays stand.
    """
    # All services of a process are counted together, as it has one registry: each job once.
    with ExitStack() as stack:
        if not _SERVICES.members:
            REGISTRY.register(_SERVICES)
        members = readings, outboxes
        _SERVICES.members.append(members)
        stack.callback(_SERVICES.forget, members)
        stack.enter_context(watching_jobs(_JOBS))
        yield partial(generate_latest, REGISTRY)


class _Handler:
    """The metrics of one handler, looked up once."""

    def __init__(self, event: str, name: str) -> None:
        self.started = _STARTED.labels(event, name)
        self.duration = _DURATION.labels(event, name)
        self.wait = _WAIT.labels(event, name)
        self.in_progress = _IN_PROGRESS.labels(event, name)
        self._ended = partial(_ENDED.labels, event, name)
        self._by_outcome: dict[str, Counter] = {}

    def ended(self, outcome: str) -> Counter:
        found = self._by_outcome.get(outcome)
        if found is None:
            found = self._by_outcome[outcome] = self._ended(outcome)
        return found


class _JobCounts(JobInstrument):
    """Counts attempts."""

    def __init__(self) -> None:
        self._handlers: dict[str, _Handler] = {}

    def begin(self, claim: Claim, handler: Handler) -> JobEnd:
        """Count the start of an attempt."""
        found = self._handlers.get(handler.id)
        if found is None:
            found = self._handlers[handler.id] = _Handler(handler.subject, handler.name)
        if claim.fencing_token == "1:0:0":  # noqa: S105  # the first attempt
            sent = sent_at(claim.job_id)
            if sent is not None:
                found.wait.observe(max(time.time() - sent, 0.0))
        found.started.inc()
        found.in_progress.inc()
        return partial(_end, found, time.perf_counter())


def _end(metrics: _Handler, began: float, outcome: AttemptOutcome | None) -> None:
    metrics.in_progress.dec()
    if outcome is not None:
        metrics.duration.observe(time.perf_counter() - began)
    metrics.ended("released" if outcome is None else outcome.kind).inc()


class _Services(Collector):
    """Reads the states of workers and relays on request."""

    def __init__(self) -> None:
        self.members: list[_Members] = []

    def forget(self, members: _Members) -> None:
        """Stop reading some; without any there is nothing to report."""
        self.members.remove(members)
        if not self.members:
            REGISTRY.unregister(self)

    def collect(self) -> Iterable[Metric]:
        """Read them."""
        services = list(self.members)
        yield from _of_workers([reading for workers, _ in services for reading in workers()])
        yield from _of_outboxes([reading for _, relays in services for reading in relays()])
        yield build_info()


_WORKER: Families[Sequence[WorkerReading]] = {
    "upnext_slots": ("Jobs that the worker runs at the same time.", lambda found: sum(each.slots for each in found)),
    "upnext_slots_free": ("Slots that no job has.", lambda found: sum(each.free for each in found)),
    "upnext_ready": ("1 while the worker takes jobs.", lambda found: float(all(each.is_ready for each in found))),
    "upnext_last_claim_timestamp_seconds": (
        "When the server last answered a claim, jobs or none, since 1970; 0 before.",
        lambda found: min(each.last_claim for each in found),
    ),
}


def _of_workers(readings: Sequence[WorkerReading]) -> Iterable[Metric]:
    # Workers of one name may be in one process, where they share their jobs: Prometheus takes each series only once.
    workers = _grouped(readings, lambda each: each.worker)
    yield from gauges(("worker",), _WORKER, {(name,): found for name, found in workers.items()})
    failures = CounterMetricFamily(
        "upnext_lease_renewal_failures", "Renewals of the worker's leases that failed.", labels=("worker",)
    )
    for name, found in workers.items():
        failures.add_metric((name,), sum(each.renewal_failures for each in found))
    yield failures


def _of_outboxes(readings: Sequence[RelayReading]) -> Iterable[Metric]:
    """Yield what every process with a relay of the same outbox reports alike."""
    if not readings:
        return
    # So may relays of one outbox, which counted the same rows.
    outboxes, now = _grouped(readings, lambda each: each.outbox), time.time()
    backlogs = {name: [each.backlog for each in found if each.backlog] for name, found in outboxes.items()}
    yield from outbox_gauges({name: _worst(found, now) for name, found in backlogs.items() if found})
    sends = GaugeMetricFamily(
        "upnext_outbox_relay_up", "0 while database or server fail the relay.", labels=("outbox",)
    )
    for name, found in outboxes.items():
        sends.add_metric((name,), float(not any(each.trouble for each in found)))
    yield sends


def _worst(backlogs: Sequence[OutboxBacklog], now: float) -> OutboxRows:
    return OutboxRows(
        max(each.waiting for each in backlogs),
        max(each.set_aside for each in backlogs),
        max(each.age(now) for each in backlogs),
    )


def _grouped(readings: Iterable[T], name_of: Callable[[T], str]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for each in readings:
        groups[name_of(each)].append(each)
    return groups


_JOBS = _JobCounts()
_SERVICES = _Services()
