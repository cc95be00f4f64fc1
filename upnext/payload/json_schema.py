"""The payload of a function as JSON Schema (2020-12), for comparison with another one.

It is pydantic's schema, extended by what a comparison needs: the class of an object or enum, and where user code
decides what is read. Whatever says nothing about a payload is left out: titles, descriptions, and above all defaults
and examples, which are values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from upnext.annotations import concrete
from upnext.payload.schemas import runs_user_code
from upnext.payload.type_adapters import type_adapter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import Enum

    from pydantic_core import CoreSchema

S = TypeVar("S")

CLASS: Final = "x-upnext-class"
"""The class that an object or an enum is, as `module:qualname`."""

FORM: Final = "x-upnext-form"
"""What kind of class: "model", "dataclass", "pydantic-dataclass", "typeddict" or "enum"."""

MEMBERS: Final = "x-upnext-members"
"""The names of an enum's members, in the order of its values."""

CODE: Final = "x-upnext-code"
"""Says that code of the user, or an alias, decides what is read: the rest of the schema is only what follows it."""

FORMERLY: Final = "x-upnext-formerly"
"""The names that fields had before, under which they are still taken, by their names."""

_KEPT: Final = frozenset({
    *("$defs", "$ref", CLASS, CODE, FORM, MEMBERS),
    *("type", "enum", "const", "format", "pattern", "contentEncoding", "contentMediaType"),
    *("anyOf", "oneOf", "allOf", "discriminator", "items", "prefixItems", "uniqueItems", "minItems", "maxItems"),
    *("properties", "required", "additionalProperties", "propertyNames", "patternProperties"),
    *("minProperties", "maxProperties", "minLength", "maxLength", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
})  # fmt: skip
_BY_NAME: Final = frozenset({"$defs", "properties", "patternProperties"})
_DATA: Final = frozenset({"enum", "const", "discriminator", "required", MEMBERS})


def payload_json_schema(schema: CoreSchema, extras: Any, formerly: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON Schema of a payload.

    Args:
        schema: That of its fields, as pydantic made it of a TypedDict.
        extras: What `**kwargs` takes: an annotation, None if there are no further fields.
        formerly: The fields by names that they had before.
    """
    generator = _Generator()
    found = cast("dict[str, Any]", _kept(generator.generate(_with_extras(schema, extras), mode="validation")))
    former = {field: [name for name in formerly if formerly[name] == field] for field in formerly.values()}
    return found | ({FORMERLY: former} if former else {})


def _with_extras(schema: CoreSchema, extras: Any) -> CoreSchema:
    """Return the schema for further fields, which may be nested in one that defines its classes."""
    part = cast("dict[str, Any]", schema)
    if part["type"] != "typed-dict":
        return cast("CoreSchema", {**part, "schema": _with_extras(part["schema"], extras)})
    plain = {key: value for key, value in part.items() if key not in {"cls", "config"}}
    if extras is None:
        return cast("CoreSchema", {**plain, "extra_behavior": "forbid"})
    further = core_schema.any_schema() if extras in (Any, object) else type_adapter(concrete(extras)).core_schema
    return cast("CoreSchema", {**plain, "extra_behavior": "allow", "extras_schema": further})


def _kept(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in cast("dict[str, Any]", schema).items():
        if key in _DATA:
            kept[key] = value
        elif key in _BY_NAME:
            kept[key] = {name: _kept(inner) for name, inner in value.items()}
        elif key in _KEPT:
            kept[key] = (
                [_kept(inner) for inner in cast("list[object]", value)] if isinstance(value, list) else _kept(value)
            )
    return kept


class _Generator(GenerateJsonSchema):
    """Identifies the class of each schema, and allows anything where pydantic has no JSON Schema."""

    def __init__(self) -> None:
        super().__init__(by_alias=True)

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> dict[str, Any]:
        # Otherwise it would look like `float | str`.
        return {**super().decimal_schema(schema), "format": "decimal"}

    def complex_schema(self, schema: core_schema.ComplexSchema) -> dict[str, Any]:
        return {**super().complex_schema(schema), "format": "complex"}

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        return _of_class(super().model_schema(schema), schema, "model")

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> dict[str, Any]:
        form = "pydantic-dataclass" if hasattr(schema["cls"], "__pydantic_validator__") else "dataclass"
        return _of_class(super().dataclass_schema(schema), schema, form)

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> dict[str, Any]:
        found = super().typed_dict_schema(schema)
        # Before 2.12 pydantic describes further keys only by the configuration of a class.
        if "additionalProperties" not in found and schema.get("extra_behavior") == "forbid":
            found["additionalProperties"] = False
        elif "additionalProperties" not in found and "extras_schema" in schema:
            found["additionalProperties"] = self.generate_inner(schema["extras_schema"]) or True
        return _of_class(found, schema, "typeddict") if "cls" in schema else found

    def enum_schema(self, schema: core_schema.EnumSchema) -> dict[str, Any]:
        members: list[Enum] = schema["members"]
        found = _of_class(super().enum_schema(schema), schema, "enum")
        return {**found, MEMBERS: [member.name for member in members]}

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> dict[str, Any]:
        return self._before_user_code(schema, super().function_before_schema)

    def function_wrap_schema(self, schema: core_schema.WrapValidatorFunctionSchema) -> dict[str, Any]:
        return self._before_user_code(schema, super().function_wrap_schema)

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> dict[str, Any]:
        return self._before_user_code(schema, super().function_plain_schema)

    def _before_user_code(self, schema: S, describe: Callable[[S], dict[str, Any]]) -> dict[str, Any]:
        found = describe(schema)
        return {"allOf": [found], CODE: True} if runs_user_code(cast("dict[str, Any]", schema)) else found


def _of_class(found: dict[str, Any], schema: Any, form: str) -> dict[str, Any]:
    cls: type = schema["cls"]
    named = {**found, CLASS: f"{cls.__module__}:{cls.__qualname__}", FORM: form}
    return {**named, CODE: True} if _has_aliases(schema) else named


def _has_aliases(schema: Any) -> bool:
    """Whether an object is read from, or written under, other keys than its fields' names."""
    part = cast("dict[str, Any]", schema)
    while "fields" not in part and isinstance(part.get("schema"), dict):
        part = part["schema"]
    found: Any = part.get("fields", ())
    fields: list[Any] = list(found.values() if hasattr(found, "values") else found)
    return any("validation_alias" in field or "serialization_alias" in field for field in fields)
