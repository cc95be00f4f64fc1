"""Problems of a namespace's workers, in the words of `upnext status` and `upnext doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.cli.moments import age
from upnext.outbox.backlog import LAGS_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from upnext.broker.activity import WaitingJob
    from upnext.broker.outbox_reports import OutboxLag
    from upnext.broker.schedules import ScheduleStatus
    from upnext.broker.status import NamespaceStatus, QueueStatus
    from upnext.broker.worker_status import WorkerStatus


_FULL_FOR = 60.0  # seconds that the oldest job has to run before full slots are reported


def blocked_in_words(worker: WorkerStatus, now: float) -> str:
    """Return what blocks a worker, "" if nothing does."""
    blocked = worker.activity.blocked
    if blocked is None:
        return ""
    handler = HandlerId.within(worker.worker, blocked.handler).name
    job = f", job {blocked.job}" if blocked.job else ""
    where = f", at {blocked.frame}" if blocked.frame else ""
    duration = age(now - blocked.since)
    return f"{blocked.what} blocked for {duration}{f' in handler {handler}' if handler else ''}{job}{where}"


def blocked_workers(status: NamespaceStatus) -> list[str]:
    """Return a line for each living worker process that is blocked."""
    return [
        f"{worker.worker} ({worker.host} {worker.pid}): {words}"
        for worker in status.workers
        if worker.alive and (words := blocked_in_words(worker, status.now))
    ]


def unstored_ends(status: NamespaceStatus) -> list[str]:
    """Return a line for each living worker process that cannot report the ends of its jobs to the server."""
    return [
        f"{worker.worker} ({worker.host} {worker.pid}): the end of {unstored.jobs:,} job(s) cannot be stored: "
        f"{unstored.cause}"
        for worker in status.workers
        if worker.alive and (unstored := worker.activity.unstored) is not None
    ]


def late_jobs(status: NamespaceStatus) -> list[str]:
    """Return a line for each job that outlived its timeout: a thread cannot be stopped."""
    return [
        f"{worker.worker} ({worker.host} {worker.pid}): handler {HandlerId.within(worker.worker, job.handler).name} "
        f"has been past its timeout for {age(status.now - job.late)} and goes on, job {job.job}"
        for worker in status.workers
        if worker.alive
        for job in worker.activity.running
        if job.late is not None
    ]


def full_workers(status: NamespaceStatus) -> list[str]:
    """Return a line for each living worker process whose slots have all been in use for a long time."""
    return [
        f"{worker.worker} ({worker.host} {worker.pid}): all {worker.concurrency:,} slots are taken; the oldest job, of "
        f"handler {HandlerId.within(worker.worker, oldest.handler).name}, has run for {age(status.now - oldest.since)}"
        for worker in status.workers
        if worker.alive and worker.activity.running and 0 < worker.concurrency <= worker.activity.total
        for oldest in (min(worker.activity.running, key=lambda job: job.since),)
        if status.now - oldest.since >= _FULL_FOR
    ]


def starving_jobs(status: NamespaceStatus) -> list[str]:
    """Return a line for each job that has been waiting for other jobs for a long time."""
    return [
        f"{worker.worker} ({worker.host} {worker.pid}): {_wait_in_words(worker, job, status.now)}"
        for worker in status.workers
        if worker.alive
        for job in worker.activity.waiting
    ]


def _wait_in_words(worker: WorkerStatus, job: WaitingJob, now: float) -> str:
    handler, duration = HandlerId.within(worker.worker, job.handler).name, age(now - job.since)
    waits_for = ", ".join(job.waits_for) or "an event without handlers"
    return f"handler {handler} has waited {duration} for {waits_for}, job {job.job}"


def lagging_outboxes(status: NamespaceStatus) -> list[str]:
    """Return a line for each outbox that is behind, has set-aside rows, or has no relay."""
    return [f"{lag.outbox}: {'; '.join(words)}" for lag in status.outboxes if (words := _lag_in_words(lag, status.now))]


def _lag_in_words(lag: OutboxLag, now: float) -> list[str]:
    waited = 0.0 if lag.since is None else now - lag.since
    words: list[str] = []
    if lag.is_unattended(now):
        words.append(f"no relay of it has reported for {age(now - lag.reported)}; {lag.waiting:,} row(s) waited then")
    elif waited >= LAGS_AFTER:
        words.append(f"{lag.waiting:,} row(s) wait, the first for {age(waited)}")
    if lag.set_aside:
        words.append(f"{lag.set_aside:,} row(s) are set aside and not sent")
    return words


def unserved_schedules(status: NamespaceStatus) -> list[str]:
    """Return a line for each schedule whose task no living worker has; none if not all workers are visible."""
    return [
        f"no living worker has the {_schedule_in_words(schedule)}: its ticks do not run"
        for schedule in status.schedules
        if not schedule.served and not status.unseen
    ]


def overdue_schedules(status: NamespaceStatus) -> list[str]:
    """Return a line for each schedule that a living worker has and that is overdue."""
    return [
        f"the {_schedule_in_words(schedule)} did not run at {schedule.overdue.isoformat()}"
        for schedule in status.schedules
        if schedule.served and schedule.overdue is not None
    ]


def _schedule_in_words(schedule: ScheduleStatus) -> str:
    identity = HandlerId.parse(schedule.record.handler)
    return f"scheduled task {identity.name!r} (worker {identity.worker!r})"


def limit_in_words(queue: QueueStatus) -> str:
    """Return how much of a handler's limits is used, and whether jobs wait for them; "" if it has none."""
    limit, rate = queue.limits.limit, queue.limits.rate
    if queue.limits.by is not None:
        return f"{queue.limits}: {queue.in_line:,} in line" if queue.in_line else str(queue.limits)
    slots = "" if limit is None else f"{queue.claimed:,} of {limit:,} in use"
    starts = "" if rate is None else f"{queue.started:,} of {rate} started"
    if queue.waits_for:
        return f"waits for a slot: {slots}" if queue.waits_for == "slot" else f"waits for its rate: {starts}"
    return ", ".join(filter(None, (slots, starts)))


def options_in_words(queue: QueueStatus) -> str:
    """Return `limit_in_words`, and what a handler's jobs are unique by."""
    return ", ".join(filter(None, (limit_in_words(queue), str(queue.unique or ""))))


def limited_queues(status: NamespaceStatus) -> list[str]:
    """Return a line for each handler whose jobs wait for one of its limits."""
    return [
        f"{queue.handler} {words} ({queue.waiting:,} waiting)"
        for queue in status.queues
        if queue.waits_for and (words := limit_in_words(queue))
    ]


def differing_limits(status: NamespaceStatus) -> list[str]:
    """Return a line for each handler that living processes limit differently."""
    return _differing(status, lambda worker, handler: str(worker.limits.get(handler, "no limit")))


def differing_uniqueness(status: NamespaceStatus) -> list[str]:
    """Return a line for each handler whose uniqueness living processes declare differently."""
    return _differing(status, lambda worker, handler: str(worker.uniqueness.get(handler, "not unique")))


def _differing(status: NamespaceStatus, of: Callable[[WorkerStatus, str], str]) -> list[str]:
    found: dict[str, set[str]] = {}
    for worker in status.workers:
        for handler in worker.handlers if worker.alive else ():
            found.setdefault(handler, set()).add(of(worker, handler))
    return [f"{handler}: {', '.join(sorted(words))}" for handler, words in sorted(found.items()) if len(words) > 1]


def no_worker(status: NamespaceStatus, namespace: str) -> str:
    """Return the consequence of having no living worker process, "" if there is one, or may be."""
    if status.unseen or any(worker.alive for worker in status.workers):
        return ""
    if not status.queues and not status.gone and not status.workers:
        return f"no handler has ever connected to namespace {namespace!r}"
    return f"no worker process is alive; {len(status.queues):,} handler(s) are known here"


def missing_handlers(status: NamespaceStatus, lock: Mapping[HandlerId, str] | None = None) -> dict[HandlerId, str]:
    """Return the project's handlers that no living worker of their name has, with their modules.

    Args:
        status: The namespace.
        lock: The handlers of the project at hand, with their modules; what workers say of theirs counts as well. Those
            of workers that do not run are left out while others do: they may be at home in another namespace.
    """
    living = [worker for worker in status.workers if worker.alive]
    served = {handler for worker in living for handler in worker.handlers}
    names = {worker.worker for worker in living}
    known = {HandlerId.within(w.worker, local): module for w in living for local, module in w.unimported.items()}
    known |= {handler: module for handler, module in (lock or {}).items() if handler.worker in names or not names}
    missing = {handler: module for handler, module in known.items() if str(handler) not in served}
    return dict(sorted(missing.items(), key=lambda each: (each[0].name, each[1], each[0])))


def missing_in_words(status: NamespaceStatus, lock: Mapping[HandlerId, str] | None = None) -> list[str]:
    """Return them as `name of event (module)`."""
    return [
        f"{handler.name} ({module})" if handler.is_task else f"{handler.name} of {handler.event} ({module})"
        for handler, module in missing_handlers(status, lock).items()
    ]
