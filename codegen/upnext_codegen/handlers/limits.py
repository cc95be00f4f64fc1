"""The values of limits as texts: `gt=0`, `ge=Decimal("0.5")`, `lt=date(2030, 1, 1)`, `le=timedelta(hours=1)`."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from upnext_codegen.names import values
from upnext_codegen.names.evaluator import Evaluator, plain_arguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Use

_BOUNDS = frozenset({"gt", "ge", "lt", "le"})
_MADE: dict[str, Callable[..., object]] = {
    "datetime.date": date,
    "datetime.datetime": datetime,
    "datetime.time": time,
    "datetime.timedelta": timedelta,
    "decimal.Decimal": Decimal,
}


def limit_text(evaluator: Evaluator, name: str, expr: ast.expr, use: Use) -> str | None:
    """Return the value of a limit as text, "" for None, which is not a limit; None if unknown.

    Values that make no sense cannot be known either: pydantic itself refuses them, when the class is made.
    """
    value = _value(evaluator, expr, use)
    if value is None:
        return ""
    if isinstance(value, bool) or value is values.UNKNOWN:
        return None
    if name in _BOUNDS:
        return _bound(value)
    if name == "multiple_of":
        return _number(value) if isinstance(value, int | float | Decimal) and value > 0 else None
    return str(value) if isinstance(value, int) and value >= 0 else None


def _bound(value: object) -> str | None:
    match value:
        case timedelta():
            return f"{_plain(Decimal(value // timedelta(microseconds=1)) / 1_000_000)}s"
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case int() | float() | Decimal():
            return _number(value)
        case _:
            return None


def _number(value: float | Decimal) -> str | None:
    if not math.isfinite(value):
        return None
    return _plain(value) if isinstance(value, Decimal) else repr(value)


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _value(evaluator: Evaluator, expr: ast.expr, use: Use) -> object:
    found = evaluator.value(expr, use)
    if isinstance(found, values.Constant):
        return found.value
    if not isinstance(expr, ast.Call):
        return values.UNKNOWN
    made = evaluator.value(expr.func, use)
    maker = _MADE.get(made.name) if isinstance(made, ExternalName) else None
    if maker is None:
        return values.UNKNOWN
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for each in plain_arguments(expr, use):
        given = evaluator.value(each.value, each.use)
        if not isinstance(given, values.Constant):
            return values.UNKNOWN
        if each.keyword:
            named[each.keyword] = given.value
        else:
            positional.append(given.value)
    try:
        return maker(*positional, **named)
    except (TypeError, ValueError, OverflowError, InvalidOperation):
        return values.UNKNOWN
