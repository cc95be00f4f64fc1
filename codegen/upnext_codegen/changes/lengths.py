"""Minimum and maximum lengths of texts and collections, as seen through the type that reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from upnext_codegen.types import UNKNOWN_CONSTRAINT, ClassType, TupleType, Type

_FREE_TEXTS = frozenset({"builtins:str", "builtins:bytes", "pathlib:Path", "pathlib:PurePath"})
"""Types whose texts may be blank."""

_SETS = frozenset({"builtins:set", "builtins:frozenset", "collections.abc:Set", "collections.abc:MutableSet"})
_COLLECTIONS = _SETS | {
    *("builtins:list", "builtins:tuple", "builtins:dict", "collections:deque"),
    *("collections.abc:Sequence", "collections.abc:Mapping"),
}
_UTF_8 = 4
"""Bytes that one character may take."""


class Lengths(NamedTuple):
    """The minimum and maximum of a length, `math.inf` for any; None if unknown."""

    least: float | None
    most: float | None


_TEXTS = {
    "builtins:bool": Lengths(4, 5),
    "builtins:float": Lengths(3, 24),
    "builtins:int": Lengths(1, 20),  # as keys, 64 bits each: no key is longer
    "datetime:date": Lengths(10, 10),
    "datetime:datetime": Lengths(19, 32),
    "datetime:time": Lengths(8, 21),
    "datetime:timedelta": Lengths(3, math.inf),
    "decimal:Decimal": Lengths(1, math.inf),
    "pathlib:Path": Lengths(1, math.inf),
    "pathlib:PurePath": Lengths(1, math.inf),
    "uuid:UUID": Lengths(36, 36),
}
"""How long the texts are that values of a type are written as."""


def lengths(written: Type, read: Type, had: Mapping[str, str], *, strips: bool) -> Lengths:
    """Return how long values are.

    Args:
        written: The type that they were written as, without constraints.
        read: The one that they are read as.
        had: The earlier constraints.
        strips: Whether blanks around them are taken off now, and were not.
    """
    owner, reader = _owner(written), _owner(read)
    least, most = _written(written, owner, had)
    if owner == "builtins:str" and reader == "builtins:bytes" and most is not None:
        most *= _UTF_8
    if owner == "builtins:bytes" and reader != owner and least is not None:
        least = math.ceil(least / _UTF_8)
    if reader in _SETS and owner not in _SETS and least:
        least = 1  # the others may be the same one
    if strips and owner in _FREE_TEXTS:
        least = 0
    return Lengths(least, most)


def _written(written: Type, owner: str, had: Mapping[str, str]) -> Lengths:
    if isinstance(written, TupleType) and not written.variadic:
        return Lengths(len(written.items), len(written.items))
    if owner in _TEXTS:
        return _TEXTS[owner]
    if owner not in _COLLECTIONS and owner not in _FREE_TEXTS:
        return Lengths(None, None)
    is_certain = UNKNOWN_CONSTRAINT not in had
    shortest, longest = had.get("min_length", ""), had.get("max_length", "")
    return Lengths(
        int(shortest) if shortest.isdigit() else 0 if is_certain else None,
        int(longest) if longest.isdigit() else math.inf if is_certain else None,
    )


def _owner(written: Type) -> str:
    if isinstance(written, TupleType):
        return "builtins:tuple"
    return f"{written.module}:{written.qualname}" if isinstance(written, ClassType) else ""
