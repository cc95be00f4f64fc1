"""Which names look like a misspelling of each other."""

from __future__ import annotations

from collections.abc import Iterable

_SEPARATORS = str.maketrans(dict.fromkeys(".-/:", "_"))
_DIGITS = str.maketrans(dict.fromkeys("0123456789"))
_SHORT = 6


def nearest(name: str, others: Iterable[str]) -> str | None:
    """Return the other name that this one was most likely meant to be, or None.

    Near is at most two edits away (one for names below six letters), an edit being a letter added, left out, changed
    or swapped with the next one; capitals and separators count as alike. Names that differ only in their digits are
    never near: `order.v2` is no misspelt `order.v1`.
    """
    return next(iter(near_names(name, others)), None)


def near_names(name: str, others: Iterable[str]) -> list[str]:
    """List all other names that are near to one, the nearest first."""
    found = [
        (distance, other)
        for other in others
        if other != name and (distance := _distance_if_near(name, other)) is not None
    ]
    return [other for _, other in sorted(found)]


def _distance_if_near(name: str, other: str) -> int | None:
    one, two = _folded(name), _folded(other)
    if one != two and one.translate(_DIGITS) == two.translate(_DIGITS):
        return None
    limit = 1 if min(len(one), len(two)) < _SHORT else 2
    if abs(len(one) - len(two)) > limit:
        return None
    distance = damerau_levenshtein(one, two)
    return distance if distance <= limit else None


def _folded(name: str) -> str:
    return name.casefold().translate(_SEPARATORS)


def damerau_levenshtein(one: str, two: str) -> int:
    """Return the smallest number of edits between two texts; swapped neighbours may be edited further."""
    longest = len(one) + len(two)
    rows = [[longest] * (len(two) + 2) for _ in range(len(one) + 2)]
    for row in range(len(one) + 1):
        rows[row + 1][1] = row
    for column in range(len(two) + 1):
        rows[1][column + 1] = column
    last_row: dict[str, int] = {}
    for row, char in enumerate(one, 1):
        last_column = 0
        for column, other in enumerate(two, 1):
            swap_row, swap_column = last_row.get(other, 0), last_column
            cost = char != other
            if not cost:
                last_column = column
            rows[row + 1][column + 1] = min(
                rows[row][column] + cost,
                rows[row + 1][column] + 1,
                rows[row][column + 1] + 1,
                rows[swap_row][swap_column] + (row - swap_row - 1) + 1 + (column - swap_column - 1),
            )
        last_row[char] = row
    return rows[-1][-1]
