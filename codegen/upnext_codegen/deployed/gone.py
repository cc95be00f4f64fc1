"""Handlers and tasks that are deployed or have waiting jobs, and that the new code no longer has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from upnext_codegen.catalog import lock
from upnext_codegen.deployed.snapshot import Identity, WaitingJobs
from upnext_codegen.findings import Finding
from upnext_codegen.records import Declaration, Place, Scan


@dataclass(frozen=True)
class NewHandlers:
    """The handlers and tasks of the new code, by identity, with their places."""

    places: Mapping[Identity, Place]
    declarations: tuple[Declaration, ...]

    @classmethod
    def of(cls, scan: Scan) -> NewHandlers:
        """Read them from a scan."""
        tasks: dict[Identity, Place] = {(each.worker, "", each.name): each.place for each in scan.tasks}
        handlers = {(each.worker, each.event, each.name): each.place for each in scan.received}
        return cls(tasks | handlers, scan.declarations)

    @cached_property
    def workers(self) -> frozenset[str]:
        """The names of the workers of the project."""
        return frozenset({worker for worker, _, _ in self.places} | {each.worker for each in self.declarations})

    def has(self, identity: Identity) -> bool:
        """Return whether a handler exists, or a task whose worker is unknown."""
        return identity in self.places or ("", identity[1], identity[2]) in self.places


def gone(
    deployed: Iterable[Identity], jobs: Mapping[Identity, WaitingJobs], new: NewHandlers, refused: frozenset[str]
) -> Iterator[Finding]:
    """Report UPN433.

    Args:
        deployed: The project's handlers and tasks that are deployed.
        jobs: The jobs that wait, and the dead letters, by handler.
        new: What the new code has.
        refused: Events of which it is not known what handlers the new code has.
    """
    known = set(deployed)
    for identity in sorted(known | {each for each, of in jobs.items() if of.waiting or of.dead}):
        worker, event, name = identity
        if new.has(identity) or event in refused:
            continue
        of = jobs.get(identity, WaitingJobs(identity, {}, {}, {}))
        deployed_still = identity in known
        successor = _successor(identity, [each for each in new.places if each not in known])
        declared = next((each.place for each in new.declarations if each.event == event), None)
        place = new.places[successor] if successor else declared or Place(lock.FILE_NAME, 1, 1)
        kind = f'handler "{name}" of "{event}"' if event else f'task "{name}"'
        yield Finding.of(
            code="UPN433",
            severity="error" if of.waiting or (successor and deployed_still) else "warning",
            message=f'{kind} on worker "{worker}" is gone: {_left(of, deployed_still=deployed_still)}',
            place=place,
            help=_way_out(identity, successor, of.waiting) if of.waiting or deployed_still else _way_out_of_dead(name),
        )


def _left(jobs: WaitingJobs, *, deployed_still: bool) -> str:
    """Return what is left of a handler, and what would be added to it."""
    parts: list[str] = []
    if jobs.waiting:
        parts.append(f"{jobs.waiting:,} {'job waits' if jobs.waiting == 1 else 'jobs wait'} for it")
    if jobs.dead:
        kept = "dead letter of it is kept" if jobs.dead == 1 else "dead letters of it are kept"
        parts.append(f"{jobs.dead:,} {kept}")
    if deployed_still:
        parts.append("what is deployed keeps queueing jobs for it")
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _successor(identity: Identity, new: Iterable[Identity]) -> Identity | None:
    """Return the new handler that most likely replaces one that is gone."""
    worker, event, name = identity
    candidates = sorted(each for each in new if bool(each[1]) == bool(event))

    def alike(each: Identity) -> int:
        return 2 * (each[2] == name) + (each[0] == worker) + (bool(event) and each[1] == event)

    best = max(candidates, key=alike, default=None)
    # For tasks, worker and name are enough; for handlers, two of the three have to match.
    return best if best is not None and alike(best) >= (2 if event else 1) else None


def _way_out(identity: Identity, successor: Identity | None, count: int) -> str:
    _, event, name = identity
    if successor is None and event:
        drained = "let the workers that run now empty its queue, " if count else ""
        return f"workers first, then `upnext unsubscribe` it: {drained}or what is queued for it waits for ever"
    if successor is None:
        releases = "two releases: " if count else ""
        return f"{releases}keep the task until its queue is empty, then `upnext unsubscribe` it"
    decorator = "@event.on" if event else "@worker.task"
    kept = ""
    if successor[:2] == identity[:2]:
        kept = f'keep its name with {decorator}(name="{name}"), or '
    elif (successor[0], successor[2]) == (identity[0], name):
        kept = f'name what the event was called, worker.event("{successor[1]}", formerly=("{event}",)), or '
    return (
        f"{kept}two releases: the first keeps it beside the new one, "
        "the second drops it when nothing is sent to it or queued for it any more, and `upnext unsubscribe` it"
    )


def _way_out_of_dead(name: str) -> str:
    return (
        f"nothing runs them by themselves: `upnext dead purge --handler {name}` them, or replay them once a worker has "
        "the handler again"
    )
