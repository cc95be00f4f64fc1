"""Reads a payload, or one field of it, from JSON that a user wrote."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NoReturn, cast

from upnext.cli.paths import reason_of
from upnext.errors import ConfigError
from upnext.payload.limits import MAX_LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_input() -> str:
    """Return the contents of standard input.

    Raises:
        ConfigError: If it cannot be read, or holds more than is read of a file.
    """
    from upnext_codegen.files.whole_file import MAX_BYTES  # noqa: PLC0415 - few commands read it

    if sys.stdin is None:  # the shell closed it
        raise ConfigError("Standard input cannot be read: it is closed.")
    try:
        text = sys.stdin.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"Standard input cannot be read: {reason_of(error)}.") from error
    if len(text) > MAX_BYTES:
        raise ConfigError(f"Standard input cannot be read: it holds more than {MAX_BYTES // 1_000_000} MB.")
    return text


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
    """Raised for JSON that is nested too deeply for a payload."""

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
