"""The options of `upnext.Worker(...)` that the runtime would refuse when the module is imported."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from upnext_codegen.handlers import option_messages
from upnext_codegen.handlers.option_values import constant, shown
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import class_node
from upnext_codegen.records import Place

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from upnext_codegen.findings import Finding
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Use

# The same as at run time, in upnext/worker.py, upnext/settings.py and upnext/limits.py; a test compares them.
_MOST_AT_ONCE, _MOST_PARTITIONS = 10_000, 64
_SHORTEST_LEASE, _LONGEST_LEASE, _LONGEST_GRACE = 0.5, 86_400, 604_800
_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_RULES = {
    "concurrency": f"a whole number from 1 to {_MOST_AT_ONCE}",
    "partitions": f"a whole number from 1 to {_MOST_PARTITIONS}, or None",
    "lease": f"a number of seconds from {_SHORTEST_LEASE:g} to {_LONGEST_LEASE:,}, or None",
    "grace": f"a number of seconds from 0 to {_LONGEST_GRACE:,}, or None",
    "redis_url": "an address such as redis://host:6379/0, rediss://... or unix:///path, or None",
}


def check_worker_options(evaluator: Evaluator, cls: values.Value, call: ast.Call, use: Use) -> Iterator[Finding]:
    """Report unknown or out-of-range options of a worker, unless a class of the project takes them."""
    if _has_own_options(evaluator, cls):
        return
    for each in evaluator.arguments(call, use):
        place = Place(use.file, *use.scope.module.place(each.node))
        if each.keyword in {"", "*", "**", "name"}:
            continue
        if each.keyword not in _RULES:
            near = difflib.get_close_matches(each.keyword, _RULES, 1)
            known = ("name", *_RULES)
            yield option_messages.unknown_option(place, each.keyword, "Worker", known, near[0] if near else None)
            continue
        value = constant(evaluator, each.value, each.use)
        if isinstance(value, values.Unknown) or _fits(each.keyword, value):
            continue
        # An address may hold a password.
        text = '"..."' if each.keyword == "redis_url" and isinstance(value, str) else shown(value)
        typed = not isinstance(value, str if each.keyword == "redis_url" else int | float)
        say = option_messages.unusable_option if each.keyword == "redis_url" else option_messages.bad_option
        yield say(place, each.keyword, text, _RULES[each.keyword], typed=typed)


def _has_own_options(evaluator: Evaluator, cls: values.Value) -> bool:
    """Whether a class of the project defines its own options."""
    own = [each for each in evaluator.ancestors(cls) if isinstance(each, values.ClassRef)]
    made_by = {function.name for each in own for function in evaluator.body_of(each).functions}
    return bool(made_by & {"__init__", "__new__"}) or any(class_node(each).keywords for each in own)


def _fits(option: str, value: object) -> bool:
    if value is None:
        return option != "concurrency"
    if option == "redis_url":
        return isinstance(value, str) and value.partition(":")[0].lower() in _SCHEMES
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    match option:
        case "concurrency":
            return isinstance(value, int) and 1 <= value <= _MOST_AT_ONCE
        case "partitions":
            return isinstance(value, int) and 1 <= value <= _MOST_PARTITIONS
        case "lease":
            return _SHORTEST_LEASE <= value <= _LONGEST_LEASE
        case _:
            return 0 <= value <= _LONGEST_GRACE
