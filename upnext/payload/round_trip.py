"""JSON as payloads and results contain it, and the values that a handler gets from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import PydanticSchemaGenerationError
from pydantic_core import PydanticSerializationError, SchemaSerializer, core_schema, from_json, to_json

from upnext.payload.equality import same
from upnext.payload.type_adapters import type_adapter

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pydantic import TypeAdapter

    from upnext.errors import PayloadProblem

_BY_TYPE = SchemaSerializer(core_schema.any_schema())


class Validated(NamedTuple):
    """A payload as a handler would receive it.

    Attributes:
        values: The fields, validated.
        extra_keys: Fields that hold more than it asks for (keys that its TypedDict does not have), and the problem
            that each of them is if no handler asks for more.
    """

    values: dict[str, Any]
    extra_keys: Mapping[str, PayloadProblem]

    def field_arrives_whole(self, name: str, arrived: Mapping[str, Any]) -> bool:
        """Return whether a field's JSON gives the same value again."""
        return name not in self.extra_keys and same(self.values[name], arrived[name])


def write(value: object) -> bytes:
    """Return the JSON of a value, without computed fields.

    Raises:
        PydanticSerializationError: If something in it cannot be JSON.
        ValueError: Also if it is nested too deeply, or holds itself.
    """
    return to_json(value, round_trip=True, fallback=_by_schema)


def write_some(value: object, exclude: Any) -> bytes:
    """Return the same with exclusions: a mapping in pydantic's form, or None for all unset fields."""
    return _BY_TYPE.to_json(
        value,
        by_alias=True,
        exclude=exclude,
        exclude_unset=exclude is None,
        round_trip=True,
        warnings=False,
        fallback=_by_schema,
    )


def read(body: bytes) -> Any:
    """Parse JSON; raises ValueError for numbers that are not finite and for more than 200 levels."""
    return from_json(body, allow_inf_nan=False)


@lru_cache(maxsize=1000)
def adapter_of(kind: Hashable) -> TypeAdapter[Any]:
    """Return the adapter for values of a class, like `type_adapter`."""
    return type_adapter(kind)


def _by_schema(value: Any) -> Any:
    """Write by its type what pydantic writes the same way everywhere: paths, users' classes with a schema.

    A collection of any other class (a range, the keys of a dict) is what an abstract container may be annotated for.
    """
    kind = cast("Any", type(value))
    try:
        return adapter_of(kind).dump_python(value, mode="json")
    except PydanticSchemaGenerationError:
        if issubclass(kind, Mapping):
            return dict(value)
        if issubclass(kind, Collection):
            return list(value)
        raise PydanticSerializationError(kind.__name__) from None
