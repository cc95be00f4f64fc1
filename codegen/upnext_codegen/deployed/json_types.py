"""Converts JSON Schema, as workers publish it, to the types that the scanner uses.

Whatever is uncertain becomes `ANY`, about which nothing is reported: a schema behind user code, a class with aliases,
an unknown format, combinations that no Python type produces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from upnext_codegen.limits import MAX_SCHEMA_DEPTH
from upnext_codegen.types import (
    ANY,
    NONE,
    ClassFacts,
    ClassType,
    LiteralType,
    LiteralValue,
    ModelFacts,
    ModelField,
    TupleType,
    Type,
    constrained,
)
from upnext_codegen.types.traversal import union

Schema: TypeAlias = Mapping[str, Any]

_CLASS, _FORM, _MEMBERS, _CODE = "x-upnext-class", "x-upnext-form", "x-upnext-members", "x-upnext-code"
_FORMATS = {
    "": ("builtins", "str"),
    "binary": ("builtins", "bytes"),
    "complex": ("builtins", "complex"),
    "date": ("datetime", "date"),
    "date-time": ("datetime", "datetime"),
    "decimal": ("decimal", "Decimal"),
    "duration": ("datetime", "timedelta"),
    "ipv4": ("ipaddress", "IPv4Address"),
    "ipv4network": ("ipaddress", "IPv4Network"),
    "ipv6": ("ipaddress", "IPv6Address"),
    "ipv6network": ("ipaddress", "IPv6Network"),
    "path": ("pathlib", "Path"),
    "time": ("datetime", "time"),
    "uuid": ("uuid", "UUID"),
}
_DECIMAL = ClassType(*_FORMATS["decimal"])
_PLAIN = {"boolean": "bool", "integer": "int", "number": "float"}
_KINDS = {"model": "model", "typeddict": "typeddict", "enum": "enum"}
_CONSTRAINTS = {
    "exclusiveMinimum": "gt",
    "minimum": "ge",
    "exclusiveMaximum": "lt",
    "maximum": "le",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "minProperties": "min_length",
    "maxProperties": "max_length",
    "pattern": "pattern",
}


@dataclass(slots=True)
class JsonTypes:
    """Reads the types of one payload.

    Limits are kept inside classes only: the sources do not tell those of parameters.

    Attributes:
        definitions: What `#/$defs/...` leads to.
        classes: Facts of the classes that were met, by "module:qualname"; added to.
    """

    definitions: Schema
    classes: dict[str, ClassFacts] = field(default_factory=dict[str, ClassFacts])
    _depth: int = 0
    _classes_around: int = 0

    def read(self, schema: object) -> Type:
        """Read one type."""
        if not isinstance(schema, dict) or self._depth > MAX_SCHEMA_DEPTH:
            return ANY
        self._depth += 1
        try:
            return self._read(mapping(cast("object", schema)))
        finally:
            self._depth -= 1

    def _read(self, schema: Schema) -> Type:
        if schema.get(_CODE):
            return ANY
        if "$ref" in schema:
            name = str(schema["$ref"]).removeprefix("#/$defs/")
            return self.read(self.definitions.get(name))
        if isinstance(schema.get(_CLASS), str) and schema.get(_FORM):
            return self._of_class(schema, schema[_CLASS], str(schema[_FORM]))
        return self._of_plain(schema)

    def _of_plain(self, schema: Schema) -> Type:
        parts = _list(schema.get("anyOf", schema.get("oneOf")))
        if parts:
            is_decimal = schema.get("format") == "decimal"  # a number, or text
            return self._held(_DECIMAL, parts[0]) if is_decimal else union([self.read(part) for part in parts])
        if "allOf" in schema:
            parts = _list(schema["allOf"])
            return self.read(parts[0]) if len(parts) == 1 else ANY
        if "const" in schema or "enum" in schema:
            return _literal([schema["const"]] if "const" in schema else _list(schema["enum"]))
        kind: object = schema.get("type")
        if isinstance(kind, list) and kind:  # found only in schemas that user code provides
            return union([self.read({**schema, "type": str(each)}) for each in cast("list[object]", kind)])
        if not isinstance(kind, str):
            return ANY
        if kind == "null":
            return NONE
        if kind in _PLAIN:
            return self._held(ClassType("builtins", _PLAIN[kind]), schema)
        if kind == "string":
            found = _FORMATS.get(str(schema.get("format", "")))
            return ANY if found is None or "contentEncoding" in schema else self._held(ClassType(*found), schema)
        return self._array(schema) if kind == "array" else self._mapping(schema) if kind == "object" else ANY

    def _array(self, schema: Schema) -> Type:
        items = schema.get("prefixItems")
        if isinstance(items, list):
            given = cast("list[object]", items)
            is_fixed = schema.get("minItems") == schema.get("maxItems") == len(given)
            return TupleType(tuple(map(self.read, given))) if is_fixed else ANY
        kind = "set" if schema.get("uniqueItems") else "list"
        return self._held(ClassType("builtins", kind, (self.read(schema.get("items")),)), schema)

    def _mapping(self, schema: Schema) -> Type:
        if "properties" in schema or "patternProperties" in schema:
            return ANY
        value = self.read(schema.get("additionalProperties"))
        return self._held(ClassType("builtins", "dict", (ANY, value)), schema)

    def _of_class(self, schema: Schema, name: str, form: str) -> Type:
        module, _, qualname = name.partition(":")
        if form == "enum":
            facts = _enum(schema)
            self.classes.setdefault(name, facts)
            return ClassType(module, qualname)
        if "properties" not in schema:  # a root model has the type of its one field
            return self._of_plain(schema)
        # Each parametrisation of a generic class has its own name: `Page[int]`.
        if name not in self.classes:
            self.classes[name] = ClassFacts()  # which may refer to itself
            self._classes_around += 1
            self.classes[name] = self._object(schema, form)
            self._classes_around -= 1
        return ClassType(module, qualname)

    def _held(self, written: ClassType, schema: Schema) -> Type:
        """Restrict a type by the other keywords of its schema."""
        if not self._classes_around:
            return written
        values = {name: schema[key] for key, name in _CONSTRAINTS.items() if key in schema}
        return constrained(written, {f"{name}={_constraint(value)}" for name, value in values.items()})

    def _object(self, schema: Schema, form: str) -> ClassFacts:
        required = set(map(str, _list(schema.get("required"))))
        fields = tuple(
            ModelField(name, self.read(each), required=name in required)
            for name, each in sorted(mapping(schema["properties"]).items())
        )
        further = schema.get("additionalProperties")
        extra = "ignore" if further is None else "forbid" if further is False else "allow"
        return ClassFacts(kind=_KINDS.get(form, "dataclass"), model=ModelFacts(form, fields, extra))


def _enum(schema: Schema) -> ClassFacts:
    values, members = _list(schema.get("enum")), _list(schema.get(_MEMBERS))
    fields = tuple(ModelField(str(member), _literal([value])) for member, value in zip(members, values, strict=False))
    return ClassFacts(kind="enum", model=ModelFacts("enum", fields))


def _literal(values: list[Any]) -> Type:
    if not values or not all(value is None or isinstance(value, str | int) for value in values):
        return ANY
    return LiteralType(tuple(cast("list[LiteralValue]", values)))


def _constraint(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, {} for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []  # type: ignore[redundant-cast] # pyright asks
