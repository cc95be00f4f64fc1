"""The possible values of an expression, as far as the scanner distinguishes them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from upnext_codegen.names.modules import UPNEXT, ExternalName, ModuleRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext_codegen.names.scopes import Definition, Use


@dataclass(frozen=True, slots=True)
class Unknown:
    """An unknown value."""


@dataclass(frozen=True, slots=True)
class NotUpnext:
    """A value that certainly has nothing to do with upnext."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal value."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ClassRef:
    """A class of the project."""

    definition: Definition

    @property
    def file(self) -> str:
        """The file that defines it."""
        return self.definition.file


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A function of the project."""

    definition: Definition

    @property
    def file(self) -> str:
        """The file that defines it."""
        return self.definition.file


@dataclass(frozen=True, slots=True)
class LambdaRef:
    """A lambda, with its place."""

    node: ast.Lambda
    use: Use


@dataclass(frozen=True, slots=True)
class PartialFunction:
    """`partial(function, ...)`: a function of the project, with the values of some parameters."""

    function: FunctionRef | LambdaRef
    bindings: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class WorkerValue:
    """A worker; the name is None if unknown, the class is set if it is a class of the project."""

    name: str | None
    cls: ClassRef | None = None


@dataclass(frozen=True, slots=True)
class EventValue:
    """An event.

    Attributes:
        name: None where it cannot be known.
        worker: Its worker's name, "" where it cannot be known.
        reported: Whether the unknown name is reported elsewhere, at the call that made the event.
    """

    name: str | None
    worker: str = ""
    reported: bool = False


@dataclass(frozen=True, slots=True)
class TaskValue:
    """A task: a function decorated by `worker.task`; the name is None if unknown."""

    name: str | None
    worker: str = ""
    target: Value | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """`worker.event`, `worker.task`, `event.on`, `event.send` and the like, not yet called."""

    owner: WorkerValue | EventValue | TaskValue
    name: str


@dataclass(frozen=True, slots=True)
class HandlerValue:
    """The result of `event.on` for a function: a handler, which is the event as well."""

    event: EventValue
    target: Value


@dataclass(frozen=True, slots=True)
class Attachment:
    """`event.on(...)` without a handler yet, with the call that has the options."""

    event: EventValue
    call: ast.Call
    use: Use


@dataclass(frozen=True, slots=True)
class TaskDecorator:
    """`worker.task(...)` without a function yet, with the call that has the options."""

    worker: WorkerValue
    call: ast.Call
    use: Use


@dataclass(frozen=True, slots=True)
class Sender:
    """`event.options(...)` or `task.options(...)`."""

    owner: EventValue | TaskValue


@dataclass(frozen=True, slots=True)
class PartialSend:
    """`partial(event.send, ...)`, with the call that fills some fields."""

    method: Method
    call: ast.Call
    use: Use


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
class MemberValue:
    """A member of an enum, with its value."""

    cls: ClassRef
    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class ContainerValue:
    """A literal list, tuple, set or dict, with its place and the name that it was bound to, if any."""

    node: ast.Tuple | ast.List | ast.Set | ast.Dict
    use: Use
    definition: Definition | None = None


@dataclass(frozen=True, slots=True)
class Namespace:
    """`SimpleNamespace(...)`: a dict whose keys are read as attributes."""

    items: ContainerValue


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """One of several: "event", "worker" or "value"; `events` are the names of those that it may be."""

    kind: str
    events: frozenset[str] = frozenset()


Value: TypeAlias = (
    Unknown
    | NotUpnext
    | Constant
    | ModuleRef
    | ExternalName
    | ClassRef
    | FunctionRef
    | LambdaRef
    | PartialFunction
    | WorkerValue
    | EventValue
    | TaskValue
    | Method
    | Attachment
    | TaskDecorator
    | HandlerValue
    | Sender
    | PartialSend
    | EventTable
    | Instance
    | MemberValue
    | ContainerValue
    | Namespace
    | Ambiguous
)
"""What an expression can turn out to be."""

UNKNOWN = Unknown()
NOT_UPNEXT = NotUpnext()

_UPNEXT_VALUES = EventValue | WorkerValue | Method | Attachment | Ambiguous


def merged(values: list[Value]) -> Value:
    """The value of a name that branches bind to several values: of upnext if just one of them is."""
    distinct = list(dict.fromkeys(values))
    known = [each for each in distinct if isinstance(each, _UPNEXT_VALUES)]
    if len(known) == 1:
        return known[0]
    if known:
        return Ambiguous(_kind(known[0]), events_of(known))
    handlers = [each for each in distinct if isinstance(each, HandlerValue)]
    if len({each.event for each in handlers}) > 1:
        return Ambiguous("event", events_of(handlers))
    solid = [each for each in distinct if not isinstance(each, Unknown) and each != Constant(None)]
    constant = any(isinstance(each, Constant | MemberValue) for each in solid)
    if len(solid) <= 1 and not (constant and UNKNOWN in distinct):
        return (solid or distinct or [UNKNOWN])[0]
    return Ambiguous("value") if constant else next(filter(_is_near, solid), solid[0])


def _is_near(value: Value) -> bool:
    """Whether it is something of upnext or the project, for which a branch imports another package as a substitute."""
    if isinstance(value, ExternalName):
        return value.name.partition(".")[0] in UPNEXT
    return isinstance(value, ModuleRef | ClassRef | FunctionRef | HandlerValue)


def _kind(value: Value) -> str:
    if isinstance(value, Ambiguous):
        return value.kind
    return "worker" if isinstance(value, WorkerValue) or _is_of_worker(value) else "event"


def _is_of_worker(value: Value) -> bool:
    # Any method of a worker counts as the worker; the methods of an event belong to the event.
    return isinstance(value, Method) and isinstance(value.owner, WorkerValue)


def events_of(values: Sequence[Value]) -> frozenset[str]:
    """The names of the events that values are, attach to, or send."""
    found: set[str] = set()
    for each in values:
        match each:
            case Ambiguous(_, events):
                found |= events
            case EventValue(str() as name) | Method(EventValue(str() as name)):
                found.add(name)
            case Attachment(EventValue(str() as name)) | HandlerValue(EventValue(str() as name)):
                found.add(name)
            case _:
                pass
    return frozenset(found)
