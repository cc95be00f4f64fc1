"""`upnext status`: workers, running and waiting jobs, leftovers."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.cli import exits
from upnext.cli.connection import add_server_options, ask, described
from upnext.cli.fleet import (
    blocked_workers,
    full_workers,
    lagging_outboxes,
    late_jobs,
    missing_in_words,
    no_worker,
    options_in_words,
    overdue_schedules,
    starving_jobs,
    unserved_schedules,
    unstored_ends,
)
from upnext.cli.moments import age
from upnext.cli.parser import examples
from upnext.cli.status_json import status_json, totals
from upnext.cli.table import table
from upnext.cli.terminal import coloured, terminal_width, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from upnext.broker.namespace import Namespace
    from upnext.broker.status import NamespaceStatus, QueueStatus
    from upnext.cli.commands import Subparsers

_MOST_ROWS = 40
_MOST_RUNNING = 10
_DESCRIPTION = """\
Shows the worker processes with the jobs that they hold, what blocks them, jobs that have long been waiting for other
jobs, the longest-running jobs, the queue of each handler, events that wait for a first handler, and the number of dead
letters. `lag` is the time since the first waiting job's event was sent."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "status",
        help="show workers, queues and what is left behind",
        description=_DESCRIPTION,
        epilog=examples("upnext status", "upnext status --service service.py --format json"),
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    add_server_options(parser, file=True)
    parser.set_defaults(command=status)


def status(arguments: argparse.Namespace) -> int:
    """Run the command."""
    where, found = ask(arguments, _read)
    if arguments.format == "json":
        print(json.dumps(status_json(where, found, _locked(found)), indent=2))
    else:
        for line in _as_text(found, where["namespace"], terminal_width()):
            print(line)
    if found.unseen:
        from upnext.broker.partial_results import PartialResultError  # noqa: PLC0415 - commands import what they need

        raise PartialResultError(found.unseen)
    return exits.CLEAN


async def _read(namespace: Namespace) -> tuple[dict[str, str], NamespaceStatus]:
    return described(namespace), await namespace.status_reader.seen()


def _locked(status: NamespaceStatus) -> Mapping[HandlerId, str]:
    """Return the handlers of the current project: if no worker reports its own, only they may be missing."""
    from upnext.runner.unimported import Lock, current_folder  # noqa: PLC0415 - commands import what they need

    if any(worker.alive for worker in status.workers):
        return {}
    return Lock.beside(current_folder()).handlers


def _as_text(status: NamespaceStatus, namespace: str, width: int | None) -> Iterator[str]:
    counts = totals(status)
    yield from _workers(status, counts["workers"], width)
    if nobody := no_worker(status, namespace):
        yield coloured("warn", f"{nobody[0].upper()}{nobody[1:]}")
    for handler in missing_in_words(status)[:_MOST_ROWS]:
        yield coloured("warn", f"No worker has imported handler {visible(handler)}")
    yield ""
    yield from _queues(status, counts, width)
    yield from _running(status, width)
    if status.unrouted:
        yield ""
        yield coloured("bold", f"Events without a handler so far: {counts['unrouted']:,}")
        rows = [(unrouted.event, unrouted.events, age(unrouted.lag)) for unrouted in status.unrouted]
        yield from _cut(table(("event", "events", "lag"), rows, width, ("event",)), len(rows))
    yield ""
    yield coloured("bold", f"Dead letters: {status.dead:,}") + (" (see `upnext dead list`)" if status.dead else "")


def _workers(status: NamespaceStatus, alive: int, width: int | None) -> Iterator[str]:
    yield coloured("bold", f"Workers: {alive:,}")
    if status.workers:
        head = ("worker", "host", "pid", "handlers", "running", "claimed", "lease renewed")
        rows = [
            (
                worker.worker,
                worker.host,
                str(worker.pid),
                len(worker.handlers),
                worker.running,
                worker.claimed,
                f"{age(worker.renewed)} ago" if worker.alive else "dead",
            )
            for worker in status.workers
        ]
        yield from _cut(table(head, rows, width, ("worker", "host")), len(rows))
    for lines in (
        blocked_workers(status),
        unstored_ends(status),
        late_jobs(status),
        full_workers(status),
        starving_jobs(status),
        [f"outbox {line}" for line in lagging_outboxes(status)],
        [f"{line[0].upper()}{line[1:]}" for line in (*unserved_schedules(status), *overdue_schedules(status))],
    ):
        yield from (coloured("warn", visible(line)) for line in lines[:_MOST_RUNNING])


def _running(status: NamespaceStatus, width: int | None) -> Iterator[str]:
    jobs = [(job, worker) for worker in status.workers for job in worker.activity.running]
    if not jobs:
        return
    jobs.sort(key=lambda entry: entry[0].since)
    total = sum(worker.activity.total for worker in status.workers)
    yield ""
    yield coloured("bold", f"Jobs that run for 2 s or longer: {total:,}")
    rows = [
        (
            age(status.now - job.since),
            HandlerId.within(worker.worker, job.handler).subject,
            HandlerId.within(worker.worker, job.handler).name,
            job.job,
            f"{worker.worker} ({worker.host} {worker.pid})",
        )
        for job, worker in jobs[:_MOST_RUNNING]
    ]
    yield from table(("for", "event", "handler", "job", "worker"), rows, width, ("worker", "event", "handler"))
    if total > len(rows):
        yield f"and {total - len(rows):,} more; see `upnext jobs list --state running`"


def _queues(status: NamespaceStatus, counts: dict[str, int], width: int | None) -> Iterator[str]:
    yield coloured(
        "bold",
        f"Jobs: {counts['waiting']:,} waiting, {counts['claimed']:,} claimed, "
        f"{counts['later']:,} delayed or to be retried",
    )
    shown = status.queues
    if len(shown) > _MOST_ROWS:
        shown = tuple(queue for queue in shown if not queue.idle or queue.handler in status.paused)
    shown = tuple(sorted(shown, key=lambda queue: (not queue.parked, -(queue.lag or 0.0))))
    if shown:
        yield from _cut(_queue_table(shown, status, width), len(shown))
    if hidden := len(status.queues) - len(shown):
        yield f"and {hidden:,} handler(s) with nothing to do"
    if counts["parked"]:
        yield f"{counts['parked']:,} job(s) are parked: no living worker has their handler."


def _queue_table(shown: Sequence[QueueStatus], status: NamespaceStatus, width: int | None) -> Iterator[str]:
    handlers = [HandlerId.parse(queue.handler) for queue in shown]
    columns: dict[str, list[object]] = {
        "worker": [handler.worker for handler in handlers],
        "event": [handler.subject for handler in handlers],
        "handler": [handler.name for handler in handlers],
        "waiting": [queue.waiting for queue in shown],
        "delayed": [queue.delayed for queue in shown],
        "retries": [queue.retrying for queue in shown],
        "claimed": [queue.claimed for queue in shown],
        "lag": [age(queue.lag) for queue in shown],
        "": [_note(queue, status) for queue in shown],
    }
    if len(set(columns["worker"])) == 1:
        del columns["worker"]
    for name in ("delayed", "retries", ""):
        if not any(columns[name]):
            del columns[name]
    yield from table(list(columns), list(zip(*columns.values(), strict=True)), width, ("worker", "event", "handler"))


def _note(queue: QueueStatus, status: NamespaceStatus) -> str:
    if queue.handler in status.paused:
        return f"paused for {age(status.now - status.paused[queue.handler])}"
    if queue.subscribed is False:
        return "parked, not subscribed" if queue.parked else "not subscribed"
    if queue.parked:
        return "parked"
    if any(not schedule.served and schedule.record.handler == queue.handler for schedule in status.schedules):
        return "schedule not served"
    if queue.queues_for_nobody and any(worker.alive for worker in status.workers):
        return "not served"
    return options_in_words(queue)


def _cut(lines: Iterator[str], rows: int) -> Iterator[str]:
    for n, line in enumerate(lines):
        if n > _MOST_ROWS:
            yield f"and {rows - _MOST_ROWS:,} more; --format json shows all"
            return
        yield line
