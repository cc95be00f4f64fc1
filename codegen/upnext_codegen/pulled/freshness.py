"""Whether pulled contracts still match their source: UPN440, and UPN441 where that is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from upnext_codegen.catalog.contract_json import to_json
from upnext_codegen.changes.compare import changes
from upnext_codegen.contract import Contract
from upnext_codegen.findings import Finding, Related
from upnext_codegen.project import Project
from upnext_codegen.pulled.imports_lock import Pulled, Source
from upnext_codegen.pulled.merged import OwnHandlers, handlers_of
from upnext_codegen.records import Scan, is_elsewhere

Current: TypeAlias = Mapping[Source, Contract | str]
"""What the sources have now; of one that cannot be read the reason."""

SENDS = "what this project sends"
"""Whose events a change breaks, in words."""

_MOST_NAMED = 3


def freshness(project: Project, scan: Scan, pulled: Sequence[Pulled], current: Current) -> Iterator[Finding]:
    """Compare pulled contracts with the current ones of their sources.

    Args:
        project: The project.
        scan: What was read from its sources.
        pulled: What was pulled.
        current: What the sources have now.
    """
    own = OwnHandlers.of(project, scan)
    for each in pulled:
        now = current.get(each.source)
        if isinstance(now, Contract):
            yield from _changed(scan, each._replace(contract=own.without(each.contract)), own.without(now))
        elif now is not None:
            yield Finding.of(
                "UPN441",
                f"whether the contracts from {each.source} are still the current ones cannot be known: {now}",
                each.place(),
                f"make the source reachable here, or `upnext pull --remove {each.source.address}` if it is gone",
            )


def _changed(scan: Scan, pulled: Pulled, now: Contract) -> Iterator[Finding]:
    """Report what breaks the events that this project declares, and otherwise that something is out of date."""
    declared = {each.event for each in scan.declarations}
    known = Contract(tuple(each for each in pulled.contract.events if each.name in declared), pulled.contract.classes)
    broken = dict.fromkeys(_breaks(scan, pulled, known, now))
    yield from broken
    before, after = _texts(pulled.contract), _texts(now)
    other = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if broken or not other:
        return
    named = ", ".join(f'"{name}"' for name in other[:_MOST_NAMED])
    more = f" and {len(other) - _MOST_NAMED} more" if len(other) > _MOST_NAMED else ""
    yield Finding.of(
        "UPN440",
        f"{pulled.source} has other contracts now for {named}{more} than were pulled; the sends of this project suit "
        "both",
        pulled.place(),
        f"run `{pulled.source.command}`",
        severity="warning",
    )


def _texts(contract: Contract) -> dict[str, object]:
    return {event.name: to_json(Contract((event,), contract.classes)) for event in contract.events}


def _breaks(scan: Scan, pulled: Pulled, known: Contract, now: Contract) -> Iterator[Finding]:
    handlers = [handler for event in now.events for handler in handlers_of(event, pulled)]
    upcasts = {event.name: event.upcasts for event in now.events}
    for change in changes(known, handlers, now.classes, scan.sends, SENDS, upcasts=upcasts):
        sends = [each for each in change.finding.related if not is_elsewhere(each.place)]
        event = change.events[0]
        yield Finding.of(
            "UPN440",
            f"{pulled.source} has another contract now than was pulled: {change.finding.message}",
            pulled.place("events", event),
            f"run `{pulled.source.command}`, then change the sends; or have an upcaster there take what is sent",
            tuple(Related(each.place, each.message) for each in sends),
        )
