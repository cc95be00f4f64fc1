"""Which constraints hold back more than those that there were."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence

from upnext_codegen.types import UNKNOWN_CONSTRAINT, ClassType, EnumMember, LiteralValue, TupleType, Type

_NUMBERS = frozenset({"builtins:int", "builtins:float", "decimal:Decimal"})
_TEXTS = frozenset({"builtins:str", "builtins:bytes"})
_SIZED = _TEXTS | {
    *("builtins:list", "builtins:set", "builtins:frozenset", "builtins:dict", "collections:deque"),
    *("collections.abc:Sequence", "collections.abc:Set", "collections.abc:Mapping"),
}
_LENGTHS = {"datetime:date": (10, 10), "datetime:datetime": (19, 32), "uuid:UUID": (36, 36)}
"""How long the texts are, at least and at most, that values of a type are written as."""

_ANY_TEXT = frozenset({"", "^", "$", ".*"})
"""Patterns that are found in every text."""


def tighter(
    written: Type, had: Collection[str], has: Collection[str], values: Sequence[LiteralValue] | None = None
) -> Iterator[str]:
    """Yield the constraints that not all values satisfy which satisfied the earlier ones.

    Args:
        written: The type that they hold back, without constraints.
        had: The earlier constraints.
        has: Today's.
        values: The values that the type has, where those are known.
    """
    for constraint in sorted(set(has) - set(had)):
        name, _, text = constraint.partition("=")
        if name == UNKNOWN_CONSTRAINT:
            continue
        if values is not None:
            known = [value for value in values if not isinstance(value, EnumMember)]
            if not all(satisfies(value, name, text) for value in known):
                yield constraint
        elif _is_tighter(written, _parsed(had), name, text, is_certain=UNKNOWN_CONSTRAINT not in had):
            yield constraint


def _parsed(constraints: Collection[str]) -> dict[str, str]:
    return {name: text for name, _, text in (each.partition("=") for each in constraints)}


def _is_tighter(written: Type, had: dict[str, str], name: str, text: str, *, is_certain: bool) -> bool:
    owner = f"{written.module}:{written.qualname}" if isinstance(written, ClassType) else ""
    match name:
        case "gt" | "ge" | "lt" | "le" if owner in _NUMBERS:
            sign = 1 if name in {"gt", "ge"} else -1
            asked = _bound(name, text, sign, owner)
            known = [
                _bound(each, had[each], sign, owner)
                for each in (("gt", "ge") if sign > 0 else ("lt", "le"))
                if each in had
            ]
            return max(known) < asked if known else is_certain
        case "min_length" | "max_length":
            return _is_length_tighter(written, owner, had, name, int(text), is_certain=is_certain)
        case "multiple_of" if owner in _NUMBERS:
            step = _number(text)
            if owner == "builtins:int" and step == 1:
                return False
            return _number(had["multiple_of"]) % step != 0 if "multiple_of" in had else is_certain
        case "pattern" if owner in _TEXTS:
            # Which texts two patterns have in common is not worked out.
            return is_certain and "pattern" not in had and text not in _ANY_TEXT
        case "max_digits" | "decimal_places" if owner == "decimal:Decimal":
            return int(text) < int(had[name]) if name in had else is_certain
        case _:
            return False


def _is_length_tighter(
    written: Type, owner: str, had: dict[str, str], name: str, length: int, *, is_certain: bool
) -> bool:
    is_minimum = name == "min_length"
    known = _LENGTHS.get(owner)
    if isinstance(written, TupleType) and not written.variadic:
        known = (len(written.items), len(written.items))
    if known is not None:
        return known[0] < length if is_minimum else known[1] > length
    if owner not in _SIZED and not isinstance(written, TupleType):
        return False
    if name in had:
        return length > int(had[name]) if is_minimum else length < int(had[name])
    return is_certain and (not is_minimum or length > 0)


def _bound(name: str, text: str, sign: int, owner: str) -> tuple[float, bool]:
    """A bound as something that is greater if it holds back more: the number, and whether it is left out itself."""
    number, is_open = _number(text), name in {"gt", "lt"}
    if is_open and owner == "builtins:int" and isinstance(number, int):
        number, is_open = number + sign, False
    return sign * number, is_open


def satisfies(value: LiteralValue | float, name: str, text: str) -> bool:
    """Tell whether a value satisfies a constraint: certainly not, if it does not."""
    if isinstance(value, str | bytes):
        match name:
            case "min_length":
                return len(value) >= int(text)
            case "max_length":
                return len(value) <= int(text)
            case "pattern" if isinstance(value, str):
                return _matches(text, value)
            case _:
                return True
    if isinstance(value, int | float) and name in {"gt", "ge", "lt", "le", "multiple_of"}:
        limit = _number(text)
        results = {"gt": value > limit, "ge": value >= limit, "lt": value < limit, "le": value <= limit}
        if name in results:
            return results[name]
        return isinstance(value, float) or value % limit == 0  # what floats are multiples of depends on rounding
    return True


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # pydantic's patterns are those of Rust
        return True


def _number(text: str) -> float:
    found: object = ast.literal_eval(text)
    assert isinstance(found, int | float)
    return found
