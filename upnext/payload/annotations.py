"""The annotations of a handler, in a form that pydantic reads as type checkers do."""

from __future__ import annotations

import collections.abc
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast, get_args, get_origin

import typing_extensions
from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_LISTS = (collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable)
_NOT_LISTS = (str, bytes, bytearray, collections.abc.Iterator, collections.abc.Mapping)
_LITERAL_STRINGS = (typing.LiteralString, typing_extensions.LiteralString)
_AWAITABLES = (collections.abc.Awaitable, collections.abc.Coroutine)


def context_class(annotation: object, context: type) -> type | None:
    """Return the context class that an annotation asks for (optional or `Annotated` as well), or None."""
    if get_origin(annotation) is Annotated:
        return context_class(get_args(annotation)[0], context)
    if get_origin(annotation) in (Union, types.UnionType):
        others = [member for member in get_args(annotation) if member is not type(None)]
        return context_class(others[0], context) if len(others) == 1 else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, context) else None


def awaited(annotation: Any) -> Any:
    """Return the type of a job's result: what is awaited, if a function that is not async returns an awaitable."""
    return get_args(annotation)[-1] if get_origin(annotation) in _AWAITABLES else annotation


def concrete(annotation: Any) -> Any:
    """Return an annotation with each abstract container replaced by the type that its values arrive as.

    Pydantic reads an `Iterable` lazily, takes no set for an `AbstractSet` and knows neither `Collection` nor
    `bytearray` nor `LiteralString`. Every abstract collection arrives as a list, whatever collection was sent.
    """
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    if origin is bytearray:
        return Annotated[bytearray, _ByteArray()]
    if origin in _LITERAL_STRINGS:
        return str
    if not args and (origin in _LISTS or origin is collections.abc.Set):
        args = (Any,)
    if not args or origin is Literal:
        return annotation
    if origin is Annotated:
        return Annotated[(concrete(args[0]), *args[1:])]
    inner = tuple(concrete(arg) for arg in args)
    if origin in _LISTS:
        return Annotated[_subscript(list, inner), _AsList(origin)]
    if origin is collections.abc.Set:
        return _subscript(set, inner) | _subscript(frozenset, inner)
    if inner == args:
        return annotation
    if origin is types.UnionType:
        origin = Union
    return annotation.copy_with(inner) if hasattr(annotation, "copy_with") else _subscript(origin, inner)


def _subscript(generic: Any, arguments: tuple[Any, ...]) -> Any:
    return generic[arguments]


@dataclass(frozen=True, slots=True)
class _AsList:
    """Lets any collection of one kind pass where it becomes a list.

    Attributes:
        kind: The abstract class of the annotation.
    """

    kind: type

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        listed = handler(source)
        return core_schema.json_or_python_schema(
            listed, core_schema.no_info_before_validator_function(self._read, listed)
        )

    def _read(self, value: object) -> object:
        if not isinstance(value, self.kind) or issubclass(type(value), _NOT_LISTS):
            return value  # which is refused then
        return list(cast("collections.abc.Iterable[object]", value))


@dataclass(frozen=True, slots=True)
class _ByteArray:
    """Reads a bytearray as pydantic reads bytes."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        read = core_schema.no_info_after_validator_function(bytearray, core_schema.bytes_schema())
        return core_schema.json_or_python_schema(read, core_schema.is_instance_schema(bytearray))
