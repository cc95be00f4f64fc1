"""Compares bounds of numbers, dates and times, and the digits of decimals: which of two allows less."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from upnext_codegen.types import UNKNOWN_CONSTRAINT

NUMBERS = frozenset({"builtins:int", "builtins:float", "decimal:Decimal"})
_MICROSECOND = timedelta(microseconds=1)


class Bound(NamedTuple):
    """A comparable bound, greater if it is stricter; bounds of two kinds cannot be compared.

    Attributes:
        kind: The type, and whether it knows its time zone.
        number: Where it is, the other way round for an upper bound.
        is_open: Whether it is left out itself.
    """

    kind: str
    number: Decimal
    is_open: bool


class Digits(NamedTuple):
    """The maximum number of digits of numbers, `math.inf` for any number; None if unknown."""

    total: float | None
    whole: float | None
    places: float | None


def number(text: str) -> Decimal | None:
    """Return the number in a text, None if it is not a number."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def is_bounded(owner: str) -> bool:
    """Return whether bounds of a type ("module:qualname") are compared."""
    return owner in NUMBERS or owner in _TIMES


def bound(owner: str, name: str, text: str) -> Bound | None:
    """Read a bound of a type, None if that is impossible: a later release may have written it.

    Args:
        owner: The type, as "module:qualname".
        name: "gt", "ge", "lt" or "le".
        text: Where it is.
    """
    sign, is_open = 1 if name in {"gt", "ge"} else -1, name in {"gt", "lt"}
    if owner in NUMBERS:
        kind, found = "number", number(text)
        if found is None:
            return None
    else:
        try:
            kind, ordinal = _TIMES[owner](text)
        except (ValueError, InvalidOperation, OverflowError):
            return None
        found = Decimal(ordinal)
    is_whole = owner == "builtins:int" or owner not in NUMBERS
    if is_open and is_whole and found == int(found):
        found, is_open = found + sign, False
    return Bound(kind, sign * found, is_open)


def _days(text: str) -> tuple[str, int]:
    return "date", date.fromisoformat(text).toordinal()


def _instant(text: str) -> tuple[str, int]:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        return "naive", _since_epoch(found.replace(tzinfo=UTC))
    return "aware", _since_epoch(found)


def _since_epoch(found: datetime) -> int:
    return (found - datetime.fromtimestamp(0, UTC)) // _MICROSECOND


def _of_day(text: str) -> tuple[str, int]:
    found = time.fromisoformat(text)
    kind = "naive" if found.tzinfo is None else "aware"
    day = datetime.fromtimestamp(0, UTC).date()
    return kind, _since_epoch(datetime.combine(day, found, found.tzinfo or UTC))


def _duration(text: str) -> tuple[str, int]:
    return "duration", int(Decimal(text.removesuffix("s")) * 1_000_000)


_TIMES: dict[str, Callable[[str], tuple[str, int]]] = {
    "datetime:date": _days,
    "datetime:datetime": _instant,
    "datetime:time": _of_day,
    "datetime:timedelta": _duration,
}
"""What reads a bound of a type: its kind, and a whole number."""


def digits(owner: str, had: Mapping[str, str]) -> Digits:
    """Return how many digits the numbers of a type have at most.

    Args:
        owner: The type, as "module:qualname".
        had: Its constraints.
    """
    unlimited = None if UNKNOWN_CONSTRAINT in had else math.inf
    total, places = _count(had, "max_digits"), _count(had, "decimal_places")
    if owner == "builtins:int":
        places = 0
    elif places is None and (step := number(had.get("multiple_of", ""))) is not None:
        places = max(0, -int(step.normalize().as_tuple().exponent))
    whole = _whole_digits(had)
    if whole is None and total is not None:
        whole = total - places if "max_digits" in had and "decimal_places" in had and places is not None else total
    if total is None and whole is not None and places is not None:
        total = whole + places
    if places is None:
        places = total
    return Digits(*(unlimited if each is None else each for each in (total, whole, places)))


def _count(had: Mapping[str, str], name: str) -> int | None:
    text = had.get(name, "")
    return int(text) if text.isdigit() else None


def _whole_digits(had: Mapping[str, str]) -> int | None:
    """How many digits numbers have before their point, judging by their bounds; None if they have no bounds."""
    lower = [found for each in ("gt", "ge") if (found := number(had.get(each, ""))) is not None]
    upper = [found for each in ("lt", "le") if (found := number(had.get(each, ""))) is not None]
    if not lower or not upper:
        return None
    largest = max(abs(max(lower)), abs(min(upper)))
    return len(str(int(largest))) if largest >= 1 else 0


def are_digits_tighter(owner: str, had: Mapping[str, str], has: Mapping[str, str], name: str) -> bool:
    """Return whether `max_digits` or `decimal_places` exclude numbers that were allowed.

    Args:
        owner: The earlier type, as "module:qualname".
        had: Its constraints.
        has: Those of today's `Decimal`.
        name: Which of the two is asked about.
    """
    was = digits(owner, had)
    total, places = _count(has, "max_digits"), _count(has, "decimal_places")
    if _exceeds(was.total, total):
        return name == "max_digits" or _exceeds(was.places, places)
    if name == "decimal_places" and _exceeds(was.places, places):
        return True
    # The digits left before the point: whichever limit changed is the cause.
    to_blame = "max_digits" if had.get("decimal_places") == has.get("decimal_places") else "decimal_places"
    left = None if total is None or places is None else max(0, total - places)
    return name == to_blame and _exceeds(was.whole, left)


def _exceeds(was: float | None, limit: int | None) -> bool:
    return was is not None and limit is not None and was > limit
