"""`upnext status`: who works, what waits, what is left behind."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upnext.broker.handler_id import HandlerId
from upnext.cli import exits
from upnext.cli.connection import add_server_options, ask, described
from upnext.cli.moments import age
from upnext.cli.table import table
from upnext.cli.terminal import coloured, terminal_width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from upnext.broker.namespace import Namespace
    from upnext.broker.status import NamespaceStatus, QueueStatus, WorkerStatus
    from upnext.cli.commands import Subparsers

_MOST_ROWS = 40
_DESCRIPTION = """\
Shows the worker processes with the jobs that they hold, the queue of each handler, events that wait for a first
handler, and how many dead letters there are. `lag` is the time since the first waiting job's event was sent."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "status", help="show workers, queues and what is left behind", description=_DESCRIPTION
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to show (default: text)")
    add_server_options(parser, file=True)
    parser.set_defaults(command=status)


def status(arguments: argparse.Namespace) -> int:
    """Run the command."""
    where, standing = ask(arguments, _read)
    if arguments.format == "json":
        print(json.dumps(as_json(where, standing), indent=2))
    else:
        for line in _as_text(where, standing, terminal_width()):
            print(line)
    if standing.unseen:
        from upnext.broker.partial_results import PartialResultError  # noqa: PLC0415 - commands import what they need

        raise PartialResultError(standing.unseen)
    return exits.CLEAN


async def _read(namespace: Namespace) -> tuple[dict[str, str], NamespaceStatus]:
    return described(namespace), await namespace.status_reader.seen()


def as_json(where: dict[str, str], standing: NamespaceStatus) -> dict[str, Any]:
    """Return the shape that docs/running.md describes: keys are only ever added to it."""
    unreachable = [{"partition": one.partition, "reason": one.reason} for one in standing.unseen]
    return {
        **where,
        **({"unreachable": unreachable} if unreachable else {}),
        "workers": [_worker_json(worker) for worker in standing.workers],
        "queues": [_queue_json(queue) for queue in standing.queues],
        "unrouted": [
            {"event": unrouted.event, "events": unrouted.events, "lag": _rounded(unrouted.lag)}
            for unrouted in standing.unrouted
        ],
        "totals": {
            "workers": sum(worker.alive for worker in standing.workers),
            "waiting": sum(queue.waiting for queue in standing.queues),
            "later": standing.later,
            "claimed": sum(queue.claimed for queue in standing.queues),
            "parked": sum(queue.waiting for queue in standing.queues if queue.parked),
            "unrouted": sum(unrouted.events for unrouted in standing.unrouted),
            "dead": standing.dead,
        },
    }


def _worker_json(worker: WorkerStatus) -> dict[str, Any]:
    return {
        "id": worker.id,
        "worker": worker.worker,
        "host": worker.host,
        "pid": worker.pid,
        "started_at": datetime.fromtimestamp(worker.since, UTC).isoformat(timespec="seconds"),
        "version": worker.version,
        "concurrency": worker.concurrency,
        "handlers": list(worker.handlers),
        "claimed": worker.claimed,
        "running": worker.running,
        "lease": worker.lease,
        "renewed": _rounded(worker.renewed),
        "alive": worker.alive,
    }


def _queue_json(queue: QueueStatus) -> dict[str, Any]:
    worker, event, name = parts(queue.handler)
    return {
        "worker": worker,
        "event": event,
        "handler": name,
        "waiting": queue.waiting,
        "delayed": queue.delayed,
        "retrying": queue.retrying,
        "claimed": queue.claimed,
        "lag": _rounded(queue.lag),
        "parked": queue.parked,
    }


def parts(identity: str) -> tuple[str, str, str]:
    """Return the worker, the event and the name of a handler; a task's event is its own name, as in dead letters."""
    handler_id = HandlerId.parse(identity)
    return handler_id.worker, handler_id.subject, handler_id.name


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _as_text(where: dict[str, str], standing: NamespaceStatus, width: int | None) -> Iterator[str]:
    totals = as_json(where, standing)["totals"]
    yield from _workers(standing.workers, totals["workers"], width)
    yield ""
    yield from _queues(standing, totals, width)
    if standing.unrouted:
        yield ""
        yield coloured("bold", f"Events without a handler so far: {totals['unrouted']:,}")
        rows = [(unrouted.event, unrouted.events, age(unrouted.lag)) for unrouted in standing.unrouted]
        yield from _cut(table(("event", "events", "lag"), rows, width, ("event",)), len(rows))
    yield ""
    yield coloured("bold", f"Dead letters: {standing.dead:,}") + (" (see `upnext dead list`)" if standing.dead else "")


def _workers(workers: Sequence[WorkerStatus], alive: int, width: int | None) -> Iterator[str]:
    yield coloured("bold", f"Workers: {alive:,}")
    if workers:
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
            for worker in workers
        ]
        yield from _cut(table(head, rows, width, ("worker", "host")), len(rows))


def _queues(standing: NamespaceStatus, totals: dict[str, Any], width: int | None) -> Iterator[str]:
    yield coloured(
        "bold",
        f"Jobs: {totals['waiting']:,} waiting, {totals['claimed']:,} claimed, "
        f"{totals['later']:,} delayed or to be retried",
    )
    shown = standing.queues
    if len(shown) > _MOST_ROWS:
        shown = tuple(queue for queue in shown if not queue.idle)
    shown = tuple(sorted(shown, key=lambda queue: (not queue.parked, -(queue.lag or 0.0))))
    if shown:
        yield from _cut(_queue_table(shown, width), len(shown))
    if hidden := len(standing.queues) - len(shown):
        yield f"and {hidden:,} handler(s) with nothing to do"
    if totals["parked"]:
        yield f"{totals['parked']:,} job(s) are parked: no living worker has their handler."


def _queue_table(shown: Sequence[QueueStatus], width: int | None) -> Iterator[str]:
    columns: dict[str, list[object]] = {
        "worker": [parts(queue.handler)[0] for queue in shown],
        "event": [parts(queue.handler)[1] for queue in shown],
        "handler": [parts(queue.handler)[2] for queue in shown],
        "waiting": [queue.waiting for queue in shown],
        "delayed": [queue.delayed for queue in shown],
        "retries": [queue.retrying for queue in shown],
        "claimed": [queue.claimed for queue in shown],
        "lag": [age(queue.lag) for queue in shown],
        "": ["parked" if queue.parked else "" for queue in shown],
    }
    if len(set(columns["worker"])) == 1:
        del columns["worker"]
    for name in ("delayed", "retries", ""):
        if not any(columns[name]):
            del columns[name]
    yield from table(list(columns), list(zip(*columns.values(), strict=True)), width, ("worker", "event", "handler"))


def _cut(lines: Iterator[str], rows: int) -> Iterator[str]:
    for n, line in enumerate(lines):
        if n > _MOST_ROWS:
            yield f"and {rows - _MOST_ROWS:,} more; --format json shows all"
            return
        yield line
