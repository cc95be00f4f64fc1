"""Owners of events: declared in the settings, kept in the lock, and shown with findings about the event."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from upnext_codegen.contract import Contract
from upnext_codegen.findings import Finding

_QUOTED = re.compile(r'(\w+ )?"([^"]+)"')
_OTHERS = frozenset({"field ", "handler ", "task ", "worker ", "member "})
"""What messages say before a name in quotes that is not an event's."""


def with_owners(contract: Contract, patterns: Sequence[tuple[str, str]], known: Mapping[str, str]) -> Contract:
    """Add to each event its owner.

    Args:
        contract: The events.
        patterns: Patterns of event names, each with an owner; of those that match, the last one counts.
        known: The owners of events that no pattern matches, by event: those of other projects.
    """
    if not patterns and not known:
        return contract

    def owner(event: str) -> str:
        found = owning_pattern(event, patterns)
        return found[1] if found else known.get(event, "")

    return replace(contract, events=tuple(each._replace(owner=owner(each.name)) for each in contract.events))


def owning_pattern(event: str, patterns: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the pattern that determines an event's owner, and the owner; None if none matches."""
    return next((each for each in reversed(patterns) if fnmatchcase(event, each[0])), None)


def naming_owners(findings: Iterable[Finding], contract: Contract) -> tuple[Finding, ...]:
    """Add to each finding the owners of its events."""
    owners = {event.name: event.owner for event in contract.events if event.owner}
    return tuple(_naming(each, owners) for each in findings) if owners else tuple(findings)


def _naming(finding: Finding, owners: Mapping[str, str]) -> Finding:
    quoted = _QUOTED.findall(finding.message)
    named = dict.fromkeys(name for kind, name in quoted if kind not in _OTHERS and name in owners)
    owned = ", ".join(f'"{event}" belongs to {owners[event]}' for event in named)
    return finding._replace(help=f"{finding.help}; {owned}") if owned else finding
