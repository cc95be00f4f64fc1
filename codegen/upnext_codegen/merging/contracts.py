"""Turns the results of a scan into the contract of every event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from upnext_codegen.contract import Contract, EventContract
from upnext_codegen.escaped_text import quote
from upnext_codegen.findings import Finding
from upnext_codegen.merging.merge import extras_allowed, merge
from upnext_codegen.merging.nearness import Near, NearNames
from upnext_codegen.merging.subtyping import Hierarchy
from upnext_codegen.records import Declaration, Handler, Scan

_ATTACH = "attach a function to it with @event.on; until then its sends are not checked"


def contracts(
    scan: Scan, *, extra: str | None = None, closed: Collection[str] = (), elsewhere: Collection[str] = ()
) -> tuple[Contract, tuple[Finding, ...]]:
    """Merge the handlers of every event of a project.

    Args:
        scan: What was read from its sources.
        extra: The project's setting for fields that no handler names: "allow", "forbid" or None.
        closed: Events of other projects that may not carry such fields whatever is said here.
        elsewhere: All events that other projects handle.
    """
    handlers: defaultdict[str, list[Handler]] = defaultdict(list)
    declarations: defaultdict[str, list[Declaration]] = defaultdict(list)
    for handler in scan.received:
        handlers[handler.event].append(handler)
    for declaration in scan.declarations:
        for name in (declaration.event, *declaration.formerly):
            declarations[name].append(declaration)
    attached = {handler.event for handler in scan.handlers}
    classes, upcasts = Hierarchy(scan.classes), scan.upcasts
    events: list[EventContract] = []
    findings: list[Finding] = []
    for name in sorted({*handlers, *declarations}):
        if not handlers[name]:
            events.append(EventContract(name))
            continue
        is_open = name not in closed and extras_allowed(declarations[name], extra)
        merged = merge(name, handlers[name], classes, open_to_extras=is_open)
        events.append(merged.contract._replace(upcasts=upcasts.get(name, ())))
        # Problems of handlers are reported once, under the current name of the event.
        if name in attached:
            findings += merged.findings
    handled = NearNames({*elsewhere, *(event.name for event in events if event.receivers)})
    for event in events:
        if not event.receivers and event.name not in scan.refused:
            declared = [each for each in declarations[event.name] if each.event == event.name]
            findings += _without_handler(event.name, declared, handled.nearest(event.name))
    return Contract(tuple(events), scan.classes, _workers(scan)), tuple(findings)


def _workers(scan: Scan) -> tuple[tuple[str, tuple[str, ...]], ...]:
    events: defaultdict[str, set[str]] = defaultdict(set)
    for declaration in scan.declarations:
        events[declaration.worker].update((declaration.event, *declaration.formerly))
    if not set(events) <= scan.workers:
        return ()
    return tuple((worker, tuple(sorted(events[worker]))) for worker in sorted(events))


def _without_handler(event: str, declarations: list[Declaration], near: Near) -> Iterator[Finding]:
    advice = f"did you mean {quote(near.names[0])}?" if near.names else _ATTACH
    if near.not_compared:
        advice += f"; {near.not_compared} events of much the same letters were not compared with this name"
    for declaration in declarations:
        yield Finding.of(
            code="UPN003",
            severity="error" if near.names else None,
            message=f'event "{event}" has no handler',
            place=declaration.place,
            help=advice,
            fixable=bool(near.names),
        )
