"""The checks of `upnext doctor` for clocks, partitions, workers and jobs; `broker.server_checks` checks servers."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from upnext import __version__
from upnext.broker.handler_id import HandlerId
from upnext.broker.server_checks import Check
from upnext.cli.fleet import (
    blocked_workers,
    differing_limits,
    differing_uniqueness,
    full_workers,
    lagging_outboxes,
    late_jobs,
    limited_queues,
    missing_in_words,
    no_worker,
    overdue_schedules,
    starving_jobs,
    unserved_schedules,
    unstored_ends,
)
from upnext.cli.numbers import dead_letters

if TYPE_CHECKING:
    from upnext.broker.status import NamespaceStatus

_SKEW = 1.0  # seconds
_NAMED = 3  # of many names


def clock(skew: float, uncertain: float) -> Check:
    """Check how far this machine's clock is from the server's."""
    if abs(skew) - uncertain > _SKEW:
        return Check("clock", "warn", f"{skew:+.1f} s from this machine to the server", "set both by NTP")
    return Check("clock", "ok", "this machine and the server agree within a second")


def partitions(sent: int, served: int) -> Check:
    """Check whether senders with this process's settings use every partition."""
    if sent < served:
        message = f"senders with the settings of this process use {sent} of {served}"
        return Check("partitions", "warn", message, f"set UPNEXT_PARTITIONS={served}, for workers and senders alike")
    return Check("partitions", "ok", f"{served}")


def fleet(
    standing: NamespaceStatus, namespace: str, lock: Mapping[HandlerId, str], crashed: Mapping[str, int]
) -> Iterator[Check]:
    """Check the workers, and the jobs that no worker takes.

    Args:
        standing: How the namespace stands.
        namespace: Its name.
        lock: The handlers of the project at hand, with their modules.
        crashed: How many jobs of each handler killed their workers lately.
    """
    yield from _living(standing, namespace)
    yield from _workers(standing, lock)
    yield from _schedules(standing)
    yield from _jobs(standing, crashed)


def _living(standing: NamespaceStatus, namespace: str) -> Iterator[Check]:
    alive = [worker for worker in standing.workers if worker.alive]
    if len(alive) < len(standing.workers):
        dead = len(standing.workers) - len(alive)
        way_out = "run a worker: the living take over what dead ones hold"
        yield Check("workers", "warn", f"{len(alive)} alive, {dead} dead that are not cleared away yet", way_out)
    if nobody := no_worker(standing, namespace):
        way_out = "run a worker; if it runs, look at its namespace (--namespace, UPNEXT_NAMESPACE) and its server"
        yield Check("workers", "warn", nobody, way_out)
    elif len(alive) == len(standing.workers):
        yield Check("workers", "ok", f"{len(alive)} alive")
    others = sorted({worker.version for worker in alive} - {__version__})
    if others:
        message = f"workers run upnext {', '.join(others)}, this is {__version__}"
        yield Check("versions", "warn", message, "bring them to one version when you can")


def _workers(standing: NamespaceStatus, lock: Mapping[HandlerId, str]) -> Iterator[Check]:
    for line in blocked_workers(standing)[:_NAMED]:
        way_out = "see the stack in its log; what blocks must run in a thread (a handler that is not async), or await"
        yield Check("blocked", "warn", line, way_out)
    for line in unstored_ends(standing)[:_NAMED]:
        yield Check("ends", "warn", line, "see its log; these jobs have run, and run again if the worker dies before")
    for line in late_jobs(standing)[:_NAMED]:
        way_out = "see in its log where it is, and give its calls timeouts of their own; it ends with its process alone"
        yield Check("timeouts", "warn", line, way_out)
    for line in full_workers(standing)[:_NAMED]:
        way_out = "see in its log where the jobs are; run more processes, or give the worker a greater concurrency"
        yield Check("slots", "warn", line, way_out)
    for line in starving_jobs(standing)[:_NAMED]:
        way_out = "see in `upnext status` whether a worker has the handler that it waits for, and what keeps its slots"
        yield Check("waits", "warn", line, way_out)
    for line in lagging_outboxes(standing)[:_NAMED]:
        yield Check(
            "outbox",
            "warn",
            line,
            "run its relay, or see what that logs, and the rows with their errors in `upnext outbox list`",
        )
    if missing := missing_in_words(standing, lock):
        message = f"no worker has imported {_named(missing)}: events are not delivered to them"
        yield Check(
            "handlers",
            "warn",
            message,
            "import their modules in the file that is run, or run `upnext gen` if they are gone",
        )


def _schedules(standing: NamespaceStatus) -> Iterator[Check]:
    unserved, overdue = unserved_schedules(standing), overdue_schedules(standing)
    for line in unserved[:_NAMED]:
        way_out = "import its module in the file that is run, or `upnext unsubscribe` it if it is gone"
        yield Check("schedules", "warn", line, way_out)
    for line in overdue[:_NAMED]:
        way_out = "see why in the worker's log; submit it yourself, or declare it with catch_up=True"
        yield Check("schedules", "warn", line, way_out)
    if standing.schedules and not unserved and not overdue:
        yield Check("schedules", "ok", f"{len(standing.schedules)} served, and no tick is overdue")


def _jobs(standing: NamespaceStatus, crashed: Mapping[str, int]) -> Iterator[Check]:
    if standing.paused:
        yield Check("paused", "warn", f"paused: {_named(sorted(standing.paused))}", "`upnext handlers resume HANDLER`")
    yield from _queues(standing)
    for line in limited_queues(standing)[:_NAMED]:
        yield Check("limits", "ok", line)
    for line in differing_limits(standing)[:_NAMED]:
        way_out = "each process keeps to its own; stop those of the earlier release when you can"
        yield Check("limits", "warn", f"processes have different limits for {line}", way_out)
    for line in differing_uniqueness(standing)[:_NAMED]:
        way_out = "senders follow the process that started last; stop those of the earlier release when you can"
        yield Check("unique", "warn", f"processes differ in what jobs are unique by for {line}", way_out)
    yield from _deliveries(standing)
    if crashed:
        message = f"{sum(crashed.values()):,} job(s) killed their workers within a day: {_named(crashed)}"
        yield Check("crashed", "warn", message, "see `upnext dead list --reason crashed`")
    if standing.dead:
        yield Check("dead", "warn", dead_letters(standing.dead), "see `upnext dead list`, then replay or purge")


def _deliveries(standing: NamespaceStatus) -> Iterator[Check]:
    way_out = "the worker subscribes it again within seconds; if it does not, see its log"
    if unheard := sorted(queue.handler for queue in standing.queues if queue.served and queue.subscribed is False):
        message = f"no event reaches {_named(unheard)}: a living worker has it, but it is not subscribed"
        yield Check("events", "warn", message, way_out)
    handled = {HandlerId.parse(name).event for worker in standing.workers if worker.alive for name in worker.handlers}
    unrouted = [each.event for each in standing.unrouted]
    if late := [event for event in unrouted if event in handled]:
        yield Check("events", "warn", f"sent, and not delivered yet: {_named(late)}", way_out.replace(" it again", ""))
    if nobody := [event for event in unrouted if event not in handled]:
        message = f"sent, but no handler has ever connected: {_named(nobody)}"
        yield Check("events", "warn", message, "run a worker, or stop sending")


def _queues(standing: NamespaceStatus) -> Iterator[Check]:
    alive = any(worker.alive for worker in standing.workers)
    known = standing.queues
    parked = sorted(queue.handler for queue in known if queue.parked)
    # Without any worker none of them has one, which has been reported already.
    lonely = sorted(queue.handler for queue in known if alive and queue.queues_for_nobody and not queue.parked)
    way_out = "run a worker that has these handlers, or `upnext unsubscribe` those that are no more"
    if parked:
        yield Check("queues", "warn", f"no living worker takes the jobs of {_named(parked)}", way_out)
    if lonely:
        message = f"no living worker has {_named(lonely)}, for which every send queues a job"
        yield Check("queues", "warn", message, way_out)
    if parked or lonely:
        return
    if any(not queue.served and queue.delayed is None for queue in known):
        due = "every job that is due has a living worker" if alive else "no job is due"
        unknown = f"{standing.later:,} are delayed or to be retried, too many to tell whose"
        yield Check("queues", "ok", f"{due}; {unknown}")
    else:
        yield Check("queues", "ok", "every job that waits has a living worker" if alive else "no job waits")


def _named(names: Collection[str]) -> str:
    """List a few names."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(list(names)[:_NAMED])}{more}"


def libraries() -> Check:
    """Return the installed versions of libraries."""
    from importlib import metadata  # noqa: PLC0415 - all commands load this module, and one needs what takes that long

    found = ", ".join(f"{name} {metadata.version(name)}" for name in ("redis", "hiredis", "pydantic"))
    return Check("libraries", "ok", f"upnext {__version__}, Python {platform.python_version()}, {found}")
