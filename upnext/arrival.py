"""Whether what a handler gets is what was sent: values of any type, before they are JSON and after."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import BaseModel, PydanticSchemaGenerationError, TypeAdapter
from pydantic_core import PydanticSerializationError, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Hashable

    from upnext.errors import PayloadProblem


class Taken(NamedTuple):
    """What a handler makes of a payload, as it is sent.

    Attributes:
        values: The fields, validated.
        beyond: Fields that hold more than it asks for (keys that its TypedDict does not have), and what is wrong then.
    """

    values: dict[str, Any]
    beyond: Mapping[str, PayloadProblem]

    def arrives_whole(self, arrived: Mapping[str, Any]) -> bool:
        """Say whether what was made of its JSON is the same."""
        return not self.beyond and _equal(self.values, arrived)

    def field_arrives_whole(self, name: str, arrived: Mapping[str, Any]) -> bool:
        """Say the same of one field."""
        return name not in self.beyond and same(self.values[name], arrived[name])


def write(value: object) -> bytes:
    """Return the JSON of a value, without what models compute.

    Raises:
        PydanticSerializationError: If something in it cannot be JSON.
        ValueError: Also if it is nested too deeply, or holds itself.
    """
    return to_json(value, round_trip=True, fallback=_plain)


def read(body: bytes) -> Any:
    """Return what JSON says; raises ValueError for numbers that are not finite and for more than 200 levels."""
    return from_json(body, allow_inf_nan=False)


def same(sent: Any, arrived: Any) -> bool:
    """Say whether a value arrived as it was sent, also of classes that do not say when they are equal."""
    if _equal(sent, arrived):
        return True
    if type(sent) is not type(arrived):
        return False
    if isinstance(sent, datetime):  # in an hour that comes twice it never equals one with another time zone
        return (sent.replace(tzinfo=None), sent.utcoffset()) == (arrived.replace(tzinfo=None), arrived.utcoffset())
    if isinstance(sent, Mapping):
        there = cast("Mapping[object, object]", sent)
        return there.keys() == arrived.keys() and all(same(item, arrived[key]) for key, item in there.items())
    if isinstance(sent, (list, tuple, deque)):
        items = cast("list[object]", sent)
        return len(items) == len(arrived) and all(map(same, items, arrived))
    if dataclasses.is_dataclass(sent):
        names = [field.name for field in dataclasses.fields(sent)]
        return all(same(getattr(sent, name), getattr(arrived, name)) for name in names)
    if isinstance(sent, BaseModel):
        return same(vars(sent), vars(arrived)) and same(sent.model_extra, arrived.model_extra)
    return _says_nothing(type(cast("object", sent)))


def _says_nothing(kind: type[object]) -> bool:
    return kind.__eq__ is object.__eq__


def _equal(sent: Any, arrived: Any) -> bool:
    try:
        return bool(sent == arrived)
    except Exception:  # noqa: BLE001  # a user's class may raise anything
        return False


def _plain(value: object) -> Any:
    """Let what pydantic writes by its type be written wherever it stands: paths, users' classes with a schema."""
    try:
        return _adapter(cast("Hashable", type(value))).dump_python(value, mode="json")
    except PydanticSchemaGenerationError:
        raise PydanticSerializationError(type(value).__name__) from None


@lru_cache(maxsize=1000)
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", kind))
