"""Functions with a decorator other than upnext's, which may not call them or may use their arguments."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.evaluator import function_node
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Use

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Evaluator

_UPNEXT_VALUES = values.Method | values.Attachment | values.TaskDecorator


def is_wrapped(evaluator: Evaluator, function: values.FunctionRef, harmless: frozenset[str] = frozenset()) -> bool:
    """Whether a function has a decorator other than upnext's and `staticmethod`.

    Args:
        evaluator: Knows the values of names.
        function: The function.
        harmless: Full names of further decorators that do not count.
    """
    return not all(_is_plain(evaluator, function, each, harmless) for each in function_node(function).decorator_list)


def own_decorators(evaluator: Evaluator, function: values.FunctionRef) -> list[ast.expr]:
    """The decorators that upnext sees the function through, the outermost first: those below upnext's own."""
    every = function_node(function).decorator_list
    plain = [_is_plain(evaluator, function, each) and not _is_static(each) for each in every]
    below = len(plain) - plain[::-1].index(True) if True in plain else 0
    return [each for each in every[below:] if not _is_static(each)]


def _is_plain(
    evaluator: Evaluator, function: values.FunctionRef, decorator: ast.expr, harmless: frozenset[str] = frozenset()
) -> bool:
    if _is_static(decorator):
        return True
    definition = function.definition
    use = Use(definition.scope, decorator.lineno, definition.branches)
    if harmless and isinstance(found := evaluator.value(decorator, use), ExternalName) and found.name in harmless:
        return True
    # A name that cannot come from upnext is not followed into other files.
    if not evaluator.may_be_upnext(definition.scope, decorator):
        return False
    return isinstance(evaluator.value(decorator, use), _UPNEXT_VALUES)


def _is_static(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "staticmethod"
