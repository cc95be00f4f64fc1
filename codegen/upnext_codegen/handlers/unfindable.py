"""Why the runtime cannot find a handler again by its module and name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.names.evaluator import function_node

if TYPE_CHECKING:
    from upnext_codegen.names import values


def unfindable(target: values.FunctionRef) -> str:
    """Why the runtime cannot find a function by module and name, "" if it can."""
    scope = target.definition.scope
    if scope.kind == "function":
        return "it is defined inside a function"
    if scope.kind == "module":
        return ""
    names = {each.id for each in function_node(target).decorator_list if isinstance(each, ast.Name)}
    if "staticmethod" not in names:
        return "it is a method"
    return "" if scope.parent is not None and scope.parent.kind == "module" else "its class is not at module level"


def reason_of(expr: ast.expr) -> str:
    """Why the runtime cannot find something attached in place of a function."""
    match expr:
        case ast.Lambda():
            return "it is a lambda"
        case ast.Call(ast.Name("partial") | ast.Attribute(_, "partial")):
            return "it is a partial"
        case ast.Attribute():
            return "it is a method, or defined outside the project"
        case _:
            return "it is not a named function defined in this project"
