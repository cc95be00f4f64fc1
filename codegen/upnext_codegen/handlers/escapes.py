"""What attaches handlers out of sight: `.on` of an event, or the event, that is given to a call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.evaluator import Argument, plain_arguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import ParameterDefinition, Scope, Use, inner_scopes_and_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.names.evaluator import Evaluator

_NAMES = """
    bool callable delattr dict dir frozenset getattr hasattr hash help id isinstance issubclass len list print repr set
    setattr staticmethod str tuple type vars
"""
_INSPECTING = frozenset(f"builtins.{name}" for name in _NAMES.split())
"""Functions of Python that attach nothing, or give on what they are given in a way that is followed."""
_INSPECTING_MODULES = frozenset({"copy", "inspect", "logging", "pprint", "sys", "types", "weakref"})
_LOGGING = frozenset({"critical", "debug", "error", "exception", "format", "info", "log", "warning"})
_FOLLOWED_NAMES = """
    assert_type cast field iscoroutinefunction member nonmember partial reveal_type update_wrapper wraps
"""
_FOLLOWED = frozenset(_FOLLOWED_NAMES.split())
_OURS = values.Method | values.Attachment | values.Ambiguous
_DEEPEST = 5


def escaping(
    evaluator: Evaluator, func: values.Value, call: ast.Call, use: Use
) -> Iterator[tuple[values.EventValue, Argument]]:
    """Yield the events whose `.on` a call is given, each with the argument that it is."""
    if isinstance(func, _OURS) or _only_inspects(call.func, func):
        return
    for given in plain_arguments(call, use):
        for each in _flat(given.value) if evaluator.may_be_ours(use.scope, given.value) else ():
            event = evaluator.attached_by(evaluator.value(each, use))
            if event is not None:
                yield event, given


def attached_inside(evaluator: Evaluator, func: values.Value, call: ast.Call, use: Use) -> Iterator[values.EventValue]:
    """Yield the events that a function of the project is given as a parameter and attaches handlers to."""
    if not isinstance(func, values.FunctionRef):
        return
    for given in plain_arguments(call, use):
        if not evaluator.may_be_ours(use.scope, given.value):
            continue
        found = evaluator.value(given.value, use)
        event = found.event if isinstance(found, values.HandlerValue) else found
        if isinstance(event, values.EventValue) and _attaches(evaluator, func, 0):
            yield event


def _attaches(evaluator: Evaluator, function: values.FunctionRef, depth: int) -> bool:
    """Whether a function calls `.on` of a parameter that has no type, or gives one to a function that does."""
    body = evaluator.body_of(function)
    if body.module.imports_upnext:
        return False  # It is told of where it stands.
    for each in body.expressions:
        for call, _ in inner_scopes_and_calls(each.node, body):
            if not isinstance(call, ast.Call):
                continue
            if isinstance(call.func, ast.Attribute) and call.func.attr == "on" and _is_parameter(call.func.value, body):
                return True
            if depth < _DEEPEST and any(_is_parameter(given, body) for given in call.args):
                found = evaluator.value(call.func, Use(body, call.lineno, each.branches))
                if isinstance(found, values.FunctionRef) and _attaches(evaluator, found, depth + 1):
                    return True
    decorators = [one for each in body.functions for one in getattr(each.binding, "node").decorator_list]  # noqa: B009
    targets = [each.func if isinstance(each, ast.Call) else each for each in decorators]
    return any(isinstance(each, ast.Attribute) and _is_parameter(each.value, body) for each in targets)


def _is_parameter(expr: ast.expr, body: Scope) -> bool:
    found = body.definitions.get(expr.id, ()) if isinstance(expr, ast.Name) else ()
    return any(isinstance(each.binding, ParameterDefinition) for each in found)


def _flat(expr: ast.expr) -> Iterator[ast.expr]:
    match expr:
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            yield from items
        case ast.Dict(_, items):
            yield from items
        case ast.Starred(inner):
            yield from _flat(inner)
        case _:
            yield expr


def _only_inspects(func: ast.expr, value: values.Value) -> bool:
    """Whether a call attaches nothing: a logger's or a text's method, or a function that is followed."""
    if isinstance(func, ast.Attribute) and func.attr in _LOGGING:
        return True
    if not isinstance(value, ExternalName):
        return False
    module, _, name = value.name.rpartition(".")
    return value.name in _INSPECTING or module in _INSPECTING_MODULES or name in _FOLLOWED
