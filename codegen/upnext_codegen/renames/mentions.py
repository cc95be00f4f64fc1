"""Texts equal to a name, where it is unknown whether they mean it."""

from __future__ import annotations

import io
import tokenize
from ast import literal_eval
from contextlib import suppress
from typing import NamedTuple

_STRING = ('"', "'")
_BETWEEN = {tokenize.NL, tokenize.COMMENT}


class Texts(NamedTuple):
    """The string literals of a file with one value.

    Attributes:
        places: Where they start: line and column, from 1.
        whole: Whether these are all; a file may not be Python to its end.
    """

    places: list[tuple[int, int]]
    whole: bool


def texts_in(data: bytes, text: str, *, but_in: tuple[str, ...]) -> Texts:
    """Find the string literals with a value.

    Args:
        data: The file.
        text: The value.
        but_in: Keywords whose values, or tuples of values, are left out: `formerly=("order.placed",)`. Also functions,
            as `event("order.placed")`, and what is looked into by a key, as `events["order.placed"]`.
    """
    places: list[tuple[int, int]] = []
    before: list[str] = []
    try:
        for token in tokenize.tokenize(io.BytesIO(data).readline):
            if token.type == tokenize.STRING and _keyword_of(before) not in but_in:
                with suppress(ValueError, SyntaxError):
                    if literal_eval(token.string) == text:
                        places.append((token.start[0], token.start[1] + 1))
            if token.type not in _BETWEEN:
                before.append(token.string)
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        return Texts(places, whole=False)  # a template, or half of a merge
    return Texts(places, whole=True)


def _keyword_of(tokens: list[str]) -> str:
    """Return the keyword, callee or key that the following text is a value of."""
    place = len(tokens) - 1
    while place >= 0 and (tokens[place] == "," or tokens[place].endswith(_STRING)):
        place -= 1
    if place >= 2 and tokens[place] in ("(", "["):
        return tokens[place - 2] if tokens[place - 1] == "=" else tokens[place - 1]
    return tokens[place - 1] if place >= 1 and tokens[place] == "=" else ""
