"""Converts values of any kind to JSON for a log line, so that no value can cost the line."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_DEPTH = 32  # depth of nested lists and objects
_INT_BITS = 64  # of a number that every JSON parser accepts
_TEXT_BITS = 10_000  # of a number that Python converts to digits


def as_json(value: object, around: tuple[object, ...] = ()) -> Any:
    """Return valid JSON for any value: what JSON cannot represent becomes text.

    Args:
        value: What was logged.
        around: The lists and objects that it is in, from the outermost one on.
    """
    # The class itself: an object may claim another one.
    kind = type(value)
    if value is None or kind is bool:
        return value
    if issubclass(kind, str):
        return _text(value)
    if issubclass(kind, int):
        return _integer(int.__index__(cast("int", value)))
    if issubclass(kind, float):
        number = float.__float__(cast("float", value))
        return number if math.isfinite(number) else None
    if issubclass(kind, (dict, list, tuple, set, frozenset)):
        if len(around) == _DEPTH or any(value is each for each in around):
            return "..."
        try:
            return _parts(value, (*around, value))
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001  # another thread changes it, or its class is a user's
            return shown(value)
    return shown(value)


def shown(value: object, form: Callable[[Any], str] = repr) -> str:
    """Return the text of any object, even if its methods misbehave."""
    try:
        return _text(form(value))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # a user's object may raise anything
        return f"<{_text(type.__dict__['__name__'].__get__(type(value)))} that cannot be shown>"


def _parts(value: Any, inside: tuple[object, ...]) -> Any:
    if not issubclass(type(value), dict):
        return [as_json(part, inside) for part in value]
    found: dict[str, Any] = {}
    for key, part in value.items():
        name = _key(key)
        while name in found:  # 1 and "1" are one key in JSON
            name += "_"
        found[name] = as_json(part, inside)
    return found


def _key(key: Any) -> str:
    """Return a dictionary key as `json.dumps` writes it, if possible."""
    if issubclass(type(key), str):
        return _text(key)
    return json.dumps(key) if key is None or type(key) is bool else shown(key)


def _integer(number: int) -> int | str:
    bits = number.bit_length()
    if bits < _INT_BITS:
        return number
    return str(number) if bits < _TEXT_BITS else f"<int of {bits} bits>"


def _text(value: Any) -> str:
    """Return the text with lone surrogates escaped, because many readers reject them."""
    text = str.__str__(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
