"""Finds names that look like misspellings of each other.

Names are indexed by the letters they consist of, since one edit adds at most one letter and removes at most one. So a
search costs the same however many names there are, and only candidates are compared in full.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import combinations_with_replacement
from typing import NamedTuple

_SEPARATORS = str.maketrans(dict.fromkeys(".-/:", "_"))
_DIGITS = str.maketrans(dict.fromkeys("0123456789"))
_SHORT = 6
_MOST_EDITS = 2
_KINDS = 75
"""How many letters are told apart; no two of those that names of events are made of count as one."""
MOST_COMPARED = 1000
"""How many names one name is compared with in full."""


class Near(NamedTuple):
    """What was found close to a name.

    Attributes:
        names: The near names, the nearest first, and of equally near ones the first by name.
        not_compared: How many names of the same letters were too many to be compared.
    """

    names: tuple[str, ...]
    not_compared: int = 0


class NearNames:
    """Names that can be searched for ones close to another.

    Near is at most two edits away (one for names below six letters), an edit being a letter added, left out, changed
    or swapped with the next one; capitals and separators count as alike. Names that differ only in their digits are
    never near: `order.v2` is not a misspelt `order.v1`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_letters: defaultdict[int, list[tuple[str, str, int]]] = defaultdict(list)
        self._weights: set[int] = set()
        for name in sorted(set(names)):
            folded = _folded(name)
            whole = sum(map(_weight, folded))
            letters = {*map(_weight, folded)}
            self._weights |= letters
            for removed in (0, *letters):
                self._by_letters[whole - removed].append((name, folded, int(removed > 0)))

    def all_near(self, name: str) -> Near:
        """List all close names."""
        return self._near(name, all_of_them=True)

    def nearest(self, name: str) -> Near:
        """Return the name that was most likely meant, or none."""
        found = self._near(name, all_of_them=False)
        return Near(found.names[:1], 0 if found.names else found.not_compared)

    def _near(self, name: str, *, all_of_them: bool) -> Near:
        folded = _folded(name)
        candidates = [each for each in self._candidates(folded) if each[1] != name]
        found: list[tuple[int, str]] = []
        for compared, (fewest, other, other_folded) in enumerate(candidates):
            if found and not all_of_them and (fewest, other) > min(found):
                break
            if compared == MOST_COMPARED:
                return Near(tuple(each for _, each in sorted(found)), len(candidates) - compared)
            distance = damerau_levenshtein(folded, other_folded, _limit(folded, other_folded))
            if distance is not None:
                found.append((distance, other))
        return Near(tuple(each for _, each in sorted(found)))

    def _candidates(self, folded: str) -> list[tuple[int, str, str]]:
        """Return the names whose letters allow closeness: the minimum of edits, the name, and its folded form.

        They come in the order of the fewest edits, then by name, so that the nearest is among the first.
        """
        plain = folded.translate(_DIGITS)
        found: dict[str, tuple[int, str, str]] = {}
        for letters, removed, added in self._edited(folded):
            for name, other, further in self._by_letters[letters]:
                fewest = max(removed, added + further)
                if name in found and found[name][0] <= fewest:
                    continue
                only_digits = folded != other and plain == other.translate(_DIGITS)
                if fewest <= _limit(folded, other) and not only_digits:
                    found[name] = (fewest, name, other)
        return sorted(found.values())

    def _edited(self, folded: str) -> Iterator[tuple[int, int, int]]:
        """Yield the known letter sets with up to two letters removed and one added, and the number of edits.

        The names' own entries lack up to one letter, which makes two that may be added.
        """
        whole = sum(map(_weight, folded))
        own = sorted({*map(_weight, folded)})
        for removed in range(_MOST_EDITS + 1):
            left = {whole - sum(taken) for taken in combinations_with_replacement(own, removed)}
            for added, weights in enumerate(({0}, self._weights)):
                edited = {each + weight for each in left for weight in weights}
                yield from ((letters, removed, added) for letters in self._by_letters.keys() & edited)


def _limit(one: str, other: str) -> int:
    return 1 if min(len(one), len(other)) < _SHORT else _MOST_EDITS


def _folded(name: str) -> str:
    return name.casefold().translate(_SEPARATORS)


@cache
def _weight(letter: str) -> int:
    """Return a number for a letter such that sums of them identify the letters of a name, in any order.

    There are no more of them than `_KINDS`, so that a name in a script of many letters takes no longer.
    """
    return pow(1_000_003, ord(letter) % _KINDS + 1, (1 << 61) - 1)


def damerau_levenshtein(one: str, two: str, limit: int) -> int | None:
    """Return the smallest number of edits between two texts; swapped neighbours may be edited further.

    Args:
        one: The one text.
        two: The other text.
        limit: How many edits count; of the table only what fewer can reach is filled in.

    Returns:
        None if it is more than the limit.
    """
    if abs(len(one) - len(two)) > limit:
        return None
    one, two = _without_common_ends(one, two)
    beyond = limit + 1
    rows: dict[tuple[int, int], int] = {(0, column): column for column in range(min(len(two), limit) + 1)}
    last_row: dict[str, int] = {}
    for row, char in enumerate(one, 1):
        if row <= limit:
            rows[row, 0] = row
        first, last = max(1, row - limit), min(len(two), row + limit)
        last_column = two.rfind(char, 0, first - 1) + 1
        for column in range(first, last + 1):
            other = two[column - 1]
            swap_row, swap_column = last_row.get(other, 0), last_column
            if char == other:
                last_column = column
            between = row - swap_row - 1 + column - swap_column - 1
            rows[row, column] = min(
                rows.get((row - 1, column - 1), beyond) + (char != other),
                rows.get((row, column - 1), beyond) + 1,
                rows.get((row - 1, column), beyond) + 1,
                rows.get((swap_row - 1, swap_column - 1), beyond) + 1 + between,
            )
        if row > limit and all(rows[row, column] > limit for column in range(first, last + 1)):
            return None
        last_row[char] = row
    distance = rows[len(one), len(two)]
    return distance if distance <= limit else None


def _without_common_ends(one: str, two: str) -> tuple[str, str]:
    shorter = min(len(one), len(two))
    start = next((place for place in range(shorter) if one[place] != two[place]), shorter)
    one, two = one[start:], two[start:]
    shorter -= start
    end = next((place for place in range(shorter) if one[-1 - place] != two[-1 - place]), shorter)
    return one[: len(one) - end], two[: len(two) - end]
