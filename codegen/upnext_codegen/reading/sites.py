"""The calls inside an expression, each with the names that lambdas and comprehensions around it bind."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


def calls_in(
    node: ast.expr, hidden: frozenset[str] = frozenset()
) -> Iterator[tuple[ast.Call | ast.NamedExpr, frozenset[str]]]:
    """Yield the calls and `:=` inside an expression, outer ones first."""
    stack: list[tuple[ast.AST, frozenset[str]]] = [(node, hidden)]
    while stack:
        current, names = stack.pop()
        if isinstance(current, ast.Call | ast.NamedExpr):
            yield current, names
        names = names | _bound_by(current)
        stack += [(child, names) for child in reversed(list(ast.iter_child_nodes(current)))]


def _bound_by(node: ast.AST) -> frozenset[str]:
    if isinstance(node, ast.Lambda):
        args = node.args
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        return frozenset(arg.arg for arg in every if arg is not None)
    if isinstance(node, _Comprehension):
        targets = [part for each in node.generators for part in ast.walk(each.target)]
        return frozenset(part.id for part in targets if isinstance(part, ast.Name))
    return frozenset()
