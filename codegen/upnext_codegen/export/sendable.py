"""What senders under an earlier contract can certainly send, as JSON Schema for generating payloads.

Where a type is uncertain, an exported schema allows anything. Here such types are marked, because a payload that no
sender could have produced proves nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from upnext_codegen.changes.shapes import Classes, alternatives, asks_nothing, class_key, model_of
from upnext_codegen.contract import EventContract
from upnext_codegen.export.json_schema import SchemaWriter
from upnext_codegen.types import ClassType, Type

_FORMATS = {
    "builtins:complex": "complex",
    "datetime:date": "date",
    "datetime:datetime": "date-time",
    "datetime:time": "time",
    "datetime:timedelta": "duration",
    "decimal:Decimal": "decimal",
    "ipaddress:IPv4Address": "ipv4",
    "ipaddress:IPv4Network": "ipv4network",
    "ipaddress:IPv6Address": "ipv6",
    "ipaddress:IPv6Network": "ipv6network",
    "pathlib:Path": "path",
    "pathlib:PurePath": "path",
    "uuid:UUID": "uuid",
}


class SendableField(NamedTuple):
    """A field of an earlier contract.

    Attributes:
        schema: What senders give for it, with the `$defs` that it refers to; None where that is not certain.
        required: Whether all of them give it.
    """

    schema: dict[str, Any] | None
    required: bool


def sendable_fields(event: EventContract, classes: Classes) -> dict[str, SendableField]:
    """Return what senders put into each field of an event."""
    return {each.name: SendableField(_schema(each.type, classes), each.required) for each in event.fields}


def _schema(written: Type, classes: Classes) -> dict[str, Any] | None:
    writer = _Certain(classes)
    try:
        found = writer.schema(written)
    except _UncertainError:
        return None
    return {**found, "$defs": writer.definitions}


class _UncertainError(Exception):
    """Raised when it is uncertain what is sent."""


class _Certain(SchemaWriter):
    """Writes only types that are completely known."""

    def scalar(self, plain: Type, constraints: frozenset[str]) -> dict[str, Any]:
        key = class_key(plain)
        if key in _FORMATS:
            found = {"type": "string", "format": _FORMATS[key]}
        else:
            found = super().scalar(plain, constraints)
            constraints = frozenset() if len(found) == 1 + len(constraints) else constraints
        return self.uncertain(plain) if constraints else found

    def model(self, plain: ClassType) -> dict[str, Any]:
        if any(asks_nothing(alternatives(each.type, self.classes)) for each in model_of(plain, self.classes).fields):
            self.uncertain(plain)  # a field of unknown type is written like `Any`
        return super().model(plain)

    def uncertain(self, written: Type) -> dict[str, Any]:
        raise _UncertainError(written)
