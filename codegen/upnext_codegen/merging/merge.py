"""Merging: from all handlers of an event to the one contract that a send has to meet."""

from __future__ import annotations

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
    """The contract of one event, and what its handlers disagree on."""

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
    fields: list[Field] = []
    for name in sorted({parameter.name for handler in ordered for parameter in handler.parameters}):
        field, found = _field(event, name, ordered, classes)
        findings += found
        if field is not None:
            fields.append(field)
    extras, found = _extras(event, ordered, classes) if open_to_extras else (None, [])
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
    """Tell whether an event may carry fields that no handler names.

    Args:
        declarations: All declarations of the event; one "forbid" is enough, then one "allow".
        default: The project's setting, "allow", "forbid" or None.
    """
    said = {declaration.extra for declaration in declarations}
    if "forbid" in said:
        return False
    return "allow" in said or default != "forbid"


def _field(
    event: str, name: str, handlers: tuple[Handler, ...], classes: Hierarchy
) -> tuple[Field | None, list[Finding]]:
    named = [(handler, parameter) for handler in handlers for parameter in handler.parameters if parameter.name == name]
    askers = {handler.place for handler, _ in named}
    shut = [handler for handler in handlers if handler.extras is None and handler.place not in askers]
    required = any(parameter.required for _, parameter in named)
    merged, findings = _type(event, name, _sides(name, handlers), classes)
    if shut and required:
        findings.append(conflicts.rejected(event, named, shut))
    elif shut:
        findings.append(conflicts.shut_out(event, named, shut))
        return None, findings
    formerly = {former for _, parameter in named for former in parameter.formerly}
    return Field(name, merged, required, _askers(named), tuple(sorted(formerly))), findings


def _sides(name: str, handlers: tuple[Handler, ...]) -> list[Side]:
    """Return what each handler takes for a field, whether it names the field or takes it among others."""
    sides: list[Side] = []
    for handler in handlers:
        named = [parameter for parameter in handler.parameters if parameter.name == name]
        sides += [Side(parameter.place, parameter.type, handler) for parameter in named]
        if not named and handler.extras is not None and handler.extras_place is not None:
            sides.append(Side(handler.extras_place, handler.extras, handler))
    return sides


def _type(event: str, name: str, sides: list[Side], classes: Hierarchy) -> tuple[Type, list[Finding]]:
    asking = [side for side in sides if not asks_nothing(side.type)]
    merged = meet((side.type for side in asking), classes)
    if merged is not None:
        return merged, []
    return ANY, [conflicts.disagreement(event, name, asking, classes)]


def _extras(event: str, handlers: tuple[Handler, ...], classes: Hierarchy) -> tuple[Type | None, list[Finding]]:
    if any(handler.extras is None for handler in handlers):
        return None, []
    merged, findings = _type(event, EXTRAS, _sides(EXTRAS, handlers), classes)
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
