"""Findings about the graph of events, UPN501 to UPN507. Only what is certain is reported."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from upnext_codegen.file_part import FilePart
from upnext_codegen.findings import Finding, Related
from upnext_codegen.flow.unused import ALL_OTHERS
from upnext_codegen.graph.build import build
from upnext_codegen.graph.cycles import cycles
from upnext_codegen.messages import shown
from upnext_codegen.records import IN_TRANSACTION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from upnext_codegen.graph.build import Graph
    from upnext_codegen.layout.settings import Settings
    from upnext_codegen.records import Declaration, Handler, Parameter, Scan

_HIDING = frozenset({"UPN001", "UPN002", "UPN005", "UPN006"})
"""With one of these there may be handlers and sends that the scan has not seen."""


def graph_findings(
    scan: Scan, settings: Settings, found: Iterable[Finding], elsewhere: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield what is wrong with the graph of a project.

    Args:
        scan: What was read from its sources.
        settings: Its settings.
        found: What reading them reported, also what is silenced.
        elsewhere: The events that other projects are known to handle.
    """
    graph = build(scan)
    complete = all(each.code not in _HIDING for each in found)
    if settings.closed and complete:
        yield from _never_sent(graph, scan)
        yield from _never_handled(graph, scan, elsewhere)
    yield from _never_imported(scan)
    yield from _cycles(graph)
    if complete:
        yield from _ignored_fields(graph, scan)
    yield from _sent_again(graph)
    yield from _lost(scan)


def _never_sent(graph: Graph, scan: Scan) -> Iterator[Finding]:
    """UPN501: an event that is handled, and sent nowhere."""
    if "" in scan.hidden or any(each.kind == "event" for each in graph.unknown):
        return
    hidden = _hidden(scan)
    for event in graph.events:
        handlers = graph.handlers.get(event, ())
        if handlers and event not in graph.sends and event not in hidden and event not in scan.refused:
            yield Finding.of(
                "UPN501",
                f"event {shown(event)} is handled here and never sent",
                handlers[0].place,
                "remove the handler, or send the event; if others send it, the project is not closed",
                _others(handlers),
            )


def _hidden(scan: Scan) -> set[str]:
    """Return the events that may be sent out of sight."""
    parts: defaultdict[str, list[FilePart]] = defaultdict(list)
    for each in scan.hidden:
        if (part := FilePart.parse(each)) is not None:
            parts[part.file].append(part)
    made: list[Declaration | Handler] = [*scan.declarations, *scan.handlers]
    given = {each.event for each in made if any(part.holds(each.place) for part in parts.get(each.place.file, ()))}
    return given | scan.hidden


def _never_handled(graph: Graph, scan: Scan, elsewhere: Collection[str]) -> Iterator[Finding]:
    """UPN502: a send of an event that has no handler."""
    for event, sends in graph.sends.items():
        if event in graph.handlers or event in scan.refused or event in scan.former_names or event in elsewhere:
            continue
        for send in sends:
            if len(send.names) == 1:
                yield Finding.of(
                    "UPN502",
                    f"event {shown(event)} is sent here but has no handler",
                    send.place,
                    "attach a handler to it, or remove the send; if others handle it, the project is not closed",
                )


def _never_imported(scan: Scan) -> Iterator[Finding]:
    """UPN503: a handler whose module no entry file imports."""
    if not scan.imported or None in scan.imported.values():
        return
    entries = " or ".join(scan.imported)
    imported = {file for files in scan.imported.values() for file in files or ()}
    for handler in scan.handlers:
        if handler.attached_in not in imported:
            where = "" if handler.attached_in == handler.place.file else f", which {handler.attached_in} attaches,"
            yield Finding.of(
                "UPN503",
                f"handler {shown(handler.name)}{where} never runs: {handler.attached_in} is not imported by {entries}",
                handler.place,
                f"import {handler.attached_in} in {entries}, directly or through another module",
            )


def _cycles(graph: Graph) -> Iterator[Finding]:
    """UPN504: events that always lead back to themselves."""
    for cycle in cycles(graph):
        events = " -> ".join(each.names[0] for each in (cycle.sends[-1], *cycle.sends))
        first, *others = sorted(cycle.sends, key=lambda each: each.place)
        yield Finding.of(
            "UPN504",
            f"events form an endless cycle: {events}",
            first.place,
            "send one of them on a condition only",
            tuple(Related(each.place, f"{shown(each.names[0])} is sent here") for each in others),
        )


def _ignored_fields(graph: Graph, scan: Scan) -> Iterator[Finding]:
    """UPN505: a field that every handler takes and none uses."""
    for event, handlers in graph.handlers.items():
        if event in scan.refused:
            continue
        takers: defaultdict[str, list[Parameter]] = defaultdict(list)
        for handler in handlers:
            for parameter in handler.parameters:
                takers[parameter.name].append(parameter)
        for field, parameters in takers.items():
            if all(_ignores(handler, field) for handler in handlers):
                first, *others = sorted(parameters, key=lambda each: each.place)
                yield Finding.of(
                    "UPN505",
                    f"field {shown(field)} of {shown(event)} is taken and never used by any handler",
                    first.place,
                    "remove the field from the handlers and sends, or use it",
                    tuple(Related(each.place, "nor is it used here") for each in others),
                )


def _ignores(handler: Handler, field: str) -> bool:
    if any(each.name == field for each in handler.parameters):
        return field in handler.unused
    return handler.extras is None or ALL_OTHERS in handler.unused


def _sent_again(graph: Graph) -> Iterator[Finding]:
    """UPN506: a send that is repeated when its handler is retried."""
    for handler in dict.fromkeys(handler for each in graph.handlers.values() for handler in each):
        if dict(handler.options).get("retries", 0) <= 0:
            continue
        for send in graph.sent_by(handler):
            is_own = send.function_place == handler.place and send.kind == "event"
            if is_own and send.followed and send.names and not {"key", IN_TRANSACTION, "*"} & set(send.options):
                yield Finding.of(
                    "UPN506",
                    f"event {shown(send.names[0])} is sent again whenever handler {shown(handler.name)} is retried",
                    send.place,
                    "give it a key, as in options(key=order_id).send(...), or make it the last that can fail",
                    (Related(handler.place, f"{shown(handler.name)} is retried"),),
                )


def _lost(scan: Scan) -> Iterator[Finding]:
    """UPN507: a send that never happens, because it is not awaited."""
    for send in scan.sends:
        if send.lost:
            what = f"event {shown(send.names[0])} is not sent" if send.kind == "event" and send.names else ""
            what = what or (f"task {shown(send.names[0])} is not submitted" if send.names else "nothing is sent")
            yield Finding.of(
                "UPN507",
                f"{what}: what {send.method} returns here {send.lost}",
                send.place,
                f"await it, or call {send.method}_sync",
            )


def _others(handlers: tuple[Handler, ...]) -> tuple[Related, ...]:
    return tuple(Related(each.place, "and here") for each in handlers[1:])
