"""The options of `.on`: their names, their ranges, and what a source says of them."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.names import values
from upnext_codegen.names.arguments import given_to
from upnext_codegen.names.definitions import definitions
from upnext_codegen.names.lookup import Bound, Spot
from upnext_codegen.names.modules import Outside
from upnext_codegen.reading import facts
from upnext_codegen.records import Place

if TYPE_CHECKING:
    from upnext_codegen.findings import Finding
    from upnext_codegen.names.evaluate import Evaluator

KNOWN = ("name", "retries", "retry_delay", "retry_backoff", "timeout")
_RULES = {
    "retries": "a whole number, 0 or more",
    "retry_delay": "a finite number of seconds, 0 or more",
    "retry_backoff": "a finite number, 1 or more",
    "timeout": "a finite number of seconds above 0",
}
_NOT_FINITE = {"math.inf": math.inf, "math.nan": math.nan}


def read_options(
    evaluator: Evaluator, call: facts.Call | None, spot: Spot
) -> tuple[tuple[tuple[str, float], ...], list[Finding]]:
    """Read the options of a call of `.on`: those known statically, and what is wrong with them."""
    known: list[tuple[str, float]] = []
    findings: list[Finding] = []
    for arg in given_to(evaluator, call, spot) if call else ():
        place = Place(spot.file, arg.line, arg.column)
        if arg.keyword in {"", "*", "**", "name"}:
            continue
        if arg.keyword not in KNOWN:
            near = difflib.get_close_matches(arg.keyword, KNOWN, 1)
            findings.append(messages.unknown_option(place, arg.keyword, KNOWN, near[0] if near else None))
            continue
        value = _number(evaluator, arg.value, arg.spot)
        if isinstance(value, values.Nothing):
            continue
        if _fits(arg.keyword, value):
            assert isinstance(value, int | float)
            known.append((arg.keyword, value))
        else:
            typed = not isinstance(value, int if arg.keyword == "retries" else int | float)
            findings.append(messages.bad_option(place, arg.keyword, _shown(value), _RULES[arg.keyword], typed=typed))
    return tuple(known), findings


def _fits(option: str, value: object) -> bool:
    # The runtime refuses True as well, and what is too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        return False
    if option == "retries":
        return isinstance(value, int) and value >= 0
    if option == "retry_backoff":
        return value >= 1
    return value > 0 if option == "timeout" else value >= 0


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _shown(value: object) -> str:
    return messages.shown(value) if isinstance(value, str) else messages.shown(repr(value))[1:-1]


def _number(evaluator: Evaluator, expr: facts.Expr, spot: Spot) -> object:
    """What an option is: a constant, or `values.Nothing` where it cannot be known."""
    if isinstance(expr, facts.Negative):
        inner = _number(evaluator, expr.operand, spot)
        return -inner if isinstance(inner, int | float) else values.NOTHING
    if isinstance(expr, facts.Call):
        return _converted(evaluator, expr, spot)
    found = evaluator.value(expr, spot)
    if isinstance(found, values.Constant):
        return found.value
    if isinstance(found, values.Member) and isinstance(found.value, values.Constant):
        return found.value.value
    if isinstance(found, Outside) and found.name in _NOT_FINITE:
        return _NOT_FINITE[found.name]
    return _held(evaluator, expr, spot)


def _held(evaluator: Evaluator, expr: facts.Expr, spot: Spot) -> object:
    """A constant of the project that holds a call: `FOREVER = float("inf")`."""
    found = definitions(evaluator, expr, spot)
    if len(found) == 1 and isinstance(found[0], Bound):
        what = found[0].binding.what
        if isinstance(what, facts.Assigned) and isinstance(what.value, facts.Call | facts.Negative):
            return _number(evaluator, what.value, Spot(found[0].file, found[0].scope, found[0].binding.line))
    return values.NOTHING


def _converted(evaluator: Evaluator, call: facts.Call, spot: Spot) -> object:
    func = evaluator.value(call.func, spot)
    name = func.name if isinstance(func, Outside) else ""
    if name not in {"builtins.float", "builtins.int"} or len(call.args) != 1:
        return values.NOTHING
    inner = _number(evaluator, call.args[0].value, spot)
    try:
        if isinstance(inner, str | int | float):
            return float(inner) if name == "builtins.float" else int(inner)
    except (ValueError, OverflowError):
        return values.NOTHING
    return values.NOTHING
