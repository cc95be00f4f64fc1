"""Adds the handlers of other projects to this project's own, so that they are merged into one contract."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from upnext_codegen.catalog.stub_names import modules_of
from upnext_codegen.changes.shapes import Classes
from upnext_codegen.changes.wire import Wire
from upnext_codegen.contract import Contract, EventContract, Receiver
from upnext_codegen.project import Project
from upnext_codegen.pulled.imports_lock import Pulled
from upnext_codegen.pulled.local_types import Definitions, LocalTypes
from upnext_codegen.records import Handler, Parameter, Scan
from upnext_codegen.types import ANY, AnyType, Type


@dataclass(frozen=True)
class OwnHandlers:
    """The pulled handlers that are this project's own: a server has them too, but the sources take precedence.

    Attributes:
        serving: The workers that have handlers or tasks in the sources.
        declared: The workers that events are declared on there.
        is_module: Whether a module belongs to the project.
    """

    serving: frozenset[str]
    declared: frozenset[str]
    is_module: Callable[[str], bool]

    @classmethod
    def of(cls, project: Project, scan: Scan) -> OwnHandlers:
        """Read them from a scan."""
        return cls(
            frozenset({*(each.worker for each in scan.handlers), *(each.worker for each in scan.tasks)}),
            frozenset(each.worker for each in scan.declarations),
            project.has_module,
        )

    def has(self, receiver: Receiver) -> bool:
        """Return whether a handler is one of them."""
        return receiver.worker in self.serving or (receiver.worker in self.declared and self.is_module(receiver.module))

    def without(self, contract: Contract) -> Contract:
        """Return only the contracts of the other projects."""
        events = (self._without(event) for event in contract.events)
        return replace(contract, events=tuple(event for event in events if event.receivers))

    def _without(self, event: EventContract) -> EventContract:
        others = tuple(each for each in event.receivers if not self.has(each))
        if len(others) == len(event.receivers):
            return event
        known = {each.identity for each in others}
        fields = (
            field._replace(asked_by=tuple(asker for asker in field.asked_by if asker.identity in known))
            for field in event.fields
        )
        asked = tuple(
            field._replace(required=any(asker.required for asker in field.asked_by))
            for field in fields
            if field.asked_by
        )
        return event._replace(receivers=others, fields=asked)


@dataclass(frozen=True, slots=True)
class WithOthers:
    """The sources together with the handlers of other projects.

    Attributes:
        scan: The sources, with those handlers and the classes that the catalog defines for their payloads.
        closed: Events whose own projects allow no field that no handler names.
        owners: Who owns events, as those projects say it.
        events: The events that other projects handle, also those that this one does not declare.
    """

    scan: Scan
    closed: frozenset[str]
    owners: Mapping[str, str]
    events: frozenset[str]


def with_others(project: Project, scan: Scan, pulled: Sequence[Pulled]) -> WithOthers:
    """Add the handlers of other projects to a scan, for the events that this project declares."""
    declared = {name for each in scan.declarations for name in (each.event, *each.formerly)}
    events: set[str] = set()
    own, definitions = OwnHandlers.of(project, scan), Definitions()
    handlers: list[Handler] = []
    closed: set[str] = set()
    owners: dict[str, str] = {}
    for each in pulled:
        contract = own.without(each.contract)
        events |= {event.name for event in contract.events}
        contract = replace(contract, events=tuple(event for event in contract.events if event.name in declared))
        types = LocalTypes(str(each.source), contract.classes, project.has_module, definitions)
        handlers += [_read(handler, types) for event in contract.events for handler in handlers_of(event, each)]
        owners |= {event.name: event.owner for event in contract.events if event.owner}
        closed |= {event.name for event in contract.events if event.extras is None and _is_open(event)}
    classes = {**definitions.classes, **scan.classes}
    known = _satisfied(scan.received, handlers, classes)
    importable = _importable(project, scan, known, definitions)
    merged = replace(scan, handlers=(*scan.handlers, *known), classes=classes, importable=importable)
    return WithOthers(merged, frozenset(closed), owners, frozenset(events))


def _is_open(event: EventContract) -> bool:
    return not any(each.closed for each in event.receivers)


def handlers_of(event: EventContract, pulled: Pulled) -> Iterator[Handler]:
    """Return the handlers of an event, as far as its contract shows: a field has the type that satisfies all of them.

    Args:
        event: The event.
        pulled: Where it was pulled, for the places.
    """
    where = ("events", event.name)
    extras = ANY if event.extras is None else event.extras
    for receiver in event.receivers:
        place = pulled.place(*where, "handlers", receiver.identity)
        yield Handler(
            event=event.name,
            worker=receiver.worker,
            name=receiver.name,
            module=receiver.module,
            parameters=tuple(
                Parameter(
                    field.name,
                    field.type,
                    True,
                    asker.required,
                    pulled.place(*where, "fields", field.name),
                    field.formerly,
                )
                for field in event.fields
                for asker in field.asked_by
                if asker.identity == receiver.identity
            ),
            extras=None if receiver.closed else extras,
            extras_place=None if receiver.closed else place,
            place=place,
        )


def _read(handler: Handler, types: LocalTypes) -> Handler:
    """Return a handler with its types converted for this project."""
    return handler._replace(
        parameters=tuple(each._replace(type=types.read(each.type)) for each in handler.parameters),
        extras=None if handler.extras is None else types.read(handler.extras),
    )


def _satisfied(own: Iterable[Handler], others: Sequence[Handler], classes: Classes) -> list[Handler]:
    """Return the handlers of other projects; a field that is satisfied whenever another handler's is has no type.

    Two projects have no class in common, so that a type of one is never below a type of the other. What counts is
    whether its JSON can be read.
    """
    wire = Wire(classes, classes)
    sides: defaultdict[tuple[str, str], dict[Type, None]] = defaultdict(dict)
    for handler in (*own, *others):
        for parameter in handler.parameters:
            if not isinstance(parameter.type, AnyType):
                sides[handler.event, parameter.name][parameter.type] = None

    def is_met(written: Type, among: list[Type]) -> bool:
        """Return whether another type is narrower, or equally narrow and earlier in order."""
        at = among.index(written)
        return any(
            wire.fits(each, written) and (number < at or not wire.fits(written, each))
            for number, each in enumerate(among)
            if number != at
        )

    def taken(handler: Handler, parameter: Parameter) -> Parameter:
        among = list(sides[handler.event, parameter.name])
        met = parameter.type in among and is_met(parameter.type, among)
        return parameter._replace(type=ANY) if met else parameter

    return [
        handler._replace(parameters=tuple(taken(handler, each) for each in handler.parameters)) for handler in others
    ]


def _importable(
    project: Project, scan: Scan, handlers: Iterable[Handler], definitions: Definitions
) -> dict[str, frozenset[str]]:
    """Return what each import root can import, including the types of other projects' payloads."""
    types: list[Type] = [each.type for handler in handlers for each in handler.parameters]
    types += [handler.extras for handler in handlers if handler.extras is not None]
    types += [
        field.type for facts in definitions.classes.values() if facts.model is not None for field in facts.model.fields
    ]
    modules = {module for each in types for module in modules_of(each)}
    return {
        root: known | {each for each in modules if _is_standard(each) or project.has_module_at(root, each)}
        for root, known in scan.importable.items()
    }


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
