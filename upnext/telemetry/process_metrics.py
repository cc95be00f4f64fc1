"""What one process of workers knows of its jobs, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from upnext import __version__
from upnext.broker.job_ids import sent_at
from upnext.instruments import JobEnd, JobInstrument, watching_jobs

if TYPE_CHECKING:
    from prometheus_client import Metric

    from upnext.broker.claims import Claim
    from upnext.handler import Handler
    from upnext.outbox.backlog import RelayReading
    from upnext.outbox.row import Backlog
    from upnext.runner.execute import AttemptOutcome
    from upnext.runner.runner import WorkerReading

    _Members: TypeAlias = tuple[Callable[[], Sequence[WorkerReading]], Callable[[], Sequence[RelayReading]]]

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
    """Count the jobs of this process within the block, and yield what gives all its metrics as Prometheus reads them.

    They are in the library's own registry, so that what an application counts itself is scraped with them.

    Args:
        readings: How the workers of this process stand.
        outboxes: How its relays stand.
    """
    # All services of a process are counted together, as its registry is one: each job once.
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
        """Count its beginning."""
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
    metrics.duration.observe(time.perf_counter() - began)
    metrics.ended("released" if outcome is None else outcome.kind).inc()


class _Services(Collector):
    """Reads how the workers and relays stand when somebody asks."""

    def __init__(self) -> None:
        self.members: list[_Members] = []

    def forget(self, members: _Members) -> None:
        """Read some no more; without any there is nothing to say."""
        self.members.remove(members)
        if not self.members:
            REGISTRY.unregister(self)

    def collect(self) -> Iterable[Metric]:
        """Read them."""
        services = list(self.members)
        yield from _of_workers([reading for workers, _ in services for reading in workers()])
        yield from _of_outboxes([reading for _, relays in services for reading in relays()])
        yield build_info()


def _of_workers(readings: Sequence[WorkerReading]) -> Iterable[Metric]:
    families: dict[str, tuple[str, Callable[[WorkerReading], float]]] = {
        "upnext_slots": ("Jobs that the worker runs at the same time.", lambda each: each.slots),
        "upnext_slots_free": ("Slots that no job has.", lambda each: each.free),
        "upnext_ready": ("1 while the worker takes jobs.", lambda each: float(each.is_ready)),
        "upnext_last_claim_timestamp_seconds": (
            "When the server last answered a claim, jobs or none, since 1970; 0 before.",
            lambda each: each.last_claim,
        ),
    }
    for name, (about, read) in families.items():
        gauge = GaugeMetricFamily(name, about, labels=("worker",))
        for each in readings:
            gauge.add_metric((each.worker,), read(each))
        yield gauge
    failures = CounterMetricFamily(
        "upnext_lease_renewal_failures", "Renewals of the worker's leases that failed.", labels=("worker",)
    )
    for each in readings:
        failures.add_metric((each.worker,), each.renewal_failures)
    yield failures


def _of_outboxes(readings: Sequence[RelayReading]) -> Iterable[Metric]:
    """Yield what every process with a relay of the same outbox says alike."""
    if not readings:
        return
    now = time.time()
    families: dict[str, tuple[str, Callable[[Backlog], float]]] = {
        "upnext_outbox_rows_waiting": ("Rows of the outbox that are still to be sent.", lambda each: each.waiting),
        "upnext_outbox_rows_set_aside": (
            "Rows that were refused so often that nobody sends them any more.",
            lambda each: each.set_aside,
        ),
        "upnext_outbox_oldest_waiting_seconds": (
            "Time that the first row has waited; 0 if none waits.",
            lambda each: each.age(now),
        ),
    }
    for name, (about, read) in families.items():
        gauge = GaugeMetricFamily(name, about, labels=("outbox",))
        for each in readings:
            if each.backlog is not None:
                gauge.add_metric((each.outbox,), read(each.backlog))
        yield gauge
    sends = GaugeMetricFamily(
        "upnext_outbox_relay_up", "0 while database or server fail the relay.", labels=("outbox",)
    )
    for each in readings:
        sends.add_metric((each.outbox,), float(not each.trouble))
    yield sends


_JOBS = _JobCounts()
_SERVICES = _Services()


def build_info() -> Metric:
    """Return the version of upnext, as the label of a metric that is 1."""
    info = GaugeMetricFamily("upnext_build_info", "The version of upnext.", labels=("version",))
    info.add_metric((__version__,), 1)
    return info
