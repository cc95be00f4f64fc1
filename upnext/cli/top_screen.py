"""One screen of `upnext top`: as many lines, and as wide, as the terminal has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from upnext.broker.handler_id import HandlerId
from upnext.cli.fleet import blocked_workers, full_workers, late_jobs, missing_in_words, starving_jobs
from upnext.cli.moments import age, moment
from upnext.cli.numbers import dead_letters
from upnext.cli.status_json import ended, totals
from upnext.cli.table import table
from upnext.cli.terminal import coloured, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext.broker.status import NamespaceStatus, QueueStatus
    from upnext.broker.worker_status import WorkerStatus
    from upnext.cli.rates import Rates

_MOST_WARNINGS = 5
_FIXED = 4  # lines of a screen besides its two tables: the totals, and a blank one before each


class Size(NamedTuple):
    """The maximum width of lines, None for any, and their maximum number."""

    width: int | None
    height: int


def screen(
    status: NamespaceStatus | None, rates: Rates, where: dict[str, str], size: Size, fault: str = ""
) -> list[str]:
    """Return the lines of one screen.

    Args:
        status: How the namespace stands, or last stood; None before the first answer.
        rates: How many attempts end a second.
        where: The server and the namespace.
        size: How large it may be.
        fault: Why there is no newer answer, or an empty string.
    """
    width, height = size
    clock = "" if status is None else f"  {moment(status.now * 1000, 'seconds')[11:19]} UTC"
    lines = [("bold", f"upnext {where['namespace']} on {where['server']}{clock}")]
    if fault:
        lines.append(("fail", fault))
    if status is not None:
        lines += [("", "What follows is the last answer.")] if fault else []
        lines += [("", line) for line in _counts(status, rates)]
        lines += [("warn", line) for line in _warnings(status)[:_MOST_WARNINGS]]
        room = max(height - len(lines) - _FIXED, 2)
        processes = min(len(status.workers), max(room // 3, 1))
        lines += _table(_queue_rows(status, rates), _QUEUES, width, room - processes - 1)
        lines += _table(_worker_rows(status, rates), _WORKERS, width, processes)
    fitted = [(style, visible(line)[:width]) for style, line in lines[:height]]
    return [coloured(style, line) if style else line for style, line in fitted]


_QUEUES = ("event", "handler", "waiting", "delayed", "retries", "claimed", "lag", "done/s", "failed/s", "failed", "")
_WORKERS = ("worker", "host", "pid", "running", "of", "jobs/s", "oldest job")


def _counts(status: NamespaceStatus, rates: Rates) -> Iterator[str]:
    counts = totals(status)
    done, failed = (sum(rate[n] for rate in rates.of_handlers.values()) for n in (0, 1))
    yield (
        f"{counts['workers']:,} worker(s)   {counts['waiting']:,} waiting   "
        f"{counts['later']:,} delayed or to be retried   {counts['claimed']:,} claimed   "
        f"{dead_letters(counts['dead'])}   {done:,.1f} done/s   {failed:,.1f} failed/s"
    )


def _warnings(status: NamespaceStatus) -> list[str]:
    unseen = [f"Partition {one.partition}: {one.reason}" for one in status.unseen]
    missing = [f"No worker has imported handler {handler}" for handler in missing_in_words(status)]
    return [
        *unseen,
        *blocked_workers(status),
        *late_jobs(status),
        *full_workers(status),
        *starving_jobs(status),
        *missing,
    ]


def by_urgency(status: NamespaceStatus, rates: Rates) -> list[QueueStatus]:
    """Return the handlers' queues: first those without a worker, then those that lag most, then the busiest."""

    def urgency(queue: QueueStatus) -> tuple[bool, float, float, str]:
        return not queue.parked, -(queue.lag or 0.0), -sum(rates.of_handlers.get(queue.handler, ())), queue.handler

    return sorted(status.queues, key=urgency)


def _queue_rows(status: NamespaceStatus, rates: Rates) -> list[list[object]]:
    counted = ended(status)
    rows: list[list[object]] = []
    for queue in by_urgency(status, rates):
        identity, rate = HandlerId.parse(queue.handler), rates.of_handlers.get(queue.handler)
        note = "paused" if queue.handler in status.paused else "parked" if queue.parked else ""
        rows.append(
            [
                *(identity.subject, identity.name, queue.waiting, queue.delayed, queue.retrying, queue.claimed),
                age(queue.lag),
                *(round(rate[n], 1) if rate else None for n in (0, 1)),
                counted.get(queue.handler, (0, 0))[1],
                note,
            ]
        )
    return rows


def _worker_rows(status: NamespaceStatus, rates: Rates) -> list[list[object]]:
    rows: list[list[object]] = []
    for worker in status.workers:
        rate = rates.of_processes.get(worker.id)
        rows.append(
            [
                *(worker.worker, worker.host, str(worker.pid), worker.running, worker.concurrency),
                None if rate is None else round(rate, 1),
                _oldest(worker, status.now) if worker.alive else "(dead)",
            ]
        )
    return rows


def _oldest(worker: WorkerStatus, now: float) -> str:
    job = min(worker.activity.running, key=lambda job: job.since, default=None)
    if job is None:
        return ""
    more = f", {worker.activity.total - 1:,} more" if worker.activity.total > 1 else ""
    return f"{HandlerId.within(worker.worker, job.handler).name} for {age(now - job.since)}{more}"


def _table(rows: list[list[object]], head: tuple[str, ...], width: int | None, height: int) -> list[tuple[str, str]]:
    """Return a blank line and a table with a maximum number of rows; the last one counts those left out."""
    shown = rows if len(rows) <= height else rows[: max(height - 1, 0)]
    lines = [*table(head, shown, width, ("event", "handler", "worker", "host", "oldest job"), in_lines=True)]
    left = len(rows) - len(shown)
    return [
        ("", ""),
        ("bold", lines[0]),
        *(("", line) for line in lines[1:]),
        *([("", f"and {left:,} more")] if left else ()),
    ]
