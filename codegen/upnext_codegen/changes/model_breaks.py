"""Breaking changes of models, each reported once, whichever events reach the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from upnext_codegen.changes.breaks import EARLIER, LATER, OR_UPCAST, Change
from upnext_codegen.changes.difference import Difference, Kind
from upnext_codegen.contract import EventContract
from upnext_codegen.escaped_text import quote
from upnext_codegen.findings import Finding
from upnext_codegen.records import Handler, Place
from upnext_codegen.types import NONE, ClassFacts, LiteralType, ModelFacts
from upnext_codegen.types.format import distinct_texts

_CODES = {
    Kind.UNKNOWN: "UPN421",
    Kind.REQUIRED: "UPN422",
    Kind.REJECTED: "UPN423",
    Kind.RENAMED: "UPN424",
    Kind.RETYPED: "UPN425",
    Kind.NARROWED: "UPN426",
    Kind.MEMBER: "UPN427",
    Kind.CONSTRAINED: "UPN428",
}
_MOST_EVENTS = 3


class _Broken(NamedTuple):
    """A difference, and what it breaks: events, and whether jobs of them may be queued."""

    difference: Difference
    events: dict[str, bool]


@dataclass(frozen=True, slots=True)
class ModelBreaks:
    """Collects what breaks inside models.

    Attributes:
        earlier: Facts of the classes of the earlier contract, by "module:qualname".
        now: Facts of today's classes.
        whose: Whose events they break beside queued jobs, in words.
    """

    earlier: Mapping[str, ClassFacts]
    now: Mapping[str, ClassFacts]
    whose: str = EARLIER
    _found: dict[tuple[str, str, Kind, str], _Broken] = field(
        default_factory=dict[tuple[str, str, Kind, str], _Broken], init=False
    )

    def add(self, event: EventContract, handler: Handler, differences: Sequence[Difference]) -> None:
        """Add what breaks of an event for one handler."""
        is_queued = any(receiver.identity == handler.identity for receiver in event.receivers)
        for each in differences:
            key = (each.owner, each.field, each.kind, each.detail)
            events = self._found.setdefault(key, _Broken(each, {})).events
            events[event.name] = events.get(event.name, False) or is_queued

    def changes(self) -> Iterator[Change]:
        """Report all breaks."""
        for broken in self._found.values():
            found = broken.difference
            model = self.now[found.owner].model
            assert model is not None  # otherwise nothing about it would be certain
            message, way_out = self._words(found, model, self._whose(broken.events))
            finding = Finding.of(code=_CODES[found.kind], message=message, place=_place(found, model), help=way_out)
            yield Change(finding, tuple(sorted(broken.events)), f"{found.owner.partition(':')[2]}.{found.field}")

    def _words(self, found: Difference, model: ModelFacts, whose: str) -> tuple[str, str]:
        owner = found.owner.partition(":")[2]
        name = f'field "{found.field}" of "{owner}"'
        match found.kind:
            case Kind.UNKNOWN:
                message = f"{name} is required now, and {whose} are without it"
                return message, f'give "{found.field}" a default {OR_UPCAST}'
            case Kind.REQUIRED if found.detail:
                message = f"{name} tells the models of a union apart now, and {whose} may be without it"
                return message, f"take the {found.detail} away {OR_UPCAST}"
            case Kind.REQUIRED:
                message = f"{name} is required now, and {whose} may be without it"
                return message, f'give "{found.field}" a default {OR_UPCAST}'
            case Kind.REJECTED if not found.field:
                message = f'keys that "{owner}" does not name are rejected now, and {whose} may hold some'
                return message, f'allow extra keys of "{owner}" {LATER}'
            case Kind.REJECTED:
                return f"{name} is rejected now, and {whose} hold it", f'keep "{found.field}" {LATER}'
            case Kind.RENAMED:
                key = next((min(each.read_keys) for each in model.fields if each.name == found.field), found.field)
                message = f'{name} is read from "{key}" now but was written as "{found.detail}" in {whose}'
                return message, f'read it from "{found.detail}" as well, with AliasChoices, {OR_UPCAST}'
            case Kind.MEMBER:
                return self._member(found, model, whose)
            case Kind.CONSTRAINED:
                message = f"{name} is held to {found.detail} now, and values in {whose} need not satisfy that"
                return message, f"keep the earlier limits {OR_UPCAST}"
            case Kind.RETYPED | Kind.NARROWED:
                was, now = distinct_texts((found.was, found.now))
                return f"{name} is {now} now but was {was}, which {whose} may hold", f"take {was} as well {OR_UPCAST}"

    def _whose(self, events: Mapping[str, bool]) -> str:
        names = [quote(name) for name in sorted(events)]
        shown = names if len(names) <= _MOST_EVENTS else [*names[:_MOST_EVENTS], f"{len(names) - _MOST_EVENTS} more"]
        *most, last = shown
        listed = f"{', '.join(most)} and {last}" if most else last
        return f"{self.whose}{' and queued jobs' if any(events.values()) else ''} of {listed}"

    def _member(self, found: Difference, model: ModelFacts, whose: str) -> tuple[str, str]:
        owner = found.owner.partition(":")[2]
        now = next((each.type for each in model.fields if each.name == found.field), None)
        if isinstance(now, LiteralType) or now == NONE:
            message = f'member "{found.field}" of "{owner}" has another value now, and {whose} may hold the earlier one'
            return message, f"keep its value {LATER}"
        return f'member "{found.field}" of "{owner}" is gone, and {whose} may hold it', f"keep it {LATER}"


def _place(found: Difference, model: ModelFacts) -> Place:
    own = next((each.place for each in model.fields if each.name == found.field), (0, 0))
    return Place(model.file, *(own if own != (0, 0) else model.place))
