"""Compares constraints: which of them allow less than the earlier ones."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from upnext_codegen.changes.bounds import NUMBERS, are_digits_tighter, bound, is_bounded, number
from upnext_codegen.changes.lengths import lengths
from upnext_codegen.types import UNKNOWN_CONSTRAINT, ClassType, EnumMember, LiteralValue, Type

_TEXTS = frozenset({"builtins:str", "builtins:bytes"})
_STRIPS = "strip_whitespace"
_ANY_TEXT = frozenset({"", "^", "$", ".*"})
"""Patterns that are found in every text."""


def tighter(
    written: Type,
    read: Type,
    had: Collection[str],
    has: Collection[str],
    values: Sequence[LiteralValue] | None = None,
) -> Iterator[str]:
    """Yield the constraints that some values violate which satisfied the earlier ones.

    Args:
        written: The type that values were written as, without constraints.
        read: The type that they are read as, without constraints.
        had: The earlier constraints.
        has: Today's.
        values: The values that the type has, where those are known.
    """
    was, now = _parsed(had), _parsed(has)
    strips = _STRIPS in now and _STRIPS not in was
    for constraint in sorted(has):
        name, _, text = constraint.partition("=")
        # For another type, or without the surrounding blanks, a length means something else.
        is_remeasured = name in {"min_length", "max_length"} and (strips or written != read)
        if name == UNKNOWN_CONSTRAINT or (constraint in had and not is_remeasured):
            continue
        if values is not None:
            known = [value for value in values if not isinstance(value, EnumMember)]
            if not all(satisfies(_stripped(value) if strips else value, name, text) for value in known):
                yield constraint
        elif _is_tighter(written, read, was, now, name):
            yield constraint


def _parsed(constraints: Collection[str]) -> dict[str, str]:
    return {name: text for name, _, text in (each.partition("=") for each in constraints)}


def _stripped(value: LiteralValue) -> LiteralValue:
    return value.strip() if isinstance(value, str) else value


def _is_tighter(written: Type, read: Type, had: Mapping[str, str], has: Mapping[str, str], name: str) -> bool:
    owner = f"{written.module}:{written.qualname}" if isinstance(written, ClassType) else ""
    is_certain = UNKNOWN_CONSTRAINT not in had
    match name:
        case "gt" | "ge" | "lt" | "le" if is_bounded(owner):
            return _is_bound_tighter(owner, had, name, has[name], is_certain=is_certain)
        case "min_length" | "max_length" if has[name].isdigit():
            known = lengths(written, read, had, strips=_STRIPS in has and _STRIPS not in had)
            if name == "min_length":
                return known.least is not None and known.least < int(has[name])
            return known.most is not None and known.most > int(has[name])
        case "multiple_of" if owner in NUMBERS:
            step, earlier = number(has[name]), number(had.get(name, ""))
            if step is None or (owner == "builtins:int" and step == 1):
                return False
            return is_certain if earlier is None else earlier % step != 0
        case "pattern" if owner in _TEXTS:
            # Which strings match both patterns is not computed.
            return is_certain and "pattern" not in had and has[name] not in _ANY_TEXT
        case "max_digits" | "decimal_places" if owner in NUMBERS:
            return are_digits_tighter(owner, had, has, name)
        case _:
            return False


def _is_bound_tighter(owner: str, had: Mapping[str, str], name: str, text: str, *, is_certain: bool) -> bool:
    asked = bound(owner, name, text)
    if asked is None:
        return False
    same_side = ("gt", "ge") if name in {"gt", "ge"} else ("lt", "le")
    given = [each for each in same_side if each in had]
    known = [found for each in given if (found := bound(owner, each, had[each])) and found.kind == asked.kind]
    if not given:
        return is_certain
    return len(known) == len(given) and max(known) < asked


def satisfies(value: LiteralValue | float, name: str, text: str) -> bool:
    """Return whether a value satisfies a constraint; False is certain, True is not."""
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
        limit = number(text)
        if limit is None:
            return True
        results = {"gt": value > limit, "ge": value >= limit, "lt": value < limit, "le": value <= limit}
        if name in results:
            return results[name]
        return isinstance(value, float) or value % limit == 0  # whether a float is a multiple depends on rounding
    return True


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # pydantic's patterns use Rust's syntax
        return True
