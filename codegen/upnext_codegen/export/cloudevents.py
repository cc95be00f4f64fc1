"""Contracts as JSON Schemas (2020-12) of CloudEvents 1.0 in JSON format: the envelope with the payload as data.

An event's name, after a prefix, is the `type`. `dataschema` identifies the contract by a digest, so that a different
contract has a different schema, as CloudEvents requires.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from upnext_codegen.contract import Contract, EventContract
from upnext_codegen.export.json_schema import DIALECT, GENERATED, event_schema

SUFFIX = ".cloudevent.json"

_TEXT = {"type": "string", "minLength": 1}


def schemas(contract: Contract, prefix: str = "", source: str = "") -> dict[str, dict[str, Any]]:
    """Return the schema of every event with handlers, by file name.

    Args:
        contract: The contracts.
        prefix: What stands before an event's name in `type`, a reversed domain name by custom: "com.example.".
        source: The `source` that events have, "" for any.
    """
    return {
        f"{quote(event.name, safe='')}{SUFFIX}": _schema(event, contract, prefix, source)
        for event in contract.events
        if event.receivers
    }


def data_schema(payload: object) -> str:
    """Return the URI of a payload's schema: equal for equal schemas."""
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return f"urn:upnext:schema:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _schema(event: EventContract, contract: Contract, prefix: str, source: str) -> dict[str, Any]:
    payload = event_schema(event, contract.classes)
    definitions: dict[str, Any] = payload.pop("$defs", {})
    for key in ("$schema", GENERATED, "title"):
        del payload[key]
    envelope: dict[str, Any] = {
        "$schema": DIALECT,
        "title": f"{prefix}{event.name}",
        GENERATED: True,
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": _TEXT,
            "source": {"const": source} if source else {**_TEXT, "format": "uri-reference"},
            "type": {"const": f"{prefix}{event.name}"},
            "datacontenttype": {"const": "application/json"},
            "dataschema": {"const": data_schema([payload, definitions])},
            "subject": _TEXT,
            "time": {"type": "string", "format": "date-time"},
            "data": payload,
        },
        "required": ["specversion", "id", "source", "type", "data"],
        "patternProperties": {"^[a-z0-9]{1,20}$": True},
        "additionalProperties": False,
    }
    return envelope | ({"$defs": definitions} if definitions else {})
