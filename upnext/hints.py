"""Annotations as they are read of a handler, with the abstract containers in a form that JSON has."""

from __future__ import annotations

import collections.abc
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_LISTS = (collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable)
_NO_LISTS = (str, bytes, bytearray, collections.abc.Iterator, collections.abc.Mapping)


def concrete(hint: Any) -> Any:
    """Return an annotation with each abstract container replaced by what its values arrive as.

    Pydantic reads an `Iterable` lazily, takes no set for an `AbstractSet` and knows no `Collection`. A list arrives for
    all that is only gone through, whatever collection was sent.
    """
    origin, args = get_origin(hint) or hint, get_args(hint)
    if not args and (origin in _LISTS or origin is collections.abc.Set):
        args = (Any,)
    if not args or origin is Literal:
        return hint
    if origin is Annotated:
        return Annotated[(concrete(args[0]), *args[1:])]
    inner = tuple(concrete(arg) for arg in args)
    if origin in _LISTS:
        return Annotated[_subscript(list, inner), _AsList(cast("type", origin))]
    if origin is collections.abc.Set:
        return _subscript(set, inner) | _subscript(frozenset, inner)
    if inner == args:
        return hint
    if origin is types.UnionType:
        origin = Union
    return hint.copy_with(inner) if hasattr(hint, "copy_with") else _subscript(origin, inner)


def _subscript(generic: Any, arguments: tuple[Any, ...]) -> Any:
    return generic[arguments]


@dataclass(frozen=True, slots=True)
class _AsList:
    """Lets any collection of one kind pass where it becomes a list.

    Attributes:
        kind: The abstract class that was annotated.
    """

    kind: type

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        listed = handler(source)
        return core_schema.json_or_python_schema(
            listed, core_schema.no_info_before_validator_function(self._read, listed)
        )

    def _read(self, value: object) -> object:
        if not isinstance(value, self.kind) or issubclass(type(value), _NO_LISTS):
            return value  # which is refused then
        return list(cast("collections.abc.Iterable[object]", value))
