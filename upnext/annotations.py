"""Handler annotations in a form that pydantic reads the way type checkers do."""

from __future__ import annotations

import collections.abc
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typing_extensions
from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_ABSTRACT = (
    collections.abc.Sequence,
    collections.abc.Collection,
    collections.abc.Iterable,
    collections.abc.Set,
    collections.abc.Mapping,
)
_NOT_LISTS = (str, bytes, bytearray, collections.abc.Iterator, collections.abc.Mapping)
_LITERAL_STRINGS = (typing.LiteralString, typing_extensions.LiteralString)
ALIASES = (typing_extensions.TypeAliasType, getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType))
"""What a `type` statement makes."""

_AWAITABLES = (collections.abc.Awaitable, collections.abc.Coroutine)


def context_class(annotation: object, context: type) -> type | None:
    """Return the context class that an annotation asks for (also if optional or `Annotated`), or None."""
    if get_origin(annotation) is Annotated:
        return context_class(get_args(annotation)[0], context)
    if get_origin(annotation) in (Union, types.UnionType):
        others = [member for member in get_args(annotation) if member is not type(None)]
        return context_class(others[0], context) if len(others) == 1 else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, context) else None


def awaited(annotation: Any) -> Any:
    """Return the type of a job's result: the awaited type if a synchronous function returns an awaitable."""
    return get_args(annotation)[-1] if get_origin(annotation) in _AWAITABLES else annotation


def concrete(annotation: Any) -> Any:
    """Return an annotation with each abstract container replaced by the type in which its values arrive.

    Pydantic reads an `Iterable` lazily, takes no set for an `AbstractSet` and knows neither `Collection` nor
    `bytearray` nor `LiteralString`. Every abstract collection arrives as a list, whatever collection was sent.
    """
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    if isinstance(origin, ALIASES):
        return _concrete_alias(annotation, origin, args)
    if origin in _ABSTRACT:
        return _builtin(origin, tuple(map(concrete, args)))
    if not args or origin is Literal:
        return _BYTE_ARRAY if origin is bytearray else str if origin in _LITERAL_STRINGS else annotation
    if origin is Annotated:
        inside = concrete(args[0])
        return annotation if inside is args[0] else Annotated[(inside, *args[1:])]
    inner = tuple(map(concrete, args))
    if inner == args:
        return annotation
    if origin is types.UnionType:
        origin = Union
    return annotation.copy_with(inner) if hasattr(annotation, "copy_with") else _subscript(origin, inner)


def _builtin(abstract: type, args: tuple[Any, ...]) -> Any:
    """Return the builtin class in which an abstract container of certain items arrives."""
    if abstract is collections.abc.Mapping:
        return Annotated[_subscript(dict, args or (Any, Any)), _As(abstract, dict, ())]
    items = args or (Any,)
    if abstract is collections.abc.Set:
        return _subscript(set, items) | _subscript(frozenset, items)
    return Annotated[_subscript(list, items), _As(abstract, list, _NOT_LISTS)]


def _concrete_alias(annotation: Any, alias: Any, args: tuple[Any, ...]) -> Any:
    """Return the value of a `type` statement if it contains an abstract container; a recursive one stays as it is."""
    value = alias.__value__
    if alias in _aliases_within(value):
        return annotation
    if args:
        value = _subscript(value, args)
    made = concrete(value)
    return annotation if made == value else made


def _aliases_within(annotation: Any) -> set[Any]:
    found = {part for part in (annotation, get_origin(annotation)) if isinstance(part, ALIASES)}
    return found.union(*map(_aliases_within, get_args(annotation)))


def _subscript(generic: Any, arguments: tuple[Any, ...]) -> Any:
    return generic[arguments]


# Each equals only itself: typing caches what it annotates, and unions are equal in any order.
@dataclass(frozen=True, slots=True, eq=False)
class _As:
    """Accepts any value of an abstract class and turns it into one of a builtin class.

    Attributes:
        kind: The abstract class of the annotation.
        builtin: What its values arrive as.
        other: Classes that a type checker accepts for it and that are something else in JSON.
    """

    kind: type
    builtin: Callable[[Any], object]
    other: tuple[type, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        built = handler(source)
        return core_schema.json_or_python_schema(
            built, core_schema.no_info_before_validator_function(self._read, built)
        )

    def _read(self, value: object) -> object:
        if not isinstance(value, self.kind) or issubclass(type(value), self.other):
            return value  # which is refused then
        return self.builtin(value)


@dataclass(frozen=True, slots=True)
class _ByteArray:
    """Reads a bytearray as pydantic reads bytes."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        read = core_schema.no_info_after_validator_function(bytearray, core_schema.bytes_schema())
        return core_schema.json_or_python_schema(read, core_schema.is_instance_schema(bytearray))


_BYTE_ARRAY = Annotated[bytearray, _ByteArray()]
