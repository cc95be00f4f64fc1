"""Reading a payload that somebody wrote as JSON."""

from __future__ import annotations

import json
from typing import Any, NoReturn, cast

from upnext.errors import ConfigError


def read_object(text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ConfigError: If it is something else, has a key twice, or holds NaN or Infinity.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The payload is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ConfigError(f"The payload must be a JSON object, and is of type {type(cast('object', value)).__name__}.")
    return cast("dict[str, Any]", value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            msg = f"key {name!r} stands twice in one object"
            raise ValueError(msg)
        found[name] = value
    return found


def _refused(constant: str) -> NoReturn:
    msg = f"{constant} is not a JSON number"
    raise ValueError(msg)
