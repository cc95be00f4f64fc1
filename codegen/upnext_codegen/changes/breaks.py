"""The words for changes that break what was there before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from upnext_codegen.catalog import lock
from upnext_codegen.catalog.spelling import distinct_texts
from upnext_codegen.contract import EventContract
from upnext_codegen.findings import Finding, Related
from upnext_codegen.merging.merge import EXTRAS
from upnext_codegen.records import Declaration, Handler, Place
from upnext_codegen.types import ANY, Type


class Kind(StrEnum):
    """How a change breaks a field."""

    MISSING = "missing"
    REJECTED = "rejected"
    TYPE = "type"


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
    """

    kind: Kind
    field: str
    place: Place
    handler: Handler
    was: Type = ANY
    now: Type = ANY


def told(event: EventContract, found: Sequence[Break]) -> Finding:
    """Report UPN401: breaks of one kind that one field has, a finding for all of its handlers."""
    first, *others = sorted(found, key=lambda each: each.place)
    known = {receiver.identity for receiver in event.receivers}
    queued = any(each.handler.identity in known for each in found)
    whose = "earlier sends and queued jobs" if queued else "earlier sends"
    message, way_out = _words(event.name, first, whose)
    return Finding(
        code="UPN401",
        # That a send held a field that nobody had named is possible, and seldom.
        severity="warning" if (first.field, first.kind) == (EXTRAS, Kind.REJECTED) else "error",
        message=message,
        place=first.place,
        help=way_out,
        related=tuple(Related(each.place, f'handler "{each.handler.name}" as well') for each in others),
    )


def gone(event: EventContract, handlers: Iterable[Handler], declarations: Sequence[Declaration]) -> Iterable[Finding]:
    """Report UPN402: handlers that are no more, once for an event."""
    now = {handler.identity: handler.name for handler in handlers}
    lost = [receiver for receiver in event.receivers if receiver.identity not in now]
    if not lost:
        return
    names = _listed([f'"{event.names[receiver.identity]}"' for receiver in lost])
    who, them, queue = (
        (f"handler {names}", "it", "its queue is")
        if len(lost) == 1
        else (f"handlers {names}", "them", "their queues are")
    )
    is_new = now.keys() - {receiver.identity for receiver in event.receivers}
    renamed = f'if it was renamed, keep its name with @event.on(name="{lost[0].name}"), or ' if is_new else ""
    yield Finding(
        code="UPN402",
        severity="warning",
        message=f'{who} of "{event.name}" {"is" if len(lost) == 1 else "are"} gone: '
        f"jobs that are queued for {them} would wait for a worker that knows {them}",
        place=declarations[0].place if declarations else Place(lock.FILE_NAME, 1, 1),
        help=f"{renamed if len(lost) == 1 else ''}keep {them} until {queue} empty, then `upnext unsubscribe` {them}",
    )


def _words(event: str, found: Break, whose: str) -> tuple[str, str]:
    field = "fields that no handler names" if found.field == EXTRAS else f'field "{found.field}"'
    verb = "are" if found.field == EXTRAS else "is"
    it = "them" if found.field == EXTRAS else "it"
    name = found.handler.name
    match found.kind:
        case Kind.MISSING:
            return (
                f'{field} of "{event}" is required now, and {whose} may be without it',
                f'give "{found.field}" a default until nothing earlier is sent or queued any more',
            )
        case Kind.REJECTED:
            add = "**kwargs" if found.field == EXTRAS else f'"{found.field}" or **kwargs'
            return (
                f'{field} of "{event}" {verb} rejected now by handler "{name}", and {whose} may hold {it}',
                f'add {add} to handler "{name}"',
            )
        case Kind.TYPE:
            was, now = distinct_texts((found.was, found.now))
            been = "were" if verb == "are" else "was"
            return (
                f'{field} of "{event}" {verb} {now} now but {been} {was}, which {whose} may hold',
                f"take {was} as well until nothing earlier is sent or queued any more",
            )


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
