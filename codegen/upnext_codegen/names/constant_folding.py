"""Strings and numbers put together from constants."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import Any

from upnext_codegen.names import values
from upnext_codegen.names.values import UNKNOWN, Value

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], float]] = {
    ast.Add: lambda one, other: one + other,
    ast.Sub: lambda one, other: one - other,
    ast.Mult: lambda one, other: one * other,
    ast.Div: lambda one, other: one / other,
    ast.FloorDiv: lambda one, other: one // other,
    ast.Pow: lambda one, other: one**other if abs(other) <= _HIGHEST_POWER and abs(one) < _LARGEST else math.inf,
    ast.LShift: lambda one, other: one << other if other <= _HIGHEST_POWER and abs(one) < _LARGEST else math.inf,
    ast.RShift: lambda one, other: one >> other,
    ast.BitAnd: lambda one, other: one & other,
    ast.BitXor: lambda one, other: one ^ other,
}
_HIGHEST_POWER = 64
_LONGEST = 4000
"""Characters that are kept of a string; no name is nearly as long."""
_LONGEST_LITERAL = 20_000
_LARGEST = 1 << 63
"""Whole numbers that no field of a cache can hold are not kept."""


def literal(value: object) -> Value:
    """A literal in a source."""
    if isinstance(value, str):
        return values.Constant(value[:_LONGEST_LITERAL])
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LARGEST:
        return UNKNOWN
    if value is None or isinstance(value, bool | int | float):
        return values.Constant(value)
    return UNKNOWN


def joined(parts: list[Value]) -> Value:
    """An f-string with known parts."""
    texts = [_text(part) for part in parts]
    return values.Constant("".join(text or "" for text in texts)) if None not in texts else UNKNOWN


def formatted(template: str, args: Sequence[Value], named: Mapping[str, Value]) -> Value:
    """`template.format(...)` with known parts, without conversions, specifications and attributes."""
    known = {str(number): part for number, part in enumerate(args)} | dict(named)
    parts: list[str] = []
    automatic = 0
    try:
        for text, name, spec, conversion in Formatter().parse(template):
            parts.append(text)
            if name is None:
                continue
            value = _text(known.get(name or str(automatic), UNKNOWN))
            if spec or conversion or value is None:
                return UNKNOWN
            parts.append(value)
            automatic += not name
    except ValueError:
        return UNKNOWN
    return values.Constant("".join(parts)[:_LONGEST])


def strung(separator: str, parts: Sequence[Value]) -> Value:
    """`separator.join(...)` with known parts."""
    texts = [part.value for part in parts if isinstance(part, values.Constant) and isinstance(part.value, str)]
    return values.Constant(separator.join(texts)[:_LONGEST]) if len(texts) == len(parts) else UNKNOWN


def calculated(operator: ast.operator, left: Value, right: Value) -> Value:
    """`left operator right` for constants."""
    if not isinstance(left, values.Constant) or not isinstance(right, values.Constant):
        return UNKNOWN
    one, other = left.value, right.value
    if isinstance(one, str) and isinstance(other, str):
        if isinstance(operator, ast.Add):
            return values.Constant((one + other)[:_LONGEST])
        if isinstance(operator, ast.Mod) and one.count("%") == one.count("%s") == 1:
            return values.Constant(one.replace("%s", other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return _number(operator, one, other)
    return UNKNOWN


def negated(operand: Value) -> Value:
    """`-operand` for a number."""
    number = operand.value if isinstance(operand, values.Constant) else None
    return values.Constant(-number) if isinstance(number, int | float) else UNKNOWN


def _number(operator: ast.operator, one: float, other: float) -> Value:
    rule = _ARITHMETIC.get(type(operator))
    try:
        return UNKNOWN if rule is None else literal(rule(one, other))
    except (ZeroDivisionError, OverflowError, TypeError, ValueError):
        return UNKNOWN


def _text(part: Value) -> str | None:
    """The printed form of a value; an enum's member prints as its value only where every Python agrees."""
    if isinstance(part, values.Constant):
        return str(part.value)
    return None
