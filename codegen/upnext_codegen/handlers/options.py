"""The options of `.on`: their names, their ranges, and their values in the sources."""

from __future__ import annotations

import ast
import builtins
import difflib
import math
import re
from typing import TYPE_CHECKING

from upnext_codegen.handlers import option_messages
from upnext_codegen.handlers.declare import place_of
from upnext_codegen.handlers.option_values import constant, shown
from upnext_codegen.names import values
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.reading.expression_text import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from upnext_codegen.findings import Finding
    from upnext_codegen.names.evaluator import Argument, Evaluator
    from upnext_codegen.names.scopes import Derived, Use
    from upnext_codegen.records import Place

_NUMBERS = ("retries", "retry_delay", "retry_backoff", "timeout")
_EXCEPTIONS = ("retry_on", "give_up_on")
_LIMITS = ("limit", "rate", "by")
_UNIQUE = "unique"
KNOWN = ("name", *_NUMBERS, *_EXCEPTIONS, *_LIMITS, _UNIQUE)
# The same as at run time, in upnext/broker/handler_limits.py.
_MOST = 10_000
_RATE = re.compile(r"([1-9][0-9]{0,6})/(second|minute|hour|day)")
_BUILTINS = "builtins."
_RULES = {
    "retries": "a whole number, 0 or more",
    "retry_delay": "a finite number of seconds, 0 or more",
    "retry_backoff": "a finite number, 1 or more",
    "timeout": "a finite number of seconds above 0",
    "limit": f"a whole number from 1 to {_MOST}, or None",
    "rate": f'a whole number from 1 to {_MOST} and a time, such as "100/minute"',
    "by": "the name of a field, or None",
    "unique": "True, the name of a field, a tuple of names, or False",
}


def read_options(
    evaluator: Evaluator, call: ast.Call, use: Use, function: str = ".on", more: tuple[str, ...] = ()
) -> tuple[tuple[tuple[str, float], ...], list[Finding]]:
    """Read the options of a handler or task: those known statically, and their faults.

    Args:
        evaluator: Knows the values of names.
        call: The call that they are given in.
        use: Where it stands.
        function: What is called, for messages.
        more: Options that it has beside those that all have; they are not read.
    """
    known: list[tuple[str, float]] = []
    findings: list[Finding] = []
    for each in evaluator.arguments(call, use):
        place = place_of(use, each.node)
        if each.keyword in {"", "*", "**", "name", *more}:
            continue
        if each.keyword not in KNOWN:
            is_number = isinstance(constant(evaluator, each.value, each.use), int | float)
            near = difflib.get_close_matches(each.keyword, _NUMBERS if is_number else KNOWN, 1)
            findings.append(
                option_messages.unknown_option(
                    place, each.keyword, function, (*KNOWN, *more), near[0] if near else None
                )
            )
            continue
        if each.keyword in _EXCEPTIONS or each.keyword == _UNIQUE:
            findings += _check_shape(evaluator, each, place)
            continue
        value = constant(evaluator, each.value, each.use)
        if isinstance(value, values.Unknown):
            continue
        if each.keyword in _LIMITS:
            if not _limits(each.keyword, value):
                typed = not isinstance(value, int if each.keyword == "limit" else str)
                rule = _RULES[each.keyword]
                findings.append(option_messages.bad_option(place, each.keyword, shown(value), rule, typed=typed))
            continue
        if _fits(each.keyword, value):
            assert isinstance(value, int | float)
            known.append((each.keyword, value))
        else:
            typed = not isinstance(value, int if each.keyword == "retries" else int | float)
            findings.append(
                option_messages.bad_option(place, each.keyword, shown(value), _RULES[each.keyword], typed=typed)
            )
    return tuple(known), findings


def _check_shape(evaluator: Evaluator, given: Argument, place: Place) -> list[Finding]:
    """Return the fault of an option that may be a tuple."""
    if given.keyword == _UNIQUE:
        shown, names = _unique(evaluator, given.value, given.use)
        return [option_messages.bad_option(place, _UNIQUE, shown, _RULES[_UNIQUE], typed=True)] if names is None else []
    shown = _no_exceptions(evaluator, given.value, given.use)
    return [option_messages.no_exceptions(place, given.keyword, shown)] if shown else []


def check_named_fields(
    evaluator: Evaluator, call: ast.Call, use: Use, handler: str, fields: Sequence[str]
) -> list[Finding]:
    """Return the faults of options that name fields: an unknown field, or no limit for it."""
    given = {each.keyword: each for each in evaluator.arguments(call, use)}
    findings = _check_by(evaluator, given, use, handler, fields)
    if _UNIQUE in given:
        place = place_of(use, given[_UNIQUE].node)
        _, names = _unique(evaluator, given[_UNIQUE].value, given[_UNIQUE].use)
        findings += [
            _no_field(place, _UNIQUE, name, handler, fields)
            for name in dict.fromkeys(names or ())
            if name not in fields
        ]
    return findings


def _no_field(place: Place, option: str, name: str, handler: str, fields: Sequence[str]) -> Finding:
    near = difflib.get_close_matches(name, fields, 1)
    return option_messages.no_named_field(place, f"{option}={shown(name)}", handler, fields, near[0] if near else None)


def _check_by(
    evaluator: Evaluator, given: Mapping[str, Argument], use: Use, handler: str, fields: Sequence[str]
) -> list[Finding]:
    by = constant(evaluator, given["by"].value, given["by"].use) if "by" in given else None
    if not isinstance(by, str) or not by.isidentifier():
        return []  # none, or reported as out of range
    place = place_of(use, given["by"].node)
    if by not in fields:
        return [_no_field(place, "by", by, handler, fields)]
    limits = [constant(evaluator, given[name].value, given[name].use) for name in ("limit", "rate") if name in given]
    if "**" not in given and all(limit is None for limit in limits):
        return [option_messages.bad_option(place, "by", shown(by), "given with a limit or a rate", typed=False)]
    return []


def _no_exceptions(evaluator: Evaluator, expr: Derived, use: Use) -> str:
    """A value in place of exception classes, "" if it may be valid: None, or unknown."""
    found = evaluator.value(expr, use)
    if isinstance(found, values.ContainerValue):
        if not isinstance(found.node, ast.Tuple):
            return text_of(found.node)
        return next((text for item in found.node.elts if (text := _no_class(evaluator, item, found.use))), "")
    return "" if found == values.Constant(None) else _no_class(evaluator, expr, use)


def _no_class(evaluator: Evaluator, expr: Derived, use: Use) -> str:
    match evaluator.value(expr, use):
        case values.Constant(value):
            return shown(value)
        case values.ContainerValue(node) | values.LambdaRef(node):
            return text_of(node)
        case ExternalName(name) if _builtin_class(name, exceptions=False):
            return name.removeprefix(_BUILTINS)
        case _:
            return text_of(expr) if isinstance(expr, ast.Call) and _is_exception(evaluator, expr, use) else ""


def _is_exception(evaluator: Evaluator, call: ast.Call, use: Use) -> bool:
    """Whether a call creates an exception object instead of a class."""
    made_of = evaluator.value(call.func, use)
    return isinstance(made_of, ExternalName) and _builtin_class(made_of.name, exceptions=True)


def _builtin_class(name: str, *, exceptions: bool) -> bool:
    """Whether a full name is that of a built-in exception class, or of another built-in class."""
    found = getattr(builtins, name.removeprefix(_BUILTINS), None) if name.startswith(_BUILTINS) else None
    return isinstance(found, type) and issubclass(found, BaseException) == exceptions


def _unique(evaluator: Evaluator, expr: Derived, use: Use) -> tuple[str, tuple[str, ...] | None]:
    """The text of `unique`, and the fields it names, as far as they are known; None if it is invalid."""
    found = evaluator.value(expr, use)
    if isinstance(found, values.ContainerValue):
        if not isinstance(found.node, ast.Tuple):
            return text_of(found.node), None
        items = [constant(evaluator, item, found.use) for item in found.node.elts]
        known = [item for item in items if not isinstance(item, values.Unknown)]
        is_usable = bool(items) and all(map(_is_field_name, known))
        return f"({', '.join(map(text_of, found.node.elts))})", tuple(map(str, known)) if is_usable else None
    value = constant(evaluator, expr, use)
    if isinstance(value, bool | values.Unknown):
        return "", ()
    return shown(value), (str(value),) if _is_field_name(value) else None


def _is_field_name(value: object) -> bool:
    return isinstance(value, str) and value.isidentifier()


def _limits(option: str, value: object) -> bool:
    """Whether the runtime accepts a limit."""
    if value is None:
        return True
    if option == "by":
        return _is_field_name(value)
    if option == "limit":
        return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    return found is not None and int(found[1]) <= _MOST


def _fits(option: str, value: object) -> bool:
    # The runtime also refuses True, and values too large for a float.
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
