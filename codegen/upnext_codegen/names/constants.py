"""Strings put together from constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import Formatter

from upnext_codegen.names import values
from upnext_codegen.names.values import NOTHING, Value

_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": lambda one, other: one / other,
}
_LONGEST = 4000
"""Characters that are kept of a string; no name is nearly as long."""


def joined(parts: list[Value]) -> Value:
    """An f-string of known parts."""
    texts = [_text(part) for part in parts]
    return values.Constant("".join(text or "" for text in texts)) if None not in texts else NOTHING


def formatted(template: str, args: Sequence[Value], named: Mapping[str, Value]) -> Value:
    """`template.format(...)` of known parts, without conversions, specifications and attributes."""
    known = {str(number): part for number, part in enumerate(args)} | dict(named)
    parts: list[str] = []
    automatic = 0
    try:
        for literal, name, spec, conversion in Formatter().parse(template):
            parts.append(literal)
            if name is None:
                continue
            text = _text(known.get(name or str(automatic), NOTHING))
            if spec or conversion or text is None:
                return NOTHING
            parts.append(text)
            automatic += not name
    except ValueError:
        return NOTHING
    return values.Constant("".join(parts)[:_LONGEST])


def strung(separator: str, parts: Sequence[Value]) -> Value:
    """`separator.join(...)` of known parts."""
    texts = [part.value for part in parts if isinstance(part, values.Constant) and isinstance(part.value, str)]
    return values.Constant(separator.join(texts)[:_LONGEST]) if len(texts) == len(parts) else NOTHING


def calculated(op: str, left: Value, right: Value) -> Value:
    """`left op right` for constants."""
    if not isinstance(left, values.Constant) or not isinstance(right, values.Constant):
        return NOTHING
    one, other = left.value, right.value
    if op == "+" and isinstance(one, str) and isinstance(other, str):
        return values.Constant((one + other)[:_LONGEST])
    if op in _ARITHMETIC and isinstance(one, int | float) and isinstance(other, int | float):
        return _number(op, one, other)
    if op == "%" and isinstance(one, str) and isinstance(other, str) and one.count("%") == one.count("%s") == 1:
        return values.Constant(one.replace("%s", other))
    return NOTHING


def _number(op: str, one: float, other: float) -> Value:
    try:
        number = _ARITHMETIC[op](one, other)
    except (ZeroDivisionError, OverflowError):
        return NOTHING
    # As with literals, whole numbers that no field of a cache can hold are not kept.
    return NOTHING if isinstance(number, int) and abs(number) >= 1 << 63 else values.Constant(number)


def _text(part: Value) -> str | None:
    """How a value prints; an enum's member prints as its value only where every Python agrees."""
    if isinstance(part, values.Constant):
        return str(part.value)
    return None
