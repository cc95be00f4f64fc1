"""Generator functions, which the runtime refuses: nothing would run them to their end."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.flow.calls import place_of_name
from upnext_codegen.handlers.wrapped import is_wrapped
from upnext_codegen.names.evaluator import function_node
from upnext_codegen.reading.tree import children

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.findings import Finding
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import FunctionNode
    from upnext_codegen.names.values import FunctionRef

_STILL_YIELDS = frozenset({"types.coroutine"})
"""Decorators outside upnext that leave a generator function one."""

_OTHER_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


def yielding(evaluator: Evaluator, function: FunctionRef, kind: str) -> Iterator[Finding]:
    """Report a handler or task that is a generator function (UPN110).

    One with a decorator of somebody else is left alone: that may have made a plain function of it.

    Args:
        evaluator: Knows the values of names.
        function: The function.
        kind: "handler" or "task".
    """
    if _yields(function_node(function)) and not is_wrapped(evaluator, function, _STILL_YIELDS):
        yield messages.refused_generator(place_of_name(function.definition), kind, function.definition.name)


def _yields(function: FunctionNode) -> bool:
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if isinstance(node, _OTHER_SCOPES):
            # Its body runs separately, but its header belongs to the function around it.
            waiting += _head(node)
        else:
            waiting += children(node)
    return False


def _head(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef) -> list[ast.AST]:
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords]
    defaults: list[ast.AST] = [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
    return defaults if isinstance(node, ast.Lambda) else [*node.decorator_list, *defaults]
