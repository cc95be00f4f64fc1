"""Generic models: to a type checker `Page(items=[1])` is a `Page[int]`; to pydantic they are different classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, RootModel
from pydantic_core import PydanticKnownError

from upnext.payload.equality import difference

if TYPE_CHECKING:
    from collections.abc import Callable


def generic_origin(kind: type) -> type | None:
    """Return the generic model behind a parametrised one: `Page` for `Page[int]`, else None."""
    return kind.__pydantic_generic_metadata__["origin"] if issubclass(kind, BaseModel) else None


class GenericModel:
    """Checks values of one parametrised model.

    Args:
        kind: The model.
        schema: Its schema, of type "model".
    """

    def __init__(self, kind: type[BaseModel], schema: dict[str, Any]) -> None:
        self._kind = kind
        self._origin = generic_origin(kind)
        self._keys = _written_keys(schema)

    def validate(self, value: Any, inner: Callable[[Any], Any]) -> Any:
        """Return a value as the model; a value of another parametrisation is converted, if its fields allow it.

        Raises:
            PydanticKnownError: If it is a value of another class.
            ValueError: If it would be another value then: the model's own validators are not for a second time.
        """
        if isinstance(value, self._kind):
            return inner(value)
        kind = cast("Any", type(value))
        if self._origin not in {kind, generic_origin(kind)}:
            raise PydanticKnownError("is_instance_of", {"class": self._kind.__name__})
        converted = inner(self._parts(value))
        # Attributes that JSON cannot carry stay on the sent value, so that their loss is noticed.
        object.__setattr__(converted, "__pydantic_private__", value.__pydantic_private__)
        if difference(value, converted):
            raise ValueError
        return converted

    def _parts(self, value: BaseModel) -> Any:
        if isinstance(value, RootModel):
            return cast("Any", value).root
        values = vars(value)
        named = {self._keys.get(name, name): values[name] for name in type(value).model_fields if name in values}
        return {**named, **(value.__pydantic_extra__ or {})}


def _written_keys(schema: dict[str, Any]) -> dict[str, str]:
    """Return the key under which each field is both written and read."""
    while "schema" in schema and schema.get("type") != "model-fields":
        schema = schema["schema"]
    fields: dict[str, dict[str, Any]] = schema.get("fields", {})
    return {name: field["serialization_alias"] for name, field in fields.items() if "serialization_alias" in field}
