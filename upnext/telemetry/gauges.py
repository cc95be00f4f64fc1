"""Gauges for Prometheus: their descriptions, and how labelled values are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from upnext import __version__

T = TypeVar("T")

Families: TypeAlias = Mapping[str, tuple[str, Callable[[T], float | None]]]
"""What a gauge says and how to read it, by its name; None for no value."""


def gauges(labels: Sequence[str], families: Families[T], read_from: Mapping[tuple[str, ...], T]) -> Iterator[Metric]:
    """Yield a gauge for each family.

    Args:
        labels: The names of the labels.
        families: The gauges.
        read_from: What they are read from, by the values of the labels.
    """
    for name, (about, read) in families.items():
        gauge = GaugeMetricFamily(name, about, labels=labels)
        for values, source in read_from.items():
            value = read(source)
            if value is not None:
                gauge.add_metric(values, value)
        yield gauge


class OutboxRows(NamedTuple):
    """The rows of an outbox.

    Attributes:
        waiting: How many are still to be sent.
        set_aside: How many are set aside.
        age: Seconds since the first of those that wait was written; 0 if none waits.
    """

    waiting: int
    set_aside: int
    age: float


_OUTBOX: Families[OutboxRows] = {
    "upnext_outbox_rows_waiting": ("Rows of the outbox that are still to be sent.", lambda rows: rows.waiting),
    "upnext_outbox_rows_set_aside": (
        "Rows that were refused so often that nobody sends them any more.",
        lambda rows: rows.set_aside,
    ),
    "upnext_outbox_oldest_waiting_seconds": (
        "Time since the first row that waits was written; 0 if none waits.",
        lambda rows: rows.age,
    ),
}


def outbox_gauges(outboxes: Mapping[str, OutboxRows]) -> Iterator[Metric]:
    """Yield what relay processes and the exporter report alike about outboxes, by name."""
    yield from gauges(("outbox",), _OUTBOX, {(name,): rows for name, rows in outboxes.items()})


def build_info() -> Metric:
    """Return the version of upnext, as the label of a metric that is 1."""
    info = GaugeMetricFamily("upnext_build_info", "The version of upnext.", labels=("version",))
    info.add_metric((__version__,), 1)
    return info
