"""Metrics and traces, each with the library of its extra, which nothing else imports."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from upnext.outbox.backlog import RelayReading
    from upnext.runner.runner import WorkerReading


def metrics_of_process(
    readings: Callable[[], Sequence[WorkerReading]], outboxes: Callable[[], Sequence[RelayReading]]
) -> AbstractContextManager[Callable[[], bytes]] | None:
    """Return an object that counts the jobs of this process and renders its metrics; None without the library.

    Args:
        readings: How the workers of this process stand.
        outboxes: How its relays stand.
    """
    # By its name, so that type checkers, which read upnext for each project, need not read the library.
    try:
        module = import_module("upnext.telemetry.process_metrics")
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        return None
    found: AbstractContextManager[Callable[[], bytes]] = module.process_metrics(readings, outboxes)
    return found
