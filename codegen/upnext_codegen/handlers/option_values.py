"""The value of an option, as far as the source shows it: a constant, possibly computed, or a time."""

from __future__ import annotations

import ast
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from upnext_codegen import messages
from upnext_codegen.names import values
from upnext_codegen.names.annotation_names import definitions
from upnext_codegen.names.evaluator import plain_arguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, Definition, Derived

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Use

_NOT_FINITE = {"math.inf": math.inf, "math.nan": math.nan}


def shown(value: object) -> str:
    """Return the value of an option as text, for messages."""
    return messages.shown(value) if isinstance(value, str) else messages.shown(repr(value))[1:-1]


def constant(evaluator: Evaluator, expr: Derived, use: Use) -> object:
    """Return the value of an option: a constant or a `timedelta`, or `values.Unknown`."""
    if isinstance(expr, ast.UnaryOp) and isinstance(expr.op, ast.USub):
        inner = constant(evaluator, expr.operand, use)
        return -inner if isinstance(inner, int | float) else values.UNKNOWN
    if isinstance(expr, ast.Call):
        return _converted(evaluator, expr, use)
    found = evaluator.value(expr, use)
    if isinstance(found, values.Constant):
        return found.value
    if isinstance(found, values.MemberValue) and isinstance(found.value, values.Constant):
        return found.value.value
    if isinstance(found, ExternalName) and found.name in _NOT_FINITE:
        return _NOT_FINITE[found.name]
    return _held(evaluator, expr, use) if isinstance(expr, ast.expr) else values.UNKNOWN


def _held(evaluator: Evaluator, expr: ast.expr, use: Use) -> object:
    """A constant of the project bound to a call: `FOREVER = float("inf")`."""
    found = definitions(evaluator, expr, use)
    if len(found) == 1 and isinstance(found[0], Definition):
        binding = found[0].binding
        if isinstance(binding, Assignment) and isinstance(binding.value, ast.Call | ast.UnaryOp):
            return constant(evaluator, binding.value, found[0].use)
    return values.UNKNOWN


def _converted(evaluator: Evaluator, call: ast.Call, use: Use) -> object:
    func = evaluator.value(call.func, use)
    name = func.name if isinstance(func, ExternalName) else ""
    if name == "datetime.timedelta":
        return _time(evaluator, call, use)
    if name not in {"builtins.float", "builtins.int"} or len(call.args) != 1 or call.keywords:
        return values.UNKNOWN
    inner = constant(evaluator, call.args[0], use)
    try:
        if isinstance(inner, str | int | float):
            return float(inner) if name == "builtins.float" else int(inner)
    except (ValueError, OverflowError):
        return values.UNKNOWN
    return values.UNKNOWN


def _time(evaluator: Evaluator, call: ast.Call, use: Use) -> object:
    given: list[tuple[str, Any]] = [
        (each.keyword, constant(evaluator, each.value, each.use)) for each in plain_arguments(call, use)
    ]
    keywords: dict[str, Any] = {keyword: value for keyword, value in given if keyword}
    try:
        return timedelta(*(value for keyword, value in given if not keyword), **keywords)
    except (TypeError, OverflowError, ValueError):  # unknown, or it raises at run time too
        return values.UNKNOWN
