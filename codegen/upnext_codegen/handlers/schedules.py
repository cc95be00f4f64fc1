"""The schedule passed to `worker.cron`, and what the runtime would refuse about it at import."""

from __future__ import annotations

import ast
import builtins
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from upnext_codegen.handlers import option_messages
from upnext_codegen.handlers.declare import place_of
from upnext_codegen.handlers.option_values import constant, shown
from upnext_codegen.names import values
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.reading.expression_text import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.findings import Finding
    from upnext_codegen.names.evaluator import Argument, Evaluator
    from upnext_codegen.names.scopes import Use

OPTIONS = ("tz", "every", "catch_up")
"""What `.cron` takes beside what all tasks take."""

# The same as at run time, in upnext/schedule.py; a test compares the two.
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=366)
_FIELDS = "five fields, minute hour day month weekday, such as '0 3 * * *'"


def check_schedule(evaluator: Evaluator, call: ast.Call, use: Use) -> Iterator[Finding]:
    """Report faults in the arguments of `.cron` that say when a task runs, as far as they are known."""
    arguments = [each for each in evaluator.arguments(call, use) if not _is_left_out(evaluator, each)]
    given = {each.keyword: each for each in reversed(arguments)}
    expression, every = given.get(""), given.get("every")
    if not {"*", "**"} & given.keys() and (expression is None) is (every is None):
        yield option_messages.no_schedule(place_of(use, call), both=every is not None)
        return
    if expression is not None:
        yield from _expression(evaluator, expression)
    for each in arguments:
        value = constant(evaluator, each.value, each.use)
        if isinstance(value, values.Unknown) and each.keyword != "tz":
            continue
        place = place_of(each.use, each.node)
        match each.keyword:
            case "every" if not _is_interval(value):
                rule = "a timedelta of whole milliseconds, from a second to a year"
                typed = not isinstance(value, timedelta)
                yield option_messages.unusable_option(place, "every", shown(value), rule, typed=typed)
            case "catch_up" if not isinstance(value, bool):
                yield option_messages.unusable_option(place, "catch_up", shown(value), "True or False", typed=True)
            case "tz" if every is not None:
                text = text_of(each.value) if isinstance(value, values.Unknown) else shown(value)
                rule = "left out with every=, whose ticks follow no local time"
                yield option_messages.unusable_option(place, "tz", text, rule, typed=True)
            case "tz" if (name := _unknown_zone(evaluator, each, value)) is not None:
                rule = "a time zone that this machine knows, such as 'Europe/Berlin'"
                yield option_messages.unusable_option(place, "tz", shown(name), rule, typed=not isinstance(name, str))
            case _:
                pass


def _expression(evaluator: Evaluator, given: Argument) -> Iterator[Finding]:
    value = constant(evaluator, given.value, given.use)
    place = place_of(given.use, given.node)
    if _is_function(evaluator.value(given.value, given.use)):
        yield option_messages.bad_cron(place, text_of(given.value), "it is a function", _FIELDS, typed=True)
    elif isinstance(value, str):
        reason = _why_not(value)
        if reason:
            yield option_messages.bad_cron(place, shown(value), reason, _FIELDS)
    elif not isinstance(value, values.Unknown):
        yield option_messages.bad_cron(place, shown(value), "it is not text", _FIELDS, typed=True)


def _is_left_out(evaluator: Evaluator, given: Argument) -> bool:
    """Whether an argument is None, which counts as omitted at run time."""
    return given.keyword != "catch_up" and constant(evaluator, given.value, given.use) is None


def _is_function(value: values.Value) -> bool:
    match value:
        case values.FunctionRef() | values.LambdaRef():
            return True
        case ExternalName(name):
            return callable(getattr(builtins, name.removeprefix("builtins."), None))
        case _:
            return False


def _why_not(expression: str) -> str:
    """The fault of a cron expression, "" if there is none, or if cronsim is not installed."""
    try:
        from cronsim import CronSim  # noqa: PLC0415  # few projects have schedules
    except ImportError:
        return ""
    now = datetime.now(UTC)
    try:
        ticks: Any = CronSim(expression, now)
    except Exception as error:  # noqa: BLE001  # the parser has errors of its own, and a few that it did not mean
        return (str(error) or type(error).__name__).rstrip(".")
    return "" if next(ticks, None) is not None else "no moment ever fits it"


def _is_interval(value: object) -> bool:
    return isinstance(value, timedelta) and _SHORTEST <= value <= _LONGEST and not value.microseconds % 1000


def _unknown_zone(evaluator: Evaluator, given: Argument, value: object) -> object | None:
    """The unknown time zone in the arguments, None if it may be valid."""
    match given.value:
        case ast.Call(func, [key], []) if evaluator.value(func, given.use) == ExternalName("zoneinfo.ZoneInfo"):
            value = constant(evaluator, key, given.use)
        case _:
            pass
    if isinstance(value, values.Unknown) or (isinstance(value, str) and _is_zone(value)):
        return None
    return value


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo("UTC")
    except (LookupError, OSError):
        return True  # this machine has no time zones, so nothing can be checked
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return False
    return True
