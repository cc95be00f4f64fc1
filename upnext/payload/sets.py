"""Sorts sets in JSON, since their order differs from process to process and equal payloads must look equal.

The values that a job is unique or limited by are compared as JSON, by processes that do not know their types.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, RootModel

from upnext.payload.round_trip import read, write

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCALARS = frozenset({str, int, float, bool, type(None)})


def with_ordered_sets(fields: Mapping[str, Any], plain: Any, body: bytes) -> bytes:
    """Return the JSON of a payload with the items of each set sorted by their JSON; lists stay as they are.

    Args:
        fields: The payload.
        plain: What its whole JSON says.
        body: Its JSON, perhaps without unset fields.
    """
    # Most contain no set: then nothing is read again.
    return body if _ordered(fields, plain) is plain else write(_ordered(fields, read(body)))


def _ordered(value: Any, plain: Any) -> Any:
    """Return the JSON of a value with its sets sorted; the same object if nothing changes."""
    if type(value) in _SCALARS or type(plain) not in (dict, list):
        return plain
    if _is(value, RootModel):
        return _ordered(value.root, plain)
    if _is(value, AbstractSet):
        return _ordered_set(list(value), plain)
    changed: dict[Any, Any] = {}
    for place, part in _parts(value, plain):
        if (made := _ordered(part, plain[place])) is not plain[place]:
            changed[place] = made
    if not changed:
        return plain
    copy = plain.copy()
    for place, made in changed.items():
        copy[place] = made
    return copy


def _ordered_set(items: list[Any], plain: Any) -> Any:
    if read(write(items)) != plain:
        return plain  # a serializer of its type has its own way
    return sorted((_ordered(item, there) for item, there in zip(items, plain, strict=True)), key=write)


def _parts(value: Any, plain: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the parts of a value with their places in the JSON, where both have the same form."""
    if _is(plain, list):
        is_like_it = _is(value, list, tuple, deque) and len(value) == len(plain)
        if is_like_it and not set(map(type, value)) <= _SCALARS:
            yield from enumerate(value)
    elif _is(value, Mapping):
        if len(value) == len(plain):
            yield from zip(plain, value.values(), strict=True)
    elif _is(value, BaseModel):
        yield from _of_model(value, plain)
    elif dataclasses.is_dataclass(value):
        names = (field.name for field in dataclasses.fields(value))
        yield from ((name, getattr(value, name, None)) for name in names if name in plain)


def _is(value: object, *kinds: type) -> bool:
    """Call `isinstance`, hiding from type checkers that they cannot know the items of the narrowed value."""
    return isinstance(value, kinds)


def _of_model(value: BaseModel, plain: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    held = vars(value)
    for name, field in type(value).model_fields.items():
        place = field.serialization_alias or field.alias or name
        if place in plain and name in held:
            yield place, held[name]
    for name, extra in (value.__pydantic_extra__ or {}).items():
        if name in plain:
            yield name, extra
