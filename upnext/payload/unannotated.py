"""Fields that no handler in the sender's process names: refused if no handler anywhere could receive them intact."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from upnext.errors import PayloadProblem
from upnext.payload.equality import difference
from upnext.payload.round_trip import adapter_of, write

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

_SCALARS = frozenset({str, int, float, bool, type(None)})


def unsendable(name: str, value: object) -> Iterable[PayloadProblem]:
    """Return the problems of a field's value.

    Args:
        name: The field.
        value: What was sent; JSON can carry it.
    """
    kind: type[object] = type(value)
    if kind in _SCALARS:
        return
    parts = _parts(value)
    if isinstance(value, Iterator):
        yield PayloadProblem(name, "must be a collection, which can be read twice", kind.__name__)
    elif parts is not None:
        wrong = next((key for key in _keys(value) if not isinstance(key, str)), None)
        if wrong is not None:
            yield PayloadProblem(name, "must have string keys, as JSON has", type(wrong).__name__)
        for part in parts:
            yield from unsendable(name, part)
    elif expected := _difference_by_own_type(value, kind):
        yield PayloadProblem(name, expected, kind.__name__)


def _keys(value: object) -> list[object]:
    return list(cast("Mapping[object, object]", value)) if isinstance(value, Mapping) else []


def _parts(value: Any) -> list[object] | None:
    """Return the nested values whose own type does not describe them; None for any other."""
    is_mapping, is_sequence = (isinstance(value, kinds) for kinds in (Mapping, (list, tuple, set, frozenset)))
    if is_mapping or is_sequence:
        return list(value.values() if is_mapping else value)
    if isinstance(value, BaseModel):  # a handler may take `Page[int]` when a `Page` is sent
        return list(vars(value).values()) if value.__pydantic_generic_metadata__["parameters"] else None
    if dataclasses.is_dataclass(value) and getattr(cast("object", type(value)), "__parameters__", None):
        return [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    return None


def _difference_by_own_type(value: object, kind: type[object]) -> str:
    """Return what changes in a value that is read by its own type, the best that any handler can do."""
    try:
        arrived = adapter_of(cast("Hashable", kind)).validate_json(write(value))
    except Exception as error:  # noqa: BLE001  # pydantic has several, and a user's code may raise anything
        return f"cannot be read back from its JSON ({type(error).__name__})"
    return difference(value, arrived)
