"""Merges the handlers of an event into the one contract that a send has to meet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from upnext_codegen.contract import Asker, EventContract, Field, Receiver
from upnext_codegen.findings import Finding
from upnext_codegen.merging import conflicts
from upnext_codegen.merging.conflicts import Side
from upnext_codegen.merging.meet import meet
from upnext_codegen.merging.normal import asks_nothing
from upnext_codegen.merging.subtyping import OBJECT, Hierarchy
from upnext_codegen.records import Declaration, Handler, Parameter, in_reading_order, is_elsewhere
from upnext_codegen.types import ANY, AnyType, Type

EXTRAS = "**"
"""What messages call the fields that no handler names."""


class Merged(NamedTuple):
    """The contract of one event, and the conflicts of its handlers."""

    contract: EventContract
    findings: tuple[Finding, ...]


def merge(event: str, handlers: Iterable[Handler], classes: Hierarchy, *, open_to_extras: bool) -> Merged:
    """Merge the handlers of one event.

    Args:
        event: Its name.
        handlers: All its handlers, in any order.
        classes: What is known of the classes that their fields are typed with.
        open_to_extras: Whether fields that no handler names are allowed where every handler takes them.
    """
    ordered = tuple(sorted(handlers, key=in_reading_order))
    findings = list(conflicts.same_identity(event, ordered))
    handlers_together = _Together.of(ordered)
    fields: list[Field] = []
    for name in sorted(handlers_together.named):
        field, found = _field(event, name, handlers_together, classes)
        findings += found
        if field is not None:
            fields.append(field)
    extras, found = _extras(event, handlers_together, classes) if open_to_extras else (None, [])
    return Merged(
        EventContract(
            name=event,
            fields=tuple(sorted(fields, key=lambda field: (not field.required, field.name))),
            extras=extras,
            receivers=_receivers(ordered),
        ),
        (*findings, *found),
    )


def extras_allowed(declarations: Iterable[Declaration], default: str | None) -> bool:
    """Return whether an event may carry fields that no handler names.

    Args:
        declarations: All declarations of the event; one "forbid" is enough, then one "allow".
        default: The project's setting, "allow", "forbid" or None.
    """
    extras = {declaration.extra for declaration in declarations}
    if "forbid" in extras:
        return False
    return "allow" in extras or default != "forbid"


class _Together(NamedTuple):
    """The handlers of an event, examined once for all of its fields.

    Attributes:
        named: For each field the handlers that name it, in order.
        closed: The handlers that take no other fields than they name.
        extras: What the others take beside those that they name, by type; only what holds something back.
    """

    named: dict[str, list[tuple[Handler, Parameter]]]
    closed: list[Handler]
    extras: dict[Type, list[Side]]

    @classmethod
    def of(cls, handlers: tuple[Handler, ...]) -> _Together:
        """Examine the handlers of an event."""
        together = cls(defaultdict(list), [], defaultdict(list))
        for handler in handlers:
            for parameter in handler.parameters:
                together.named[parameter.name].append((handler, parameter))
            if handler.extras is None:
                together.closed.append(handler)
            elif handler.extras_place is not None and not asks_nothing(handler.extras):
                together.extras[handler.extras].append(Side(handler.extras_place, handler.extras, handler))
        return together


def _field(event: str, name: str, handlers: _Together, classes: Hierarchy) -> tuple[Field | None, list[Finding]]:
    named = handlers.named[name]
    askers = {handler.place for handler, _ in named}
    shut = [handler for handler in handlers.closed if handler.place not in askers]
    required = any(parameter.required for _, parameter in named)
    merged, findings = _type(event, name, named, handlers.extras, classes)
    if shut and required:
        findings.append(conflicts.rejected(event, named, shut))
    elif shut:
        findings.append(conflicts.shut_out(event, named, shut))
        return None, findings
    formerly = {former for _, parameter in named for former in parameter.formerly}
    return Field(name, merged, required, _askers(named), tuple(sorted(formerly))), findings


def _type(
    event: str,
    name: str,
    named: list[tuple[Handler, Parameter]],
    extras: dict[Type, list[Side]],
    classes: Hierarchy,
) -> tuple[Type, list[Finding]]:
    """Merge the handlers' types for a field, including those of `**kwargs`."""
    asking = [
        Side(parameter.place, parameter.type, handler)
        for handler, parameter in named
        if not asks_nothing(parameter.type)
    ]
    askers = {id(handler) for handler, _ in named}
    among_others = {
        written: taken for written, taken in extras.items() if any(id(side.handler) not in askers for side in taken)
    }
    merged = meet([*(side.type for side in asking), *among_others], classes)
    if merged is not None:
        return merged, []
    asking += [side for taken in among_others.values() for side in taken if id(side.handler) not in askers]
    return ANY, [conflicts.disagreement(event, name, asking, classes)]


def _extras(event: str, handlers: _Together, classes: Hierarchy) -> tuple[Type | None, list[Finding]]:
    if handlers.closed:
        return None, []
    merged, findings = _type(event, EXTRAS, [], handlers.extras, classes)
    if findings:
        return ANY, findings
    return (OBJECT if isinstance(merged, AnyType) else merged), []


def _askers(named: list[tuple[Handler, Parameter]]) -> tuple[Asker, ...]:
    required: dict[str, bool] = {}
    for handler, parameter in named:
        required[handler.identity] = required.get(handler.identity, False) or parameter.required
    return tuple(Asker(identity, required[identity]) for identity in sorted(required))


def _receivers(handlers: tuple[Handler, ...]) -> tuple[Receiver, ...]:
    """Return the handlers, each identity once: as closed as its strictest definition."""
    found: dict[str, Receiver] = {}
    for handler in handlers:
        receiver = _receiver(handler)
        before = found.get(receiver.identity)
        if before is not None:
            returns = receiver.returns if receiver.returns == before.returns else ANY
            stricter = receiver if receiver.closed and not before.closed else before
            receiver = replace(stricter, returns=returns)
        found[receiver.identity] = receiver
    return tuple(sorted(found.values()))


def _receiver(handler: Handler) -> Receiver:
    return Receiver(
        handler.worker,
        handler.name,
        handler.module,
        handler.extras is None,
        "" if is_elsewhere(handler.place) else handler.place.file,
        handler.returns,
    )
