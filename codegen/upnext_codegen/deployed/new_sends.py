"""Sends of the new code that deployed handlers cannot take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from upnext_codegen.changes.breaks import Change
from upnext_codegen.changes.compare import sends_of
from upnext_codegen.merging.merge import EXTRAS
from upnext_codegen.records import Place, Send

_OMITTED = frozenset({"UPN411", "UPN412", "UPN417"})
"""Changes that break a send which does not give the field."""

_REFUSED = frozenset({"UPN413", "UPN414"})
_CERTAIN = frozenset({*_OMITTED, *_REFUSED, "UPN415", "UPN421", "UPN424", "UPN425"})
"""Changes that break whatever is sent; the others only some values."""

_WORDS = {
    "UPN415": "is sent as {was} here, and the deployed handler {handlers} takes {now}",
    "UPN416": "is sent as {was} here, of which the deployed handler {handlers} takes only {now}",
    "UPN421": "is required by what is deployed, and not sent any more",
    "UPN422": "is required by what is deployed, and need not be sent any more",
    "UPN423": "is refused by what is deployed",
    "UPN424": "has another key in what is deployed",
    "UPN425": "has another type in what is deployed",
    "UPN426": "takes fewer values in what is deployed",
    "UPN427": "is not known to what is deployed, or has another value there",
    "UPN428": "is held to limits by what is deployed that it has no more",
}


class NewSend(NamedTuple):
    """A send of the new code that breaks a deployed handler.

    Attributes:
        event: The event.
        change: What of the event it is about.
        message: What is wrong.
        places: The sends.
        certain: Whether all of them break it, whatever the values.
    """

    event: str
    change: Change
    message: str
    places: tuple[Place, ...]
    certain: bool


def new_sends(backward: Iterable[Change], sends: Sequence[Send]) -> Iterator[NewSend]:
    """Find the sends that deployed handlers cannot take.

    Args:
        backward: What the deployed handlers cannot take of what the new contract allows.
        sends: The sends of the project. Those whose fields are not all known prove nothing about fields.
    """
    for change in backward:
        for event in change.events:
            places = tuple(each.place for each in sends_of(event, sends) if _is_evidence(change, each))
            if places:
                certain = change.finding.code in _CERTAIN
                yield NewSend(event, change, _message(event, change), places, certain)


def _is_evidence(change: Change, send: Send) -> bool:
    code, field = change.finding.code, change.field
    if code in _OMITTED:
        return field not in send.fields and not send.unknown_fields
    if code == "UPN413":
        return field in send.fields
    if code == "UPN414":
        return False  # which fields those would be, the contract does not say
    if code in {"UPN415", "UPN416"}:
        return field == EXTRAS or field in send.fields or send.unknown_fields
    return True


def _message(event: str, change: Change) -> str:
    code, (was, now) = change.finding.code, change.types
    handlers = " and ".join(f'"{each.partition(" ")[2]}"' for each in dict.fromkeys(change.handlers))
    if code in _OMITTED:
        return f'"{event}" is sent without "{change.field}" here, which the deployed handler {handlers} requires'
    if code in _REFUSED:
        return f'"{event}" is sent with "{change.field}" here, which the deployed handler {handlers} refuses'
    words = _WORDS[code].format(was=was, now=now, handlers=handlers)
    subject = f'field "{change.field}" of "{event}"' if change.handlers else f'"{change.field}" in "{event}"'
    return f"{subject} {words}"
