"""Decides whether a value that went through JSON still equals the one that was sent.

`==` is not enough: it ignores the name of a time zone, a deque's limit, and fields that a class leaves out of its
comparison, and it is always false for objects that never equal another.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, time, tzinfo
from functools import cached_property, lru_cache
from typing import Any, cast

from pydantic import BaseModel, SecretBytes, SecretStr

CHANGED = "would not arrive equal; annotate what it holds, or send what JSON can carry"
_ZONE = "holds a time zone whose offset changes, of which JSON keeps only the offset; send it as .astimezone(UTC)"
_SECRET = "is a secret, which JSON masks; send what it hides as a str where that is safe"  # noqa: S105  # a message
# Values of these types alone are compared by C code, whole containers at once.
_SCALARS = frozenset({str, int, float, bool, type(None)})
_MISSING = object()


def same(sent: Any, arrived: Any) -> bool:
    """Return whether a value arrived as it was sent."""
    return not difference(sent, arrived)


def difference(sent: Any, arrived: Any) -> str:
    """Return the difference, as the predicate of a sentence without values, or "" if there is none."""
    return _comparison(cast("Hashable", type(sent)))(sent, arrived)


@lru_cache(maxsize=1000)
def _comparison(kind: Any) -> Callable[[Any, Any], str]:
    """Return the function that compares values of a type."""
    if kind in _SCALARS:
        return _scalar_difference
    if dataclasses.is_dataclass(kind):
        return _dataclass_difference
    return next((compare for base, compare in _COMPARISONS if issubclass(kind, base)), _other_difference)


def _scalar_difference(sent: Any, arrived: Any) -> str:
    return "" if _equal(sent, arrived) else CHANGED


def _other_difference(sent: Any, arrived: Any) -> str:
    if _equal(sent, arrived) or _has_no_equality(sent, arrived):
        return ""
    return _SECRET if isinstance(sent, (SecretStr, SecretBytes)) else CHANGED


def _has_no_equality(sent: object, arrived: object) -> bool:
    kind: Any = type(sent)
    return kind is type(arrived) and kind.__eq__ is object.__eq__


def _is(value: object, kind: type) -> bool:
    """Call `isinstance`, hiding from type checkers that they cannot know the items of the narrowed value."""
    return isinstance(value, kind)


def _equal(sent: Any, arrived: Any) -> bool:
    try:
        return bool(sent == arrived)
    except Exception:  # noqa: BLE001  # a user's class may raise anything
        return False


def _datetime_difference(sent: datetime, arrived: Any) -> str:
    if not isinstance(arrived, datetime) or sent.utcoffset() != arrived.utcoffset():
        return CHANGED
    if sent.replace(tzinfo=None) != arrived.replace(tzinfo=None):
        return CHANGED
    return _zone_difference(sent, arrived)


def _time_difference(sent: time, arrived: Any) -> str:
    return _zone_difference(sent, arrived) if isinstance(arrived, time) and sent == arrived else CHANGED


def _zone_difference(sent: datetime | time, arrived: datetime | time) -> str:
    return "" if sent.tzinfo is None or sent.tzinfo is arrived.tzinfo or _is_fixed(sent.tzinfo) else _ZONE


def _is_fixed(zone: tzinfo) -> bool:
    try:
        return zone.utcoffset(None) is not None  # the offset of such a zone depends on the date
    except Exception:  # noqa: BLE001  # a user's class may raise anything
        return False


def _sequence_difference(sent: Any, arrived: Any) -> str:
    kind = next(kind for kind in (list, tuple, deque) if _is(sent, kind))
    if not _is(arrived, kind) or len(sent) != len(arrived):
        return CHANGED
    if kind is deque and sent.maxlen != arrived.maxlen:
        return "would lose the maxlen of its deque"
    return _items_difference(sent, arrived)


def _items_difference(sent: Iterable[Any], arrived: Iterable[Any]) -> str:
    if set(map(type, sent)) <= _SCALARS:
        return "" if all(map(_equal, sent, arrived)) else CHANGED
    for item, there in zip(sent, arrived, strict=True):
        if found := difference(item, there):
            return found
    return ""


def _mapping_difference(sent: Any, arrived: Any) -> str:
    if not _is(arrived, Mapping):
        return CHANGED
    if _is(sent, defaultdict) and _is(arrived, defaultdict) and sent.default_factory is not arrived.default_factory:
        return "would lose the default_factory of its defaultdict"
    keys = {key: key for key in arrived}
    if len(sent) != len(keys) or any(key not in keys for key in sent):
        return CHANGED
    return _items_difference(list(sent), [keys[key] for key in sent]) or _items_difference(
        list(sent.values()), [arrived[key] for key in sent]
    )


def _set_difference(sent: Any, arrived: Any) -> str:
    if not _equal(sent, arrived):
        return CHANGED
    items = {item: item for item in arrived}
    return _items_difference(list(sent), [items[item] for item in sent])


def _model_difference(sent: BaseModel, arrived: Any) -> str:
    if not isinstance(arrived, BaseModel) or _origin(type(sent)) is not _origin(type(arrived)):
        return CHANGED
    mine, its = vars(sent), vars(arrived)
    if not (set(map(type, mine.values())) <= _SCALARS and mine == its):
        found = _field_difference(sent, mine, its)
        if found:
            return found
    if sent.__pydantic_extra__ or arrived.__pydantic_extra__:
        found = difference(sent.__pydantic_extra__ or {}, arrived.__pydantic_extra__ or {})
        if found:
            return found
    return _private_difference(sent, arrived)


def _field_difference(sent: BaseModel, mine: dict[str, Any], its: dict[str, Any]) -> str:
    for name, field in type(sent).model_fields.items():
        found = difference(mine.get(name, _MISSING), its.get(name, _MISSING))
        if found:
            return f"would lose {name!r} of {type(sent).__name__}: the field is excluded" if field.exclude else found
    return ""


def _origin(kind: type[BaseModel]) -> type[BaseModel]:
    """Return the generic model behind a parametrised one: `Page` for `Page[int]`."""
    return kind.__pydantic_generic_metadata__["origin"] or kind


def _private_difference(sent: BaseModel, arrived: BaseModel) -> str:
    mine: dict[str, Any] = sent.__pydantic_private__ or {}
    its: dict[str, Any] = arrived.__pydantic_private__ or {}
    if mine == its:
        return ""
    for name in mine.keys() | its.keys():
        there = its.get(name, _MISSING)
        if difference(mine.get(name, _MISSING), there) and not _is_generated_again(arrived, name, there):
            return f"would lose the private attribute {name!r} of {type(sent).__name__}"
    return ""


def _is_generated_again(model: BaseModel, name: str, value: object) -> bool:
    """Return whether a private attribute differs between objects anyway: a time, an id."""
    attribute = model.__private_attributes__.get(name)
    factory = None if attribute is None else attribute.default_factory
    return factory is not None and not same(value, cast("Any", factory)())


def _dataclass_difference(sent: Any, arrived: Any) -> str:
    if type(sent) is not type(arrived):
        return CHANGED
    names = [field.name for field in dataclasses.fields(sent)]
    for name in names:
        if found := difference(getattr(sent, name, _MISSING), getattr(arrived, name, _MISSING)):
            return found
    if not hasattr(sent, "__dict__"):
        return ""
    mine, its = cast("dict[str, Any]", vars(sent)), cast("dict[str, Any]", vars(arrived))
    for name in mine.keys() - set(names):
        is_cached = isinstance(getattr(cast("Any", type(sent)), name, None), cached_property)
        if not is_cached and difference(mine[name], its.get(name, _MISSING)):
            return f"would lose the attribute {name!r} of {type(sent).__name__}, which is not a field"
    return ""


_COMPARISONS: tuple[tuple[type, Callable[[Any, Any], str]], ...] = (
    (datetime, _datetime_difference),
    (time, _time_difference),
    (BaseModel, _model_difference),
    (list, _sequence_difference),
    (tuple, _sequence_difference),
    (deque, _sequence_difference),
    (Mapping, _mapping_difference),
    (AbstractSet, _set_difference),
)
