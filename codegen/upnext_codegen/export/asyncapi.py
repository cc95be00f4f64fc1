"""Contracts as an AsyncAPI 3.1 document: one channel per event, its receivers and its senders.

AsyncAPI's own schema format extends JSON Schema draft 7, so tuples are written in the older way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

from upnext_codegen.contract import Contract, EventContract
from upnext_codegen.export.json_schema import GENERATED, event_schema

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_BY_NAME = frozenset({"properties", "patternProperties"})
_DATA = frozenset({"enum", "required"})


def document(contract: Contract, title: str, version: str, sent: Iterable[str]) -> dict[str, Any]:
    """Return the document.

    Args:
        contract: The contracts.
        title: What the application is called.
        version: Its version.
        sent: The events that it sends.
    """
    events = [event for event in contract.events if event.receivers]
    names = _Names()
    keys = {event.name: names.of(event.name) for event in events}
    components = _Components()
    operations: dict[str, Any] = {}
    for event in events:
        for receiver in event.receivers:
            operation = names.of(f"receive.{event.name}.{receiver.worker}.{receiver.name}")
            operations[operation] = _operation("receive", keys[event.name]) | {
                "summary": f"{receiver.name} on worker {receiver.worker}",
                "x-upnext-module": receiver.module,
            }
    for name in sorted(set(sent) & keys.keys()):
        operations[names.of(f"send.{name}")] = _operation("send", keys[name])
    messages = {keys[event.name]: _message(event, contract, components) for event in events}
    return {
        "asyncapi": "3.1.0",
        GENERATED: True,
        "info": {"title": title, "version": version, "description": "The events of this application, by upnext."},
        "defaultContentType": "application/json",
        "channels": {
            keys[event.name]: {
                "address": event.name,
                "messages": {keys[event.name]: {"$ref": f"#/components/messages/{keys[event.name]}"}},
            }
            for event in events
        },
        "operations": operations,
        "components": {"messages": messages} | ({"schemas": components.schemas} if components.schemas else {}),
    }


def _operation(action: str, key: str) -> dict[str, Any]:
    channel = f"#/channels/{key}"
    return {"action": action, "channel": {"$ref": channel}, "messages": [{"$ref": f"{channel}/messages/{key}"}]}


def _message(event: EventContract, contract: Contract, components: _Components) -> dict[str, Any]:
    schema = event_schema(event, contract.classes)
    definitions: dict[str, Any] = schema.pop("$defs", {})
    for key in ("$schema", GENERATED, "title"):
        del schema[key]
    return {
        "name": event.name,
        "title": event.name,
        "contentType": "application/json",
        "payload": components.take(schema, definitions),
    }


class _Names:
    """Unique names in AsyncAPI's syntax."""

    def __init__(self) -> None:
        self._given = {"__proto__"}  # a key that readers written in JavaScript lose

    def of(self, text: str) -> str:
        """Return a name for a new item."""
        plain = name = _UNSAFE.sub("_", text)
        number = 2
        while name in self._given:
            name, number = f"{plain}_{number}", number + 1
        self._given.add(name)
        return name


@dataclass(slots=True)
class _Components:
    """The classes of all payloads, in one place.

    Attributes:
        schemas: Their schemas, by the names that they have there.
    """

    schemas: dict[str, Any] = field(default_factory=dict[str, Any])
    _names: _Names = field(default_factory=_Names)
    _known: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
        """Add the classes of a payload, and return its schema with references to them."""
        fresh = [name for name in definitions if name not in self._known]
        self._known |= {name: self._names.of(name) for name in fresh}
        for name in fresh:
            self.schemas[self._known[name]] = self._older(definitions[name])
        return cast("dict[str, Any]", self._older(dict(schema)))

    def _older(self, schema: object) -> Any:
        """Convert a schema to draft 7."""
        if not isinstance(schema, dict):
            return schema
        found: dict[str, Any] = {}
        for key, value in cast("dict[str, Any]", schema).items():
            if key == "$ref":
                found[key] = f"#/components/schemas/{self._known[_name_in(value)]}"
            elif key in _DATA:
                found[key] = value
            elif key in _BY_NAME:
                found[key] = {name: self._older(inner) for name, inner in value.items()}
            elif key == "prefixItems":
                found |= {"items": [self._older(inner) for inner in value], "additionalItems": False}
            elif key != "items" or "prefixItems" not in schema:
                found[key] = (
                    [*map(self._older, cast("list[object]", value))] if isinstance(value, list) else self._older(value)
                )
        return found


def _name_in(reference: str) -> str:

    return unquote(reference.removeprefix("#/$defs/")).replace("~1", "/").replace("~0", "~")
