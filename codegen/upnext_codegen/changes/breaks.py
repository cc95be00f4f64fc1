"""Messages about breaking changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from upnext_codegen.contract import EventContract
from upnext_codegen.findings import Finding, Related
from upnext_codegen.merging.merge import EXTRAS
from upnext_codegen.records import Handler, Place, Send
from upnext_codegen.types import ANY, Type
from upnext_codegen.types.format import distinct_texts

EARLIER = "earlier sends"
"""Whose events a change breaks, in words: those of code that was there before."""

LATER = "until nothing earlier is sent or queued any more"
OR_UPCAST = f"{LATER}, or bridge it with @event.upcast"
"""The same where an upcaster is a way out as well."""

_MOST_SENDS = 10
"""How many sends of the project a finding lists; who mends the first ones has seen the pattern."""


class Kind(StrEnum):
    """How a change breaks a field: the code of its rule."""

    UNKNOWN = "UPN411"
    REQUIRED = "UPN412"
    REJECTED = "UPN413"
    EXTRAS_REJECTED = "UPN414"
    RETYPED = "UPN415"
    NARROWED = "UPN416"
    RENAMED = "UPN417"


_NOT_GIVEN = frozenset({Kind.UNKNOWN, Kind.REQUIRED, Kind.RENAMED})
"""Kinds that break a send which does not give the field."""


class Change(NamedTuple):
    """A breaking change.

    Attributes:
        finding: What is reported of it.
        events: The events that it breaks.
        field: The field, or the field of a model as "Model.field".
        handlers: The handlers that it concerns, as `Handler.identity` has them; of a model none.
        types: What is written and what is read, as texts, where they differ.
    """

    finding: Finding
    events: tuple[str, ...]
    field: str
    handlers: tuple[str, ...] = ()
    types: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Break:
    """One handler that cannot take what the earlier contract allowed.

    Attributes:
        kind: How.
        field: The field's name, `EXTRAS` for those that no handler named.
        place: Where the handler says so.
        handler: Which.
        was: The field's earlier type.
        now: What the handler takes.
        former: The field's earlier name, where it was renamed.
    """

    kind: Kind
    field: str
    place: Place
    handler: Handler
    was: Type = ANY
    now: Type = ANY
    former: str = ""


def report(event: EventContract, found: Sequence[Break], sends: Iterable[Send], whose: str) -> Finding:
    """Report breaks of one kind for one field, as a single finding for all of its handlers.

    Args:
        event: The earlier contract.
        found: The breaks.
        sends: The sends of the event in the project.
        whose: Whose events it breaks beside queued jobs, in words.
    """
    first, *others = sorted(found, key=lambda each: each.place)
    known = {receiver.identity for receiver in event.receivers}
    queued = any(each.handler.identity in known for each in found)
    message, way_out = _words(event.name, first, f"{whose} and queued jobs" if queued else whose)
    return Finding.of(
        code=first.kind.value,
        message=message,
        place=first.place,
        help=way_out,
        related=(
            *(Related(each.place, f'handler "{each.handler.name}" as well') for each in others),
            *_broken_sends(first, sends),
        ),
    )


def _broken_sends(found: Break, sends: Iterable[Send]) -> list[Related]:
    """The project's sends that the break affects as well, as far as their fields are known."""
    if found.kind in _NOT_GIVEN:
        places = [each.place for each in sends if found.field not in each.fields and not each.unknown_fields]
        return [Related(place, f'this send does not give "{found.field}"') for place in places[:_MOST_SENDS]]
    if found.kind is Kind.REJECTED:
        places = [each.place for each in sends if found.field in each.fields]
        return [Related(place, f'this send gives "{found.field}"') for place in places[:_MOST_SENDS]]
    return []


def _words(event: str, found: Break, whose: str) -> tuple[str, str]:
    field = f'field "{found.field}" of "{event}"'
    name = found.handler.name
    match found.kind:
        case Kind.UNKNOWN:
            message = f"{field} is required now, and {whose} are without it"
            return message, f'give "{found.field}" a default {OR_UPCAST}'
        case Kind.REQUIRED:
            message = f"{field} is required now, and {whose} may be without it"
            return message, f'give "{found.field}" a default {OR_UPCAST}'
        case Kind.RENAMED:
            message = f'{field} is required now in place of "{found.former}", which {whose} hold'
            return message, f'take "{found.former}" as well, and give both a default, {OR_UPCAST}'
        case Kind.REJECTED:
            message = f'{field} is rejected now by handler "{name}", and {whose} may hold it'
            return message, f'add "{found.field}" or **kwargs to handler "{name}"'
        case Kind.EXTRAS_REJECTED:
            message = f'fields that no handler names of "{event}" are rejected now by handler "{name}"'
            return f"{message}, and {whose} may hold them", f'add **kwargs to handler "{name}"'
        case Kind.RETYPED | Kind.NARROWED:
            was, now = distinct_texts((found.was, found.now))
            change = f"is {now} now but was {was}"
            if found.field == EXTRAS:
                field, change = f'fields that no handler names of "{event}"', f"are {now} now but were {was}"
            return (
                f"{field} {change}, which {whose} may hold",
                f"take {was} as well {LATER if found.field == EXTRAS else OR_UPCAST}",
            )


def listed(names: Sequence[str]) -> str:
    """Join names with commas and "and"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
