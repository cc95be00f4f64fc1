"""The calls inside an expression, each with the names that lambdas and comprehensions around it bind."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
_BINDING = frozenset({ast.Lambda, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp})
_LEAVES = frozenset({ast.Constant, ast.Name, ast.Load, ast.Store})


def calls_in(
    node: ast.expr, hidden: frozenset[str] = frozenset()
) -> Iterator[tuple[ast.Call | ast.NamedExpr, frozenset[str]]]:
    """Yield the calls and `:=` inside an expression, outer ones first."""
    stack: list[tuple[ast.AST, frozenset[str]]] = [(node, hidden)]
    while stack:
        current, names = stack.pop()
        kind = type(current)
        if kind is ast.Call or kind is ast.NamedExpr:
            yield cast("ast.Call | ast.NamedExpr", current), names
        elif kind in _BINDING:
            names |= _bound_by(current)
        # Tables of thousands of constants are common enough for `ast.iter_child_nodes` to take most of the time.
        for name in reversed(current._fields):
            child = getattr(current, name, None)
            if isinstance(child, list):
                children = cast("list[object]", child)
                stack += [
                    (each, names)
                    for each in reversed(children)
                    if isinstance(each, ast.AST) and type(each) not in _LEAVES
                ]
            elif isinstance(child, ast.AST) and type(child) not in _LEAVES:
                stack.append((child, names))


def _bound_by(node: ast.AST) -> frozenset[str]:
    if isinstance(node, ast.Lambda):
        args = node.args
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        return frozenset(arg.arg for arg in every if arg is not None)
    if isinstance(node, _Comprehension):
        targets = [part for each in node.generators for part in ast.walk(each.target)]
        return frozenset(part.id for part in targets if isinstance(part, ast.Name))
    return frozenset()
