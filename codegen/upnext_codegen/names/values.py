"""What an expression can turn out to be, as far as the scanner cares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from upnext_codegen.names.modules import OURS, ModuleRef, Outside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext_codegen.names.lookup import Spot
    from upnext_codegen.reading import facts


@dataclass(frozen=True, slots=True)
class Nothing:
    """Not known."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Known to be nothing of ours."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal value."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ClassRef:
    """A class of the project."""

    file: str
    index: int


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A function of the project."""

    file: str
    index: int


@dataclass(frozen=True, slots=True)
class WorkerValue:
    """A worker; the name is None where it cannot be known, the class where it is upnext's own."""

    name: str | None
    cls: ClassRef | None = None


@dataclass(frozen=True, slots=True)
class EventValue:
    """An event.

    Attributes:
        name: None where it cannot be known.
        worker: Its worker's name, "" where it cannot be known.
        told: Whether the user hears of the unknown name elsewhere, at the call that made the event.
    """

    name: str | None
    worker: str = ""
    told: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """`worker.event` or `event.on`, not called."""

    owner: WorkerValue | EventValue
    name: str


@dataclass(frozen=True, slots=True)
class Handled:
    """What `event.on` makes of a function: a handler, which is the event as well."""

    event: EventValue
    target: Value


@dataclass(frozen=True, slots=True)
class Attachment:
    """`event.on(...)` without a handler yet, and the call with the options."""

    event: EventValue
    call: facts.Call
    spot: Spot


@dataclass(frozen=True, slots=True)
class EventTable:
    """`worker.events`."""

    worker: WorkerValue


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a class of the project; `is_self` in its own methods."""

    cls: ClassRef
    is_self: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an enum, and the value it was given."""

    cls: ClassRef
    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Shown:
    """A list, tuple, set or dict display, and where it stands."""

    expr: facts.Display | facts.Mapping
    spot: Spot


@dataclass(frozen=True, slots=True)
class Doubtful:
    """One of several things of ours: "event", "worker" or "value"; `events` are the names of those that it may be."""

    kind: str
    events: frozenset[str] = frozenset()


Value: TypeAlias = (
    Nothing
    | Foreign
    | Constant
    | ModuleRef
    | Outside
    | ClassRef
    | FunctionRef
    | WorkerValue
    | EventValue
    | Method
    | Attachment
    | Handled
    | EventTable
    | Instance
    | Member
    | Shown
    | Doubtful
)
"""What an expression can turn out to be."""

NOTHING = Nothing()
FOREIGN = Foreign()


def merged(values: list[Value]) -> Value:
    """What a name is that branches bind to several values: ours where only one of them is."""
    distinct = list(dict.fromkeys(values))
    ours = [each for each in distinct if isinstance(each, EventValue | WorkerValue | Method | Attachment | Doubtful)]
    if len(ours) == 1:
        return ours[0]
    if ours:
        return Doubtful(_kind(ours[0]), _events(ours))
    handled = [each for each in distinct if isinstance(each, Handled)]
    if len({each.event for each in handled}) > 1:
        return Doubtful("event", _events(handled))
    solid = [each for each in distinct if not isinstance(each, Nothing) and each != Constant(None)]
    constant = any(isinstance(each, Constant | Member) for each in solid)
    if len(solid) <= 1 and not (constant and NOTHING in distinct):
        return (solid or distinct or [NOTHING])[0]
    return Doubtful("value") if constant else next(filter(_is_near, solid), solid[0])


def _is_near(value: Value) -> bool:
    """Whether it is something of upnext or of the project, which an arm that imports another package stands in for."""
    if isinstance(value, Outside):
        return value.name.partition(".")[0] in OURS
    return isinstance(value, ModuleRef | ClassRef | FunctionRef | Handled)


def _kind(value: Value) -> str:
    if isinstance(value, Doubtful):
        return value.kind
    return "worker" if isinstance(value, WorkerValue | Method) else "event"


def _events(values: Sequence[Value]) -> frozenset[str]:
    """The names of the events that values are, or attach to."""
    found: set[str] = set()
    for each in values:
        match each:
            case Doubtful(_, events):
                found |= events
            case EventValue(str() as name) | Method(EventValue(str() as name)):
                found.add(name)
            case Attachment(EventValue(str() as name)) | Handled(EventValue(str() as name)):
                found.add(name)
            case _:
                pass
    return frozenset(found)
