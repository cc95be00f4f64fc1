"""Finds changes that break senders that are still deployed, or jobs that are still queued.

Whatever the earlier contract allowed may still be queued, or be sent by code that has not been redeployed. Each
handler is compared with it: the fields that it now requires, their types, and the fields that it rejects.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from upnext_codegen.changes import breaks
from upnext_codegen.changes.breaks import Break, Change, Kind
from upnext_codegen.changes.bridges import NO_UPCASTS, Bridges, Upcasts
from upnext_codegen.changes.difference import Kind as Difference
from upnext_codegen.changes.doubts import doubts
from upnext_codegen.changes.lost import lost_handlers
from upnext_codegen.changes.model_breaks import ModelBreaks
from upnext_codegen.changes.shapes import Classes
from upnext_codegen.changes.wire import Wire
from upnext_codegen.contract import Contract, EventContract, Field
from upnext_codegen.findings import Finding
from upnext_codegen.merging.merge import EXTRAS
from upnext_codegen.merging.normal import asks_nothing
from upnext_codegen.records import Declaration, Handler, Parameter, Place, Scan, Send
from upnext_codegen.types import Type
from upnext_codegen.types.format import distinct_texts

OfEvent = TypeVar("OfEvent", Handler, Declaration)


def breaking(earlier: Contract, scan: Scan, *, complete: bool) -> Iterator[Finding]:
    """Report changes that would break sends and jobs of an earlier contract.

    Args:
        earlier: The contract that senders and queued jobs were made by.
        scan: What the sources say now.
        complete: Whether all sources could be read; otherwise handlers that are missing may be in the others.
    """
    handlers, declarations = by_event(scan.received), by_event(scan.declarations)
    for each in changes(earlier, scan.received, scan.classes, scan.sends, upcasts=scan.upcasts):
        yield each.finding
    compared = [event for event in earlier.events if event.receivers]
    takers = [handler for event in compared for handler in handlers[event.name]]
    yield from doubts(compared, earlier.classes, takers, scan.classes)
    before = {(event.name, receiver.identity) for event in compared for receiver in event.receivers}
    new = [each for each in scan.received if (each.event, each.identity) not in before]
    for event in earlier.events:
        if complete and event.receivers and event.name not in scan.refused:
            yield from lost_handlers(event, handlers[event.name], declarations[event.name], new)


def changes(
    earlier: Contract,
    handlers: Iterable[Handler],
    classes: Classes,
    sends: Sequence[Send] = (),
    whose: str = breaks.EARLIER,
    *,
    upcasts: Upcasts = NO_UPCASTS,
) -> Iterator[Change]:
    """Find what handlers cannot take although an earlier contract allowed it.

    Args:
        earlier: The contract.
        handlers: The handlers.
        classes: Facts of the classes that their fields are typed with.
        sends: Sends of the project, which a finding lists where it concerns them.
        whose: Whose events the changes break, in words.
        upcasts: The upcasters of the handlers: what they bridge is not a break.
    """
    grouped, bridges = by_event(handlers), Bridges(upcasts, classes, earlier.classes)
    wire, models = Wire(earlier.classes, classes), ModelBreaks(earlier.classes, classes, whose)
    for event in earlier.events:
        # Without a handler an event had no contract that a sender could have relied on.
        if event.receivers:
            ways = [(each, bridges.over(event, each)) for each in grouped[event.name]]
            found = _Comparison(event, wire, models, whose).changes(
                [each for each, way in ways if not way.bridges], sends_of(event.name, sends)
            )
            reason = next((way.reason for _, way in ways if way.reason and not way.bridges), "")
            yield from (_with_reason(each, reason) for each in found)
    yield from models.changes()


def _with_reason(change: Change, reason: str) -> Change:
    """Add to a break the reason why no upcaster bridges it."""
    if not reason:
        return change
    finding = change.finding
    return change._replace(finding=finding._replace(help=f"{finding.help}; no upcaster bridges it: {reason}"))


def by_event(records: Iterable[OfEvent]) -> defaultdict[str, list[OfEvent]]:
    """Group handlers or declarations by their event."""
    grouped: defaultdict[str, list[OfEvent]] = defaultdict(list)
    for each in records:
        grouped[each.event].append(each)
    return grouped


def sends_of(event: str, sends: Iterable[Send]) -> list[Send]:
    """Return the sends that are certainly of an event."""
    return [each for each in sends if each.kind == "event" and each.names == (event,)]


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One event of the earlier contract and its current handlers; breaks inside models are set aside."""

    event: EventContract
    wire: Wire
    models: ModelBreaks
    whose: str

    def changes(self, handlers: Iterable[Handler], sends: Sequence[Send]) -> Iterator[Change]:
        found: defaultdict[tuple[str, Kind], list[Break]] = defaultdict(list)
        for handler in sorted(handlers, key=lambda each: each.place):
            for each in self._of(handler):
                found[each.field, each.kind].append(each)
        for name, kind in sorted(found):
            broken = found[name, kind]
            finding = breaks.report(self.event, broken, sends, self.whose)
            was, now = distinct_texts((broken[0].was, broken[0].now))
            concerned = tuple(each.handler.identity for each in broken)
            yield Change(finding, (self.event.name,), name, concerned, (was, now))

    def _of(self, handler: Handler) -> Iterator[Break]:
        named = {name for parameter in handler.parameters for name in (parameter.name, *parameter.formerly)}
        renamed = self._renamed(handler)
        for parameter in handler.parameters:
            before = self._before(parameter)
            if parameter.name in renamed:
                former = renamed[parameter.name]
                yield Break(Kind.RENAMED, parameter.name, parameter.place, handler, former=former)
            elif parameter.required and not parameter.is_filled and (before is None or not before.required):
                kind = Kind.UNKNOWN if before is None else Kind.REQUIRED
                yield Break(kind, parameter.name, parameter.place, handler)
            was = before.type if before else self.event.extras
            if was is not None and not parameter.is_converted:
                yield from self._types(was, parameter.type, parameter.name, parameter.place, handler)
        for field in self._fields_and_extras():
            if field.name in named or field.name in renamed.values():
                continue
            if handler.extras is None:
                kind = Kind.EXTRAS_REJECTED if field.name == EXTRAS else Kind.REJECTED
                yield Break(kind, field.name, handler.place, handler)
            elif handler.extras_place is not None:
                yield from self._types(field.type, handler.extras, field.name, handler.extras_place, handler)

    def _before(self, parameter: Parameter) -> Field | None:
        """Return the earlier field that fills a parameter, under its current name or a former one."""
        names = (parameter.name, *parameter.formerly)
        found = [field for name in names for field in self.event.fields if field.name == name]
        return next((field for field in found if field.required), found[0] if found else None)

    def _types(self, was: Type, now: Type, field: str, place: Place, handler: Handler) -> Iterator[Break]:
        """Compare the types of a field; the last arguments say whose it is."""
        found = self.wire.differences(was, now)
        self.models.add(self.event, handler, [each for each in found if each.owner])
        whole = [each for each in found if not each.owner]
        if whole:
            retyped = any(each.kind is Difference.RETYPED for each in whole)
            yield Break(Kind.RETYPED if retyped else Kind.NARROWED, field, place, handler, was, now)

    def _renamed(self, handler: Handler) -> dict[str, str]:
        """Return former names by current ones, where a handler exchanged one name for another of the same type."""
        named = {name for parameter in handler.parameters for name in (parameter.name, *parameter.formerly)}
        known = {field.name for field in self.event.fields}
        lost = [
            field
            for field in self.event.fields
            if field.name not in named and any(asker.identity == handler.identity for asker in field.asked_by)
        ]
        needed = [each for each in handler.parameters if each.required and not each.is_filled]
        new = [each for each in needed if not known & {each.name, *each.formerly}]

        def is_alike(field: Field, parameter: Parameter) -> bool:
            there, here = field.type, parameter.type
            return not asks_nothing(there) and not asks_nothing(here) and self.wire.fits(there, here)

        pairs = [(field.name, each.name) for field in lost for each in new if is_alike(field, each)]
        old, now = Counter(name for name, _ in pairs), Counter(name for _, name in pairs)
        return {name: former for former, name in pairs if old[former] == now[name] == 1}

    def _fields_and_extras(self) -> Iterator[Field]:
        yield from self.event.fields
        if self.event.extras is not None:
            yield Field(EXTRAS, self.event.extras, required=False, asked_by=())
