"""Contracts as JSON Schema (2020-12): the payloads that every handler of an event takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from upnext_codegen.changes.shapes import (
    Classes,
    alternatives,
    arguments,
    asks_nothing,
    category,
    class_key,
    items_of,
    model_of,
    values_of,
)
from upnext_codegen.contract import Contract, EventContract
from upnext_codegen.types import NONE, ClassType, EnumMember, Type, unconstrained
from upnext_codegen.types.format import full_text

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SUFFIX = ".schema.json"
GENERATED = "x-upnext-generated"
"""Says in a file that upnext wrote it, and may replace it."""

_PLAIN = {"builtins:bool": "boolean", "builtins:int": "integer", "builtins:float": "number", "builtins:str": "string"}
# A time in a payload has no offset, which the format "time" requires.
_FORMATS = {
    "datetime:date": "date",
    "datetime:datetime": "date-time",
    "datetime:timedelta": "duration",
    "ipaddress:IPv4Address": "ipv4",
    "ipaddress:IPv6Address": "ipv6",
    "uuid:UUID": "uuid",
}
_NUMBERS_AS_TEXT = frozenset({"decimal:Decimal", "builtins:complex"})
_UNIQUE = frozenset({"builtins:set", "builtins:frozenset", "collections.abc:Set", "collections.abc:MutableSet"})
_LENGTHS = {"string": "Length", "array": "Items", "object": "Properties"}
_BOUNDS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
}


def schemas(contract: Contract) -> dict[str, dict[str, Any]]:
    """Return the schema of every event with handlers, by file name."""
    return {
        f"{quote(event.name, safe='')}{SUFFIX}": event_schema(event, contract.classes)
        for event in contract.events
        if event.receivers
    }


def event_schema(event: EventContract, classes: Classes) -> dict[str, Any]:
    """Return the schema of an event's payload."""
    writer = SchemaWriter(classes)
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "title": event.name,
        GENERATED: True,
        "type": "object",
        "properties": {each.name: writer.schema(each.type) for each in event.fields},
        "required": [each.name for each in event.fields if each.required],
        "additionalProperties": False if event.extras is None else writer.schema(event.extras) or True,
    }
    return schema | ({"$defs": dict(sorted(writer.definitions.items()))} if writer.definitions else {})


@dataclass
class SchemaWriter:
    """Writes the types of one payload.

    Attributes:
        classes: Facts of the classes that it is typed with.
        definitions: The schemas of those that were met, by name.
    """

    classes: Classes
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def schema(self, written: Type) -> dict[str, Any]:
        """Return the schema of a type; {} if it accepts anything, or nothing is certain."""
        options = alternatives(written, self.classes)
        if asks_nothing(options):
            return {}
        found = [self._one(option) for option in options]
        if {} in found:
            return {}
        return found[0] if len(found) == 1 else {"anyOf": found}

    def scalar(self, plain: Type, constraints: frozenset[str]) -> dict[str, Any]:
        """Return the schema of a plain value."""
        return _limited(_scalar(plain), constraints)

    def uncertain(self, written: Type) -> dict[str, Any]:  # noqa: ARG002
        """Return the schema for a type about which nothing is certain."""
        return {}

    def _one(self, written: Type) -> dict[str, Any]:
        plain, constraints = unconstrained(written)
        values = values_of(plain, self.classes)
        if values is not None:
            known = [value for _, value in values if not isinstance(value, EnumMember | bytes)]
            return {"enum": known} if len(known) == len(values) else self.uncertain(written)
        match category(plain, self.classes):
            case "scalar":
                return self.scalar(plain, constraints)
            case "array":
                return _limited(self._array(plain), constraints)
            case "mapping":
                value = self.schema(arguments(plain, 2)[1])
                return _limited({"type": "object", "additionalProperties": value or True}, constraints)
            case "object":
                return self._reference(plain)
            case _:
                return self.uncertain(written)

    def _array(self, plain: Type) -> dict[str, Any]:
        items = items_of(plain, self.classes)
        written = [self.schema(each) for each in items.types]
        if items.fixed:
            return {
                "type": "array",
                "prefixItems": written,
                "items": False,
                "minItems": items.needed,
                "maxItems": len(written),
            }
        is_unique = isinstance(plain, ClassType) and class_key(plain) in _UNIQUE
        return {"type": "array", "items": written[0] or True} | ({"uniqueItems": True} if is_unique else {})

    def _reference(self, plain: Type) -> dict[str, Any]:
        assert isinstance(plain, ClassType)
        name = full_text(plain)  # each parametrisation of a generic class has its own schema
        if name not in self.definitions:
            self.definitions[name] = {}  # which may refer to itself
            self.definitions[name] = self.model(plain)
        return {"$ref": f"#/$defs/{quote(name.replace('~', '~0').replace('/', '~1'))}"}

    def model(self, plain: ClassType) -> dict[str, Any]:
        """Return the schema of a class that is an object in JSON."""
        model = model_of(plain, self.classes)
        fields = {_key(each.name, each.written): each for each in model.fields}
        return {
            "type": "object",
            "properties": {key: self.schema(each.type) for key, each in fields.items()},
            "required": [key for key, each in fields.items() if each.required],
            "additionalProperties": model.facts.extra != "forbid",
        }


def _key(name: str, written: tuple[str, ...]) -> str:
    return min(written) if written else name


def _scalar(plain: Type) -> dict[str, Any]:
    if plain == NONE:
        return {"type": "null"}
    key = class_key(plain)
    if key in _NUMBERS_AS_TEXT:
        return {"type": ["string", "number"]}
    if key in _PLAIN:
        return {"type": _PLAIN[key]}
    return {"type": "string"} | ({"format": _FORMATS[key]} if key in _FORMATS else {})


def _limited(schema: dict[str, Any], constraints: frozenset[str]) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if not isinstance(schema.get("type"), str):
        return schema
    for each in sorted(constraints):
        name, _, text = each.partition("=")
        if name in _BOUNDS and schema.get("type") in {"integer", "number"}:
            limits[_BOUNDS[name]] = _number(text)
        elif name == "pattern" and schema.get("type") == "string":
            limits["pattern"] = text
        elif name in {"min_length", "max_length"} and "format" not in schema and (kind := _LENGTHS.get(schema["type"])):
            limits[f"{name[:3]}{kind}"] = int(text)
    return schema | limits


def _number(text: str) -> float:
    return float(text) if any(character in text for character in ".e") else int(text)


def is_generated(data: object) -> bool:
    """Return whether a JSON value is a schema that upnext wrote."""
    return isinstance(data, Mapping) and GENERATED in data
