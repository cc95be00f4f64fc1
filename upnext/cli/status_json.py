"""The status of a namespace as JSON, in the shape that docs/running.md describes. Keys are only ever added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upnext.broker.activity import summed
from upnext.broker.handler_id import HandlerId
from upnext.cli.fleet import missing_handlers
from upnext.cli.moments import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upnext.broker.outbox_reports import OutboxLag
    from upnext.broker.schedules import ScheduleStatus
    from upnext.broker.status import NamespaceStatus, QueueStatus
    from upnext.broker.worker_status import WorkerStatus


def status_json(where: dict[str, str], status: NamespaceStatus, lock: Mapping[HandlerId, str]) -> dict[str, Any]:
    """Return the whole status; the lock's handlers are those of the current project that may be missing."""
    unreachable = [{"partition": one.partition, "reason": one.reason} for one in status.unseen]
    return {
        **where,
        **({"unreachable": unreachable} if unreachable else {}),
        "workers": [_worker(worker) for worker in status.workers],
        "queues": [_queue(queue) for queue in status.queues],
        "unrouted": [
            {"event": unrouted.event, "events": unrouted.events, "lag": _rounded(unrouted.lag)}
            for unrouted in status.unrouted
        ],
        "totals": totals(status),
        "ended": [
            {**_parts(HandlerId.parse(handler)), "done": done, "failed": failed}
            for handler, (done, failed) in sorted(ended(status).items())
        ],
        "blocked": [_blocked(worker, status.now) for worker in status.workers if worker.activity.blocked is not None],
        "unstored_ends": [_unstored(worker) for worker in status.workers if worker.activity.unstored is not None],
        "running_jobs": [
            {
                "job_id": job.job,
                **_handler(worker, job.handler),
                **_process(worker),
                **_since(job.since, status.now),
                "past_timeout_for": None if job.late is None else round(max(status.now - job.late, 0.0), 1),
            }
            for worker in status.workers
            for job in worker.activity.running
        ],
        "waiting_jobs": [
            {
                "job_id": job.job,
                **_handler(worker, job.handler),
                "waits_for": list(job.waits_for),
                **_process(worker),
                **_since(job.since, status.now),
            }
            for worker in status.workers
            for job in worker.activity.waiting
        ],
        "outboxes": [_outbox(lag, status.now) for lag in status.outboxes],
        "schedules": [_schedule(schedule, status.now) for schedule in status.schedules],
        "missing_handlers": [f"{each.name} ({module})" for each, module in missing_handlers(status, lock).items()],
        "paused": [
            {**_parts(HandlerId.parse(handler)), **_since(since, status.now)}
            for handler, since in sorted(status.paused.items())
        ],
    }


def totals(status: NamespaceStatus) -> dict[str, int]:
    """Return the counts over all workers and handlers."""
    return {
        "workers": sum(worker.alive for worker in status.workers),
        "waiting": sum(queue.waiting for queue in status.queues),
        "later": status.later,
        "claimed": sum(queue.claimed for queue in status.queues),
        "parked": sum(queue.parked for queue in status.queues),
        "unrouted": sum(unrouted.events for unrouted in status.unrouted),
        "dead": status.dead,
    }


def ended(status: NamespaceStatus) -> dict[str, tuple[int, int]]:
    """Return the attempts, successful and failed, that ended in living processes, by the handler's identity."""
    return summed(
        {str(HandlerId.within(worker.worker, local)): counts for local, counts in worker.activity.ended.items()}
        for worker in status.workers
        if worker.alive
    )


def _worker(worker: WorkerStatus) -> dict[str, Any]:
    return {
        "id": worker.id,
        "worker": worker.worker,
        **_process(worker),
        "started_at": moment(worker.since * 1000, "seconds"),
        "version": worker.version,
        "concurrency": worker.concurrency,
        "handlers": list(worker.handlers),
        "claimed": worker.claimed,
        "running": worker.running,
        "lease": worker.lease,
        "renewed": _rounded(worker.renewed),
        "alive": worker.alive,
    }


def _blocked(worker: WorkerStatus, now: float) -> dict[str, Any]:
    blocked = worker.activity.blocked
    assert blocked is not None, "only those that are blocked"
    return {
        "what": blocked.what,
        **_handler(worker, blocked.handler),
        "job_id": blocked.job,
        "frame": blocked.frame,
        **_process(worker),
        **_since(blocked.since, now),
    }


def _unstored(worker: WorkerStatus) -> dict[str, Any]:
    unstored = worker.activity.unstored
    assert unstored is not None, "only those that have some"
    return {"jobs": unstored.jobs, "cause": unstored.cause, "worker": worker.worker, **_process(worker)}


def _outbox(lag: OutboxLag, now: float) -> dict[str, Any]:
    return {
        "outbox": lag.outbox,
        "waiting": lag.waiting,
        "set_aside": lag.set_aside,
        "oldest": None if lag.since is None else _rounded(max(now - lag.since, 0.0)),
        "reported": _rounded(max(now - lag.reported, 0.0)),
    }


def _schedule(schedule: ScheduleStatus, now: float) -> dict[str, Any]:
    identity, record = HandlerId.parse(schedule.record.handler), schedule.record
    last = record.last if record.has_run else None
    return {
        "worker": identity.worker,
        "task": identity.name,
        "served": schedule.served,
        "last_tick": None if last is None else moment(last.timestamp() * 1000),
        "overdue": None if schedule.overdue is None else _rounded(max(now - schedule.overdue.timestamp(), 0.0)),
    }


def _queue(queue: QueueStatus) -> dict[str, Any]:
    return {
        **_parts(HandlerId.parse(queue.handler)),
        "waiting": queue.waiting,
        "delayed": queue.delayed,
        "retrying": queue.retrying,
        "claimed": queue.claimed,
        "lag": _rounded(queue.lag),
        "parked": bool(queue.parked),
        "limit": queue.limits.limit,
        "rate": None if queue.limits.rate is None else str(queue.limits.rate),
        "started": queue.started,
        "waits_for_limit": bool(queue.waits_for),
        "by": queue.limits.by,
        "in_line": queue.in_line,
        "unique": None if queue.unique is None else queue.unique.named,
        "subscribed": queue.subscribed,
    }


def _parts(handler: HandlerId) -> dict[str, str]:
    return {"worker": handler.worker, "event": handler.subject, "handler": handler.name}


def _handler(worker: WorkerStatus, local: str) -> dict[str, str]:
    return _parts(HandlerId.within(worker.worker, local))


def _process(worker: WorkerStatus) -> dict[str, Any]:
    return {"host": worker.host, "pid": worker.pid}


def _since(since: float, now: float) -> dict[str, Any]:
    return {"since": moment(since * 1000), "seconds": _rounded(max(now - since, 0.0))}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
