"""What upnext.lock says about an event: its fields and their types, as far as text can describe them.

The lock contains types as text. Standard-library types and containers of them are checked; a class of the project is
not imported here, so any JSON passes for it, and the worker that runs the handler decides.
"""

from __future__ import annotations

import ast
import collections.abc
import datetime as dt
import decimal
import difflib
import functools
import json
import typing
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from upnext.cli.json_object import TooDeepError, read_json
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = "upnext.lock"
_TYPES: dict[str, Any] = {
    **{kind.__name__: kind for kind in (str, int, float, bool, bytes, list, dict, set, frozenset, tuple)},
    "None": None,
    "datetime.datetime": dt.datetime,
    "datetime.date": dt.date,
    "datetime.time": dt.time,
    "datetime.timedelta": dt.timedelta,
    "decimal.Decimal": decimal.Decimal,
    "uuid.UUID": uuid.UUID,
    "typing.Literal": typing.Literal,
    "collections.abc.Sequence": collections.abc.Sequence,
    "collections.abc.Mapping": collections.abc.Mapping,
}


def event_contract(event: str, path: Path | None) -> dict[str, Any]:
    """Return an event's entry in the lock.

    Args:
        event: Its name.
        path: The lock; None to look for it in this folder and those above it.

    Raises:
        ConfigError: If there is no lock, it cannot be read, or it does not have the event.
    """
    from upnext_codegen.files.whole_file import read_whole  # noqa: PLC0415 - commands import what they need

    folders = (Path.cwd(), *Path.cwd().parents)
    found = path or next((folder / _NAME for folder in folders if (folder / _NAME).is_file()), None)
    if found is None:
        raise ConfigError(f"There is no {_NAME} here: run `upnext gen`, pass --lock FILE, or --unchecked.")
    try:
        events: dict[str, Any] = json.loads(read_whole(found))["events"]
        contract = events.get(event)
        if contract is not None:
            _ = [(field["type"] + "", field["required"]) for field in contract["fields"].values()], contract["extras"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise ConfigError(f"'{found}' cannot be read ({reason}): run `upnext gen`.") from error
    if contract is None:
        near = difflib.get_close_matches(event, list(events), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else " Run `upnext gen`, or pass --unchecked."
        raise ConfigError(f"'{found}' has no event {event!r}.{hint}")
    return dict(contract)


def read_value(text: str, type_text: str) -> Any:
    """Return the JSON value of a command-line text for a type: the text itself if it fits, else parsed as JSON.

    Raises:
        ValueError: If neither fits the type, or it is nested too deeply.
    """
    annotation = read_type(type_text)
    candidates: list[Any] = [text]
    try:
        decoded = read_json(text)
        candidates = [decoded, text] if annotation is Any else [text, decoded]
    except TooDeepError:
        raise
    except ValueError:
        pass
    for value in candidates:
        if _fits(value, annotation):
            return value
    raise ValueError(f"must be {type_text}")


def problems(event: dict[str, Any], payload: dict[str, Any]) -> list[str]:
    """Return the problems of a payload, without values."""
    fields: dict[str, Any] = event["fields"]
    takes_others = event["extras"] is not None
    found: list[str] = []
    for name, field in fields.items():
        if field["required"] and name not in payload:
            # If further fields are rejected, the one that was probably meant is named.
            given = [other for other in payload if other not in fields] if takes_others else []
            found.append(f"field {name!r} is missing{_meant(name, given)}")
    for name, value in payload.items():
        if name in fields:
            if not _fits(value, read_type(fields[name]["type"])):
                found.append(f"field {name!r} must be {fields[name]['type']}")
        elif not takes_others:
            found.append(f"field {name!r} is not taken{_meant(name, fields)}")
    return found


def handler_problems(event: dict[str, Any], worker: str, handler: str, payload: dict[str, Any]) -> list[str] | None:
    """Return the problems of a payload, perhaps an old one, for one handler; None if the lock does not have it.

    What an upcaster takes passes: only the worker that runs the handler can tell what becomes of it.
    """
    handlers: dict[str, Any] = event["handlers"]
    known = next((key for key, one in handlers.items() if (one["worker"], one["name"]) == (worker, handler)), None)
    if known is None:
        return None
    own = {name: field for name, field in event["fields"].items() if known in field["asked_by"]}
    names = {former: name for name, field in own.items() for former in (*field.get("formerly", ()), name)}
    held = {names[name] for name in payload if name in names}
    found = [
        f"field {name!r} is missing{_meant(name, [other for other in payload if other not in names])}"
        for name, field in own.items()
        if field["asked_by"][known] == "required" and name not in held
    ]
    for name, value in payload.items():
        if name in names:
            type_text = own[names[name]]["type"]
            if not _fits(value, read_type(type_text)):
                found.append(f"field {name!r} must be {type_text}")
        elif handlers[known]["closed"]:
            found.append(f"field {name!r} is not taken{_meant(name, own)}")
    return [] if found and any(_is_taken(one["takes"], payload) for one in event.get("upcasts", ())) else found


def _is_taken(fields: dict[str, Any], payload: dict[str, Any]) -> bool:
    """Return whether a payload fits a TypedDict."""
    return all(
        _fits(payload[name], read_type(field["type"])) if name in payload else not field["required"]
        for name, field in fields.items()
    )


def _meant(name: str, others: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(others), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


@functools.lru_cache
def read_type(text: str) -> Any:
    """Return the type named by a text of the lock; Any for classes of the project, and for unknown types."""
    try:
        return _evaluated(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError):
        return Any


def _evaluated(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _evaluated(node.left), _evaluated(node.right)
        return Any if left is Any or right is Any else left | right
    if isinstance(node, ast.Subscript):
        origin = _TYPES.get(ast.unparse(node.value), Any)
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if origin is typing.Literal:
            return typing.Literal[tuple(ast.literal_eval(each) for each in inside)]
        if origin is Any:
            return Any
        return origin[tuple(... if ast.unparse(each) == "..." else _evaluated(each) for each in inside)]
    return _TYPES.get(ast.unparse(node), Any)


def _fits(value: Any, annotation: Any) -> bool:
    try:
        _adapter(annotation).validate_json(json.dumps(value), strict=True)
    except (ValidationError, ValueError, TypeError):
        return False
    return True


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))
