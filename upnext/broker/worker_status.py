"""The status of one worker process, from its lease, its claims and its own record on the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from upnext.broker.activity import Activity
from upnext.broker.handler_id import HandlerId
from upnext.broker.handler_limits import LIMITS, HandlerLimits
from upnext.broker.leases import lease_of
from upnext.broker.replies import parse_json
from upnext.broker.schedules import SCHEDULES
from upnext.broker.uniqueness import UNIQUE, Uniqueness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker process.

    Attributes:
        id: Its id on the server.
        worker: The worker's name.
        host: Where it runs.
        pid: Its process there.
        since: When it started, in seconds since 1970 by its own clock.
        concurrency: How many jobs it runs at the same time.
        version: Its version of upnext.
        handlers: Identities of its handlers and tasks.
        claimed: How many jobs it holds.
        running: How many of them have started.
        lease: The length of its lease in seconds.
        renewed: Seconds since it renewed its lease.
        alive: Whether its lease stands.
        activity: What blocks it, and which jobs it has been running for long.
        unimported: Handlers of its project that it does not have: `event|name` -> module.
        limits: What those of its handlers that have limits are limited to, by their identity.
        uniqueness: What the jobs of some of them are unique by.
        schedules: Identities of its tasks that it has schedules for; of an earlier release, which does not say, of all
            handlers and tasks.
    """

    id: str
    worker: str
    host: str
    pid: int
    since: float
    concurrency: int
    version: str
    handlers: tuple[str, ...]
    claimed: int
    running: int
    lease: float
    renewed: float
    alive: bool
    activity: Activity = Activity()  # noqa: RUF009  (which cannot be changed)
    unimported: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: Mapping[str, HandlerLimits] = field(default_factory=dict[str, HandlerLimits])
    uniqueness: Mapping[str, Uniqueness] = field(default_factory=dict[str, Uniqueness])
    schedules: tuple[str, ...] = ()


def by_life(worker: WorkerStatus) -> tuple[bool, str, str, int]:
    """Sort workers: the living first, then by name and place."""
    return not worker.alive, worker.worker, worker.host, worker.pid


def read_worker(worker_id: str, record: bytes | None, left: float, claimed: int, running: int) -> WorkerStatus:
    """Read what a worker told of itself; `left` are the seconds until its lease ends.

    What another program, or a later release, has put there in its place counts as nothing.
    """
    try:
        return _from_record(worker_id, {} if record is None else parse_json(record), left, claimed, running)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return _from_record(worker_id, {}, left, claimed, running)


def _from_record(worker_id: str, record: dict[str, Any], left: float, claimed: int, running: int) -> WorkerStatus:
    lease = lease_of(worker_id)
    name = str(record.get("worker", "?"))
    handlers = record.get("handlers", ())
    return WorkerStatus(
        id=worker_id,
        worker=name,
        host=str(record.get("host", "?")),
        pid=int(record.get("pid", 0)),
        since=float(record.get("since", 0)),
        concurrency=int(record.get("concurrency", 0)),
        version=str(record.get("version", "?")),
        handlers=tuple(str(HandlerId.within(name, handler)) for handler in handlers),
        claimed=claimed,
        running=running,
        lease=lease,
        renewed=max(lease - left, 0.0),
        alive=left > 0,
        activity=Activity.from_record(record),
        unimported=_unimported(record.get("unimported")),
        limits=_by_handler(name, record.get(LIMITS), HandlerLimits.read),
        uniqueness=_by_handler(name, record.get(UNIQUE), Uniqueness.read),
        schedules=tuple(str(HandlerId.within(name, handler)) for handler in record.get(SCHEDULES, handlers)),
    )


def _by_handler(worker: str, entries: object, read: Callable[[object], T | None]) -> dict[str, T]:
    """Read what a worker says of some of its handlers, by their identity; without what cannot be read."""
    if not isinstance(entries, dict):
        return {}
    found = {
        str(HandlerId.within(worker, str(name))): read(written)
        for name, written in cast("dict[object, object]", entries).items()
    }
    return {handler: value for handler, value in found.items() if value is not None}


def limits_of(workers: Sequence[WorkerStatus]) -> dict[str, HandlerLimits]:
    """Return what handlers are limited to while all of these workers live."""
    found: dict[str, HandlerLimits] = {}
    for worker in workers:
        for handler in worker.handlers if worker.alive else ():
            limits = worker.limits.get(handler, HandlerLimits())
            found[handler] = limits.or_greater(found[handler]) if handler in found else limits
    return found


def _unimported(entries: object) -> dict[str, str]:
    if not isinstance(entries, dict):
        return {}
    return {str(handler): str(module) for handler, module in cast("dict[object, object]", entries).items()}
