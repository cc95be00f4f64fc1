"""Records as JSON and back: a record becomes an object that maps the number of its class to its fields."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from upnext_codegen import contract, findings, records, types

# The order is part of the cache's format: add at the end, and raise `cache.FORMAT` on any other change.
_CLASSES: tuple[type[Any], ...] = (
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
    records.Send,
    records.Scan,
    records.Resolved,
    findings.Related,
    findings.Finding,
    records.Reached,
    records.Task,
    types.ModelField,
    types.ModelFacts,
    records.FileModels,
    records.Upcaster,
    contract.Upcast,
    contract.Field,
    types.Doubt,
)
_NAMES: dict[type[Any], str] = {kind: str(number) for number, kind in enumerate(_CLASSES)} | {
    tuple: "",
    bytes: "b",
    dict: "d",
    frozenset: "s",
}
_LEAVES: frozenset[type[Any]] = frozenset({str, int, float, bool, type(None)})


def dumps(value: object) -> str:
    """Write records as JSON on one line."""
    return json.dumps(_named(value), separators=(",", ":"))


def loads(text: str) -> object:
    """Read what `dumps` wrote.

    Raises:
        ValueError: The text is something else.
    """
    try:
        return _DECODER.decode(text)
    except (TypeError, LookupError, RecursionError, AttributeError) as error:
        raise ValueError(text[:40]) from error


@lru_cache(maxsize=20_000)  # for `--watch`, which scans again and again in one process
def part(text: str) -> records.Resolved | None:
    """Read what `dumps` wrote for one file's part, None if it is something else."""
    try:
        found = loads(text)
    except ValueError:
        return None
    return found if isinstance(found, records.Resolved) else None


def _named(value: object) -> object:
    # Half of all values are leaves, and there are millions of them: they come first, with a single look-up.
    kind = type(value)
    if kind in _LEAVES:
        return value
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        return {_NAMES.get(kind, ""): [item if type(item) in _LEAVES else _named(item) for item in items]}
    if isinstance(value, bytes):
        return {_NAMES[kind]: value.decode("latin-1")}
    if isinstance(value, dict):
        pairs = cast("dict[str | int, object]", value).items()
        return {_NAMES[kind]: [[key, _named(item)] for key, item in pairs]}
    if isinstance(value, frozenset):
        return {_NAMES[kind]: sorted(cast("frozenset[str]", value))}
    fields = dataclasses.fields(cast("Any", value))
    return {_NAMES[kind]: [_named(getattr(value, each.name)) for each in fields]}


def _maker(kind: type[Any]) -> Callable[[Any], object]:
    """Return the constructor of values of a kind from JSON."""
    if kind is bytes:
        return _bytes
    if kind in {tuple, dict, frozenset}:
        return kind
    make: Callable[[Any], object] | None = getattr(kind, "_make", None)
    return make or (lambda items: kind(*items))


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


_MAKERS = {name: _maker(kind) for kind, name in _NAMES.items()}


def _made(pairs: list[tuple[str, Any]]) -> object:
    name, items = pairs[0]
    return _MAKERS[name](items)


# Python's decoder calls this from the inside out, so that no other walk over the lists is needed.
_DECODER = json.JSONDecoder(object_pairs_hook=_made)
