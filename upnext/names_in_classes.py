"""Resolves names in class annotations that pydantic does not find by itself.

When pydantic meets a dataclass, a TypedDict or a named tuple as the type of a field, it looks names up in the class's
module. Names that the module imports only for type checkers are missing there, and recursive aliases are not
recognised.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, get_args, get_origin

from typing_extensions import is_typeddict

from upnext.annotations import ALIASES
from upnext.guarded_imports import type_hints
from upnext.recursive_aliases import is_reference

if TYPE_CHECKING:
    from collections.abc import Iterable

_MISSING: Any = object()
_INIT_VAR: Any = dataclasses.InitVar  # pyright does not know the element type


def names_in_classes(annotation: Any) -> dict[str, Any]:
    """Return the names that pydantic needs to read the classes that an annotation reaches.

    That is nothing if one of these names means something else in the module of another class: pydantic cannot be told
    which of them is meant where.
    """
    found: dict[str, Any] = {}
    waiting, modules, seen = [annotation], list[dict[str, Any]](), set[Any]()
    while waiting:
        part = waiting.pop()
        waiting += _parts(part)
        kind = get_origin(part) or part
        if not (isinstance(kind, ALIASES) or _is_read_late(kind)) or kind in seen:
            continue
        seen.add(kind)
        modules.append(vars(sys.modules[kind.__module__]))
        names: dict[str, Any] = {}
        try:
            waiting += type_hints(_annotated(kind), names).values()
        except Exception:  # noqa: BLE001, S112  # what is written as text is code; pydantic says what is wrong with it
            continue
        if any(not _is_same(found.get(name, value), value) for name, value in names.items()):
            return {}
        found |= names
    is_clear = all(_is_same(module.get(name, it), it) for module in modules for name, it in found.items())
    return found if is_clear else {}


def _is_same(one: Any, other: Any) -> bool:
    one, other = (each.alias if is_reference(each) else each for each in (one, other))
    return one is other or bool(one == other)


def _parts(annotation: Any) -> Iterable[Any]:
    """Return the parts of an annotation."""
    if isinstance(annotation, _INIT_VAR):
        return (annotation.type,)
    if is_reference(annotation):
        return (annotation.alias,)
    supertype = getattr(annotation, "__supertype__", _MISSING)
    return (*get_args(annotation), *([] if supertype is _MISSING else [supertype]))


def _annotated(kind: Any) -> Any:
    """Return a class annotated like another class, or with the value of a `type` statement."""
    if not isinstance(kind, ALIASES):
        return kind
    return type("holder", (), {"__annotations__": {"value": kind.__value__}, "__module__": kind.__module__})


def _is_read_late(cls: Any) -> bool:
    """Return whether pydantic reads a class when it encounters it instead of when the class is created."""
    is_named_tuple = isinstance(cls, type) and tuple in cls.__mro__ and "_fields" in dir(cls)
    return is_named_tuple or is_typeddict(cls) or (isinstance(cls, type) and dataclasses.is_dataclass(cls))
