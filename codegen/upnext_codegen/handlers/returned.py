"""What decorators of the project certainly return: the class that they decorate, or one function of their own."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.reading.tree import children, walk

if TYPE_CHECKING:
    from upnext_codegen.names.scopes import FunctionNode

_KEEPING = frozenset(
    {"append", "add", "insert", "print", "isinstance", "issubclass", "len", "repr", "setdefault", "str"}
)
"""What a class can be given to without being changed by it."""


def gives_back(node: FunctionNode, *, is_made: bool) -> bool:
    """Return whether a decorator certainly returns the class unchanged, without affecting how it travels.

    Args:
        node: The decorator.
        is_made: Whether it is called to make the decorator, which is then a function in it that it returns.
    """
    if is_made:
        inner = returned_function(node)
        return inner is not None and gives_back(inner, is_made=False)
    parameters = [*node.args.posonlyargs, *node.args.args]
    if not parameters:
        return False
    name = parameters[0].arg
    returns = _returns(node)
    plain = returns and all(isinstance(each, ast.Name) and each.id == name for each in returns)
    return bool(plain) and all(_leaves_alone(each, name) for each in node.body)


def returned_function(node: FunctionNode) -> FunctionNode | None:
    """The inner function that a function certainly returns unchanged; None for any other."""
    defined = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    returns = _returns(node)
    names = {each.id if isinstance(each, ast.Name) else "" for each in returns}
    inner = defined.get(names.pop()) if len(names) == 1 else None
    if inner is None or inner.decorator_list:
        return None
    used = [each for each in walk(node) if isinstance(each, ast.Name) and each.id == inner.name]
    return inner if len(used) == len(returns) else None


def _returns(node: FunctionNode) -> list[ast.expr | None]:
    """The return values of a function."""
    found: list[ast.expr | None] = []
    waiting: list[ast.AST] = [*node.body]
    while waiting:
        current = waiting.pop()
        if isinstance(current, ast.Return):
            found.append(current.value)
        if not isinstance(current, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += children(current)
    return found


def _leaves_alone(node: ast.AST, name: str) -> bool:
    """Whether code uses a class only in ways that do not change it."""
    match node:
        case ast.Name(found):
            return found != name
        case ast.Return(ast.Name()):
            return True
        case ast.Attribute(ast.Name(), attr, ast.Load()):
            return not attr.startswith("__get_pydantic")
        case ast.Assign([ast.Attribute(ast.Name(), attr)], value):
            return not attr.startswith("__") and (isinstance(value, ast.Name) or _leaves_alone(value, name))
        case ast.Assign([ast.Subscript(ast.Name(), key)], ast.Name()):
            return _leaves_alone(key, name)
        case ast.Call(ast.Name(called) | ast.Attribute(_, called), given, []) if called in _KEEPING:
            inner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
            return all(isinstance(each, ast.Name) or _leaves_alone(each, name) for each in (*inner, *given))
        case _:
            return all(_leaves_alone(each, name) for each in children(node))
