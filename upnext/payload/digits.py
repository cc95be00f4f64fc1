"""Integers for handlers that take floats: an integer that no float can hold would change silently."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

from upnext.errors import PayloadError, PayloadProblem
from upnext.payload.round_trip import read, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from upnext.payload.codec import Codec

_LONG: Final = re.compile(rb"[0-9]{16}")
"""Whatever a float cannot hold has as many digits."""


def lost_digits(body: bytes, plain: Mapping[str, Any], codecs: Sequence[Codec]) -> list[PayloadProblem]:
    """Return the problems of integers in a payload that would arrive as other numbers.

    Args:
        body: The JSON.
        plain: What it says.
        codecs: Those of the handlers.
    """
    if _LONG.search(body) is None or not any(codec.has_floats for codec in codecs):
        return []
    sent = {name: numbers for name, value in plain.items() if (numbers := Counter(_odd(value)))}
    problems: dict[str, PayloadProblem] = {}
    for codec in codecs if sent else ():
        arrived = _arrived(codec, body)
        for name, numbers in sent.items():
            if name in arrived and _misses(numbers, read(write(arrived[name]))):
                problem = PayloadProblem(name, "would lose digits as a float; send a float, or annotate an int", "int")
                problems.setdefault(name, problem)
    return list(problems.values())


def _arrived(codec: Codec, body: bytes) -> Mapping[str, Any]:
    try:
        return codec.decode(body)
    except PayloadError:  # which is reported elsewhere
        return {}


def _misses(numbers: Counter[int], there: Any) -> bool:
    """Return whether an integer is missing from what arrives, and the nearest float is there."""
    missing = numbers - Counter(_odd(there))
    return bool(missing) and not {float(number) for number in missing}.isdisjoint(
        each for each in _scalars(there) if type(each) is float
    )


def _odd(value: Any) -> Iterator[int]:
    """Yield the integers in JSON that no float can represent."""
    for each in _scalars(value):
        if type(each) is int and _is_odd(each):
            yield each


def _is_odd(number: int) -> bool:
    try:
        return float(number) != number
    except OverflowError:  # larger than any float: pydantic does not accept it as one
        return False


def _scalars(value: Any) -> Iterator[Any]:
    if not isinstance(value, (dict, list)):
        yield value
        return
    parts: Any = cast("Any", value)
    for part in parts.values() if isinstance(value, dict) else parts:
        yield from _scalars(part)
