"""What breaks while the new code is being deployed, and the order that avoids it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from upnext_codegen.catalog import lock
from upnext_codegen.changes.breaks import Change
from upnext_codegen.changes.compare import changes
from upnext_codegen.contract import Contract
from upnext_codegen.deployed import gone, other_projects
from upnext_codegen.deployed.fleet import DeployedHandlers, PublishedContract, generations
from upnext_codegen.deployed.gone import NewHandlers
from upnext_codegen.deployed.new_sends import NewSend, new_sends
from upnext_codegen.deployed.orders import NO_ORDER, order_of
from upnext_codegen.deployed.snapshot import DeployedState, Identity
from upnext_codegen.deployed.tasks import event_of_task, task_contracts, with_tasks
from upnext_codegen.deployed.waiting import refused_jobs
from upnext_codegen.findings import Finding, Related
from upnext_codegen.records import Handler, Place, Scan

DEPLOYED = "what is sent now"
"""Whose events a change breaks, in words."""

_RENAMED = frozenset({"UPN417", "UPN424"})
_MOST_SENDS = 10


@dataclass(frozen=True)
class Rollout:
    """The new code in comparison with what is deployed.

    Attributes:
        snapshot: What is deployed.
        scan: What the sources say now, with tasks among the handlers.
        contract: The contracts of the new code, with those of tasks.
        new: The handlers and tasks of the new code, each as what it is.
        is_module: Whether a module belongs to the project.
        complete: Whether all sources could be read; otherwise handlers that are missing may be in the others.
    """

    snapshot: DeployedState
    scan: Scan
    contract: Contract
    new: NewHandlers
    is_module: Callable[[str], bool]
    complete: bool

    @classmethod
    def of(
        cls,
        snapshot: DeployedState,
        scan: Scan,
        contract: Contract,
        is_module: Callable[[str], bool],
        *,
        complete: bool,
    ) -> Rollout:
        """Compare new code with what is deployed; arguments as above, for events only."""
        both = with_tasks(scan)
        return cls(snapshot, both, task_contracts(contract, both), NewHandlers.of(scan), is_module, complete)

    def findings(self) -> Iterator[Finding]:
        """Report all findings."""
        yield from (self._breaks_handlers(change) for change in self._forward)
        yield from map(self._breaks_deployed, self._new_sends)
        served = {each.identity for each in self.snapshot.published}
        yield from refused_jobs(self.snapshot.jobs, self.new.places, served)
        if self.complete:
            jobs = {each.handler: each for each in self.snapshot.jobs if self._is_own(each.handler)}
            own = [each.identity for each in self.snapshot.published if self._owns(each)]
            yield from gone.gone(own, jobs, self.new, self.scan.refused)
        yield from (finding for _, _, finding in self._conflicts)
        yield from self._unknown()

    @cached_property
    def _generations(self) -> list[DeployedHandlers]:
        return generations(self.snapshot.published)

    @cached_property
    def _forward(self) -> tuple[Change, ...]:
        """What the new handlers cannot take of the current sends."""
        scan = self.scan
        found = [
            change
            for each in self._generations
            for change in changes(
                each.contract(), scan.received, scan.classes, scan.sends, DEPLOYED, upcasts=scan.upcasts
            )
        ]
        return tuple({each.finding: each for each in found}.values())

    @cached_property
    def _backward(self) -> tuple[Change, ...]:
        """What the deployed handlers cannot take of what the new contracts allow."""
        found = [
            change
            for each in self._generations
            for change in changes(self.contract, each.handlers, each.classes, upcasts=each.upcasts)
        ]
        return tuple({(each.events, each.field, each.finding.code, each.handlers): each for each in found}.values())

    @cached_property
    def _new_sends(self) -> tuple[NewSend, ...]:
        return tuple(new_sends(self._backward, self.scan.sends))

    @cached_property
    def _breaking_new_handlers(self) -> frozenset[str]:
        queued = {
            event or event_of_task(worker, name) for (worker, event, name), *_, refused in self.snapshot.jobs if refused
        }
        return frozenset({event for change in self._forward for event in change.events} | queued)

    def _breaks_handlers(self, change: Change) -> Finding:
        """Report UPN430."""
        backward = {(event, each.field) for each in self._backward for event in each.events}
        sent = {each.event for each in self._new_sends}
        both = any((event, change.field) in backward or event in sent for event in change.events)
        both = both or change.finding.code in _RENAMED
        order = order_of(breaks_new_handlers=True, breaks_deployed_handlers=both)
        if any((event, change.field) == (of, field) for event in change.events for of, field, _ in self._conflicts):
            order = f"{NO_ORDER}, see UPN435"
        return Finding.of(
            code="UPN430",
            severity=change.finding.severity,
            message=change.finding.message,
            place=change.finding.place,
            help=f"{order}; or {change.finding.help}",
            related=change.finding.related,
        )

    def _breaks_deployed(self, send: NewSend) -> Finding:
        """Report UPN431, or UPN434 if it depends on the values."""
        first, *others = send.places
        foreign = self._foreign_handlers(send)
        if foreign:
            order = f'{NO_ORDER}: worker "{foreign[0]}", which another project deploys, has to take it first'
        else:
            both = send.event in self._breaking_new_handlers
            order = order_of(breaks_new_handlers=both, breaks_deployed_handlers=True)
        return Finding.of(
            code="UPN431" if send.certain else "UPN434",
            message=send.message,
            place=first,
            help=order,
            related=tuple(Related(place, "and here") for place in others[:_MOST_SENDS]),
        )

    def _foreign_handlers(self, send: NewSend) -> list[str]:
        """Return the workers of other projects that a send breaks; for a model the handlers are unknown."""
        named = {tuple(each.split(" ", 1)) for each in send.change.handlers}
        return sorted(
            each.worker
            for each in self.snapshot.published
            if each.event == send.event  # a task is always submitted to its own worker
            and (each.worker, each.name) in named
            and not self._owns(each)
        )

    @cached_property
    def _conflicts(self) -> tuple[tuple[str, str, Finding], ...]:
        """What no send could satisfy, for handlers of other projects: event, field and finding."""
        own = {each.identity for each in self.snapshot.published if self._owns(each)}
        events = {each.event for each in self.snapshot.published}

        def is_own(handler: Handler) -> bool:
            return (handler.worker, handler.event, handler.name) in own or handler.event not in events

        scan, found = self.scan, list[tuple[str, str, Finding]]()
        for deployed in self._generations:
            others = [each for each in deployed.handlers if not is_own(each)]
            before = [each for each in deployed.handlers if is_own(each)]
            found += other_projects.conflicts(scan.received, scan.classes, others, deployed.classes, before)
        return tuple(dict.fromkeys(found))

    def _unknown(self) -> Iterator[Finding]:
        """Report UPN436: deployed handlers that cannot be compared."""
        for worker, count in self.snapshot.silent.items():
            processes = f"{count} {'process' if count == 1 else 'processes'}"
            yield _unknown(
                f'{processes} of worker "{worker}" at {self.snapshot.source} publish no contracts',
                "they have only just started, or run an earlier upnext: check again when they have published",
            )
        for each in self.snapshot.published:
            if each.schema is None:
                name = f'handler "{each.name}" of "{each.event}"' if each.event else f'task "{each.name}"'
                yield _unknown(
                    f'{name} on worker "{each.worker}" at {self.snapshot.source} does not say what it takes',
                    "its JSON Schema is too large or nested too deeply, or pydantic has none: compare it with git "
                    "as well (--against main)",
                )

    def _is_own(self, identity: Identity) -> bool:
        return identity[0] in self.new.workers or any(
            each.identity == identity and self._owns(each) for each in self.snapshot.published
        )

    def _owns(self, published: PublishedContract) -> bool:
        """Whether a handler belongs to this project: by its worker, or by its module if the worker is gone."""
        return published.worker in self.new.workers or self.is_module(published.module)


def _unknown(message: str, way_out: str) -> Finding:
    return Finding.of(code="UPN436", message=message, place=Place(lock.FILE_NAME, 1, 1), help=way_out)
