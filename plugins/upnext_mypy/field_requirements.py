"""What the catalog says about an event beside its signature: its name, and which handler requires which field.

The facts are in the type of the first parameter of `send`, where mypy reads them with the rest of the catalog. So mypy
tracks them: when they change, it rechecks every send that they concern, in its daemon as well. A file that a hook read
by itself would not be tracked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mypy.nodes import Decorator, FuncDef
from mypy.types import (
    CallableType,
    Instance,
    LiteralType,
    ProperType,
    UnionType,
    flatten_nested_unions,
    get_proper_type,
)

_MOST_NOTES = 5


@dataclass(frozen=True, slots=True)
class FieldRequirements:
    """An event, and which handlers require which fields.

    Attributes:
        event: The event's name.
        handlers: Each handler as messages name it, with its fields; those with `=` have a default.
    """

    event: str
    handlers: tuple[tuple[str, tuple[str, ...]], ...]

    def notes(self, field: str) -> list[str]:
        """Return which handlers name a field, the ones that require it first."""
        lines = [f'"{field}" is required by {handler}' for handler, fields in self.handlers if field in fields]
        lines += [f'"{field}" is optional for {handler}' for handler, fields in self.handlers if f"{field}=" in fields]
        more = len(lines) - _MOST_NOTES
        return [*lines[:_MOST_NOTES], f"and {more} more handlers"] if more > 1 else lines


def requirements_of(receiver: ProperType, method: str) -> FieldRequirements | None:
    """Read what the catalog says about the event that a method is called on.

    Args:
        receiver: The type of the object.
        method: The method: in a large catalog `send` can be an object, which is called.
    """
    if not isinstance(receiver, Instance):
        return None
    # In a large catalog `send_sync` takes its signature from `send`, and a handler takes both from its event.
    event = get_proper_type(receiver.args[0]) if receiver.args else None
    places = ((receiver, method),) if method == "__call__" else ((receiver, "send"), (event, "send"))
    for owner, name in places:
        name_of_event, *lines = _literals(_receiver(owner, name)) or ("",)
        if name_of_event:
            return FieldRequirements(name_of_event, tuple(map(_handler, lines)))
    return None


def _receiver(owner: ProperType | None, method: str) -> ProperType | None:
    """Return the declared type of a method's first parameter."""
    found = owner.type.get(method) if isinstance(owner, Instance) else None
    node = None if found is None else found.node
    function = node.func if isinstance(node, Decorator) else node
    if not isinstance(function, FuncDef) or not isinstance(function.type, CallableType) or not function.type.arg_types:
        return None
    return get_proper_type(function.type.arg_types[0])


def _literals(written: ProperType | None) -> list[str]:
    return list(_texts(written)) if isinstance(written, UnionType) else []


def _texts(union: UnionType) -> Iterator[str]:
    for item in flatten_nested_unions(union.items):
        literal = get_proper_type(item)
        if isinstance(literal, LiteralType) and isinstance(literal.value, str):
            yield literal.value


def _handler(line: str) -> tuple[str, tuple[str, ...]]:
    head, _, fields = line.rpartition(": ")
    name, _, file = head.partition(" in ")
    return f'handler "{name}" in {file}', tuple(fields.split())
