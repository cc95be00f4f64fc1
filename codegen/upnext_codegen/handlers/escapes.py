"""Calls that may attach handlers out of sight: they are given an event, or its `.on`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.handlers.shapes import attaches_in_text
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import Argument, argument, plain_arguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.upnext_classes import is_event_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Use

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
_RUNNING = frozenset({"builtins.compile", "builtins.eval", "builtins.exec"})
"""Functions that run what a text says."""
_UPNEXT_VALUES = values.Method | values.Attachment | values.Ambiguous


def escaping(
    evaluator: Evaluator, func: values.Value, call: ast.Call, use: Use
) -> Iterator[tuple[values.EventValue, Argument]]:
    """Yield the events whose `.on` a call receives, each with the argument."""
    if isinstance(func, _UPNEXT_VALUES) or only_inspects(call.func, func):
        return
    for given in plain_arguments(call, use):
        for each in _flat(given.value) if evaluator.may_be_upnext(use.scope, given.value) else ():
            event = evaluator.attached_by(evaluator.value(each, use))
            if event is not None:
                yield event, given


def attaches_unseen(evaluator: Evaluator, func: values.Value, call: ast.Call, use: Use) -> bool:
    """Whether a call attaches by a text, or by the method of the class: `exec("e.on(f)")`, `upnext.Event.on(e, f)`."""
    if isinstance(func, ExternalName) and func.name in _RUNNING:
        return attaches_in_text(call, evaluator.text(argument(call, use, "source")))
    if isinstance(func, ExternalName) and func.name.endswith(".on"):
        return is_event_class(evaluator, ExternalName(func.name.removesuffix(".on")))
    match call.func:
        case ast.Call(getter, [ast.Constant("on"), _]):
            return evaluator.value(getter, use) == ExternalName("operator.methodcaller")
        case _:
            return bool(call.args) and takes_on(evaluator, call.func, use)


def takes_on(evaluator: Evaluator, expr: ast.expr, use: Use) -> bool:
    """Whether an expression may be `.on` of an event in disguise: `type(e).on`, `e.__getattribute__("on")`."""
    match expr:
        case ast.Attribute(ast.Call(ast.Name("type"), [owner]) | ast.Attribute(owner, "__class__"), "on"):
            return _is_event(evaluator, owner, use)
        case ast.Call(ast.Attribute(owner, "__getattribute__"), [name]):
            return evaluator.text(Argument("", name, use, name)) in {None, "on"} and _is_event(evaluator, owner, use)
        case ast.Call(ast.Name("getattr"), [owner, name]):  # which is followed where the name is known
            return evaluator.text(Argument("", name, use, name)) is None and _is_event(evaluator, owner, use)
        case _:
            return False


def _is_event(evaluator: Evaluator, expr: ast.expr, use: Use) -> bool:
    if not evaluator.may_be_upnext(use.scope, expr):
        return False
    return isinstance(evaluator.value(expr, use), values.EventValue | values.HandlerValue)


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


def only_inspects(func: ast.expr, value: values.Value) -> bool:
    """Whether a call attaches nothing: a logger's or a text's method, or a function that is followed."""
    if isinstance(func, ast.Attribute) and func.attr in _LOGGING:
        return True
    if not isinstance(value, ExternalName):
        return False
    module, _, name = value.name.rpartition(".")
    return value.name in _INSPECTING or module in _INSPECTING_MODULES or name in _FOLLOWED
