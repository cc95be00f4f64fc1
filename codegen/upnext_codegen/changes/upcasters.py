"""Faults of a project's upcasters that do not depend on its earlier states: UPN450 and UPN451."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from upnext_codegen.changes.bridges import Bridges, State, given
from upnext_codegen.findings import Finding, Related
from upnext_codegen.records import Handler, Scan, Upcaster


def upcaster_findings(scan: Scan) -> Iterator[Finding]:
    """Report upcasters that lead to no payload that every handler of their event takes."""
    handlers: defaultdict[str, list[Handler]] = defaultdict(list)
    for handler in scan.handlers:
        handlers[handler.event].append(handler)
    upcasters: defaultdict[str, list[Upcaster]] = defaultdict(list)
    for upcaster in scan.upcasters:
        upcasters[upcaster.event].append(upcaster)
    bridges = Bridges({}, scan.classes)
    for event, found in upcasters.items():
        if handlers[event] and event not in scan.refused:
            yield from dict.fromkeys(_of_event(bridges, found, handlers[event]))


def _of_event(bridges: Bridges, upcasters: list[Upcaster], handlers: list[Handler]) -> Iterator[Finding]:
    def suits(state: State) -> str:
        return next((reason for each in handlers if (reason := bridges.refusal(state, each))), "")

    places = {each.upcast: each.place for each in upcasters}
    for upcaster in upcasters:
        upcast = upcaster.upcast
        reason = "" if upcast.gives is None else suits(given(upcast))
        if not reason:
            continue
        others = [each.upcast for each in upcasters if each.upcast != upcast]
        way = bridges.follow(given(upcast), others, suits)
        if way.bridges:
            continue
        cycle = sorted((places[each] for each in (upcast, *way.used)), key=lambda place: place)
        if way.is_cycle or bridges.takes(way.used[-1] if way.used else upcast, upcast):
            names = " -> ".join(f'"{each.name}"' for each in sorted((upcast, *way.used), key=lambda one: places[one]))
            yield Finding.of(
                "UPN451",
                f'upcasters of "{upcaster.event}" lead back to themselves, and to no handler: {names}',
                cycle[0],
                "have one of them give what the handlers take",
                tuple(Related(place, "and here") for place in cycle[1:]),
            )
        else:
            yield Finding.of(
                "UPN450",
                f'upcaster "{upcast.name}" of "{upcaster.event}" leads to no payload that every handler takes: '
                f"{way.reason if way.used else reason}",
                upcaster.place,
                "have it give all fields that the handlers require, or add an upcaster that goes on from what it gives",
            )
