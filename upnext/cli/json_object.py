"""Reading a payload, or a field of one, that somebody wrote as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn, cast

from upnext.errors import ConfigError
from upnext.payload.limits import MAX_LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_object(text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ConfigError: If it is something else, has a key twice, or holds NaN or Infinity.
    """
    try:
        value = read_json(text)
    except TooDeepError as error:
        raise ConfigError(f"The payload {error}.") from None
    except ValueError as error:
        raise ConfigError(f"The payload is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ConfigError(f"The payload must be a JSON object, and is of type {type(cast('object', value)).__name__}.")
    return cast("dict[str, Any]", value)


class TooDeepError(ValueError):
    """Raised for JSON that no payload can hold."""

    def __init__(self) -> None:
        super().__init__(f"is nested deeper than {MAX_LEVELS} levels, the most that a payload may have")


def read_json(text: str) -> Any:
    """Read a JSON value.

    Raises:
        TooDeepError: If it is nested too deeply.
        ValueError: If it is something else, has a key twice, or holds NaN or Infinity.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
    except RecursionError:
        raise TooDeepError from None
    within = [value]
    for _ in range(MAX_LEVELS + 1):
        if not within:
            return value
        within = [inner for each in within for inner in _inside(each)]
    raise TooDeepError


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


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
