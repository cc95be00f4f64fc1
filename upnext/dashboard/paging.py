"""Pages of long lists, with search: a fleet may have thousands of handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

T = TypeVar("T")

PAGE = 50
"""Rows of a list on a page."""


class Shown(NamedTuple, Generic[T]):
    """The part of a list that a page shows.

    Attributes:
        rows: The rows of this page.
        start: The number of the first of them, from 1; 0 if there is none.
        total: How many rows were found.
        number: Which page this is, from 1.
        last: The number of the last page.
        find: What is looked for, "" for all rows.
    """

    rows: Sequence[T]
    start: int
    total: int
    number: int
    last: int
    find: str


def shown(request: Request, rows: Sequence[T], words: Callable[[T], Sequence[str]]) -> Shown[T]:
    """Return the requested page, by `page`, of the rows that contain all words of `find`.

    Args:
        request: What asks for it.
        rows: The whole list.
        words: Returns what a row is found by.
    """
    find = request.query_params.get("find", "").strip()
    wanted = find.casefold().split()
    if wanted:
        rows = [row for row in rows if _has(wanted, words(row))]
    last = max(-(-len(rows) // PAGE), 1)
    number = min(max(whole(request.query_params.get("page"), 1), 1), last)
    start = (number - 1) * PAGE
    return Shown(rows[start : start + PAGE], start + 1 if rows else 0, len(rows), number, last, find)


def whole(text: str | None, otherwise: int) -> int:
    """Return the integer value of a parameter, or a default if it is not one."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def _has(wanted: Sequence[str], words: Sequence[str]) -> bool:
    text = " ".join(words).casefold()
    return all(word in text for word in wanted)
