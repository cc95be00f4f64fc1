"""Recursive aliases without a `type` statement: `Json = dict[str, "Json"] | list["Json"] | str`.

Type checkers accept them. Python evaluates the string inside once, and leaves the recurring name as a string; here it
becomes a class that pydantic reads as a reference to the whole alias.
"""

from __future__ import annotations

import contextvars
import sys
from typing import TYPE_CHECKING, Annotated, Any, ForwardRef, Literal, TypeGuard, get_args, get_origin, get_type_hints

from pydantic_core import core_schema

from upnext.annotations import concrete

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_being_read: contextvars.ContextVar[frozenset[str]] = contextvars.ContextVar("upnext_alias", default=frozenset())


class Reference:
    """Stands for an alias inside itself.

    Attributes:
        alias: The alias.
    """

    alias: Any


def evaluate(annotated: Any, names: dict[str, Any], globalns: dict[str, Any] | None = None) -> dict[str, Any]:
    """Evaluate the annotations of a function or a class.

    Args:
        annotated: The function or class.
        names: Further names; references to aliases are added.
        globalns: The names of its module; None for those of the module of each class.

    Raises:
        NameError: If there is no such name.
    """
    while True:
        hints = get_type_hints(annotated, globalns, names or None, include_extras=True)
        again = [name for name in _mentioned(hints.values()) if not is_reference(names.get(name))]
        if not again or not all(map(str.isidentifier, again)):
            return hints
        home = vars(sys.modules[annotated.__module__]) if globalns is None else globalns
        for name in again:
            names[name] = _reference(name, _alias(name, names, home), home, names)


def _alias(name: str, names: dict[str, Any], home: dict[str, Any]) -> Any:
    for known in (names, home):
        if name in known:
            return known[name]
    try:
        return find_alias(name)
    except LookupError:
        raise NameError(f"name {name!r} is not defined", name=name) from None


def find_alias(name: str) -> Any:
    """Return the recursive alias of that name from any module, since the text in it names no module.

    Raises:
        LookupError: If there is none, or if there are several that differ.
    """
    found: list[Any] = []
    for module in list(sys.modules.values()):
        alias = getattr(module, "__dict__", {}).get(name)
        if get_args(alias) and alias not in found and name in _mentioned([alias]):
            found.append(alias)
    if len(found) != 1:
        raise LookupError(name)
    return found[0]


def _mentioned(annotations: Iterable[Any]) -> set[str]:
    """Return the names in string annotations."""
    found: set[str] = set()
    for annotation in annotations:
        if isinstance(annotation, ForwardRef):
            found.add(annotation.__forward_arg__)
        elif isinstance(annotation, str):
            found.add(annotation)
        elif get_origin(annotation) is Annotated:
            found |= _mentioned(get_args(annotation)[:1])  # metadata may be any text
        elif get_origin(annotation) is not Literal:
            found |= _mentioned(part for part in get_args(annotation) if not isinstance(part, list))
    return found


def is_reference(value: object) -> TypeGuard[type[Reference]]:
    """Return whether a value stands for an alias inside itself."""
    return isinstance(value, type) and issubclass(value, Reference)


def _reference(name: str, alias: Any, globalns: dict[str, Any], names: dict[str, Any]) -> type[Reference]:
    def read(cls: type, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        ref, being_read = f"{cls.__module__}.{name}:{id(cls)}", _being_read.get()
        mention = core_schema.definition_reference_schema(ref)
        if ref in being_read:
            return mention
        token = _being_read.set(being_read | {ref})
        try:
            carrier = type(name, (), {"__annotations__": {name: alias}})
            whole: Any = handler.generate_schema(concrete(evaluate(carrier, names, globalns)[name]))
        finally:
            _being_read.reset(token)
        whole["ref"] = ref
        return core_schema.definitions_schema(mention, [whole])

    members: dict[str, Any] = {
        "__module__": str(globalns.get("__name__")),
        "alias": alias,
        "__get_pydantic_core_schema__": classmethod(read),
    }
    return type(name, (Reference,), members)
