"""Facts to JSON and back: each record becomes a list that starts with the number of its class."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, cast

from upnext_codegen import findings, records, types
from upnext_codegen.reading import facts

# The order is part of the cache's format: add at the end, and raise `cache.FORMAT` on any other change.
_CLASSES: tuple[type[Any], ...] = (
    facts.Name,
    facts.Attr,
    facts.Const,
    facts.Bytes,
    facts.Dots,
    facts.Argument,
    facts.Call,
    facts.Joined,
    facts.Formatted,
    facts.Binary,
    facts.Subscript,
    facts.Display,
    facts.Mapping,
    facts.Negative,
    facts.Choice,
    facts.Element,
    facts.Part,
    facts.Starred,
    facts.Lambda,
    facts.Unknown,
    facts.TypeParameter,
    facts.ImportModule,
    facts.ImportFrom,
    facts.Assigned,
    facts.DefinedFunction,
    facts.DefinedClass,
    facts.Parameter,
    facts.Opaque,
    facts.Binding,
    facts.Star,
    facts.Scope,
    facts.Formal,
    facts.Decorator,
    facts.Function,
    facts.Class,
    facts.Site,
    facts.Facts,
    types.AnyType,
    types.ClassType,
    types.TupleType,
    types.EnumMember,
    types.LiteralType,
    types.UnionType,
    types.ClassFacts,
    records.Place,
    records.Parameter,
    records.Handler,
    records.Declaration,
    records.Scan,
    findings.Related,
    findings.Finding,
    records.Resolved,
)
_NUMBERS: dict[type[Any], int] = {kind: number for number, kind in enumerate(_CLASSES, 1)}


_BYTES, _DICT, _SET = -1, -2, -3
_LEAVES: frozenset[type[Any]] = frozenset({str, int, float, bool, type(None)})


def dumps(value: object) -> str:
    """Write records as JSON on one line."""
    return json.dumps(_listed(value), separators=(",", ":"))


def loads(text: str) -> object:
    """Read what `dumps` wrote.

    Raises:
        ValueError: The text is something else.
    """
    try:
        return _restored(json.loads(text))
    except (TypeError, IndexError, RecursionError, AttributeError) as error:
        raise ValueError(text[:40]) from error


def _listed(value: object) -> object:
    # Half of all values are leaves, and there are millions of them: they are asked for first, and by one look-up.
    kind = type(value)
    if kind in _LEAVES:
        return value
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        return [_NUMBERS.get(kind, 0), *[item if type(item) in _LEAVES else _listed(item) for item in items]]
    if isinstance(value, bytes):
        return [_BYTES, value.decode("latin-1")]
    if isinstance(value, dict):
        pairs = cast("dict[str | int, object]", value).items()
        return [_DICT, *[[0, key, _listed(item)] for key, item in pairs]]
    if isinstance(value, frozenset):
        return [_SET, *sorted(cast("frozenset[str]", value))]
    fields = dataclasses.fields(cast("Any", value))
    return [_NUMBERS[type(value)], *[_listed(getattr(value, each.name)) for each in fields]]


def _restored(value: object) -> object:
    if not isinstance(value, list):
        return value
    number, *items = cast("tuple[int, object]", value)
    parts: list[Any] = [item if type(item) in _LEAVES else _restored(item) for item in items]
    if number > 0:
        made: object = _CLASSES[number - 1](*parts)
        return made
    match number:
        case 0:
            return tuple(parts)
        case -1:
            return str(parts[0]).encode("latin-1")
        case -2:
            return dict(cast("list[tuple[str, object]]", parts))
        case _:
            return frozenset(cast("list[str]", parts))
