"""Unset fields of models: they stay unset on arrival, so that `exclude_unset` gives the same result there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from upnext.payload.equality import same

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def unset_fields(value: object) -> dict[Any, Any]:
    """Return the unset fields that a reader leaves unset again, in the form of pydantic's `exclude`.

    Defaults that a factory makes anew (an id, the time) are not among them, nor are Literals of one value, which tell
    the members of a union apart.
    """
    if isinstance(value, BaseModel):
        return _of_model(value)
    items: Any = value
    if isinstance(value, Mapping):
        return _nested((key, item) for key, item in items.items() if key != "__all__")  # it has a meaning for pydantic
    if isinstance(value, (list, tuple)):
        return _nested(enumerate(items))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _nested((field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value))
    return {}


def _nested(items: Any) -> dict[Any, Any]:
    return {key: found for key, item in items if (found := unset_fields(item))}


def _of_model(model: BaseModel) -> dict[Any, Any]:
    kind, values = type(model), vars(model)
    unset = {
        name
        for name, field in kind.model_fields.items()
        if name in values and name not in model.model_fields_set and _comes_back(field, values[name], values)
    }
    inner = _nested((name, value) for name, value in values.items() if name in kind.model_fields and name not in unset)
    return {**dict.fromkeys(unset, True), **inner}


def _comes_back(field: FieldInfo, value: object, values: dict[str, Any]) -> bool:
    return not _is_tag(field.annotation) and same(value, _default(field, values))


def _is_tag(annotation: Any) -> bool:
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1


def _default(field: FieldInfo, values: dict[str, Any]) -> object:
    if field.default_factory is None:
        return field.default
    try:
        if getattr(field, "default_factory_takes_validated_data", False):
            return cast("Any", field.default_factory)(values)
        return cast("Any", field.default_factory)()
    except Exception:  # noqa: BLE001  # a user's factory may raise anything; the field is written then
        return PydanticUndefined
