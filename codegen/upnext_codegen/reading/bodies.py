"""Which function bodies can hand on something of ours without a word of it: most never do, and are not read."""

from __future__ import annotations

import ast
from typing import cast

_Def = ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_OTHERS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def hands_on(node: _Def, *, is_method: bool) -> bool:
    """Whether a function returns what goes by a name, or keeps it as an attribute of its object."""
    first = [*node.args.posonlyargs, *node.args.args][:1]
    own = first[0].arg if is_method and first else ""
    stack: list[ast.AST] = [*node.body]
    while stack:
        current = stack.pop()
        if isinstance(current, ast.Return | ast.Assign | ast.AnnAssign):
            if is_handed(current.value) and (isinstance(current, ast.Return) or _keeps(own, current)):
                return True
        elif not isinstance(current, _OTHERS):
            for block in _BLOCKS:
                stack += cast("list[ast.AST]", getattr(current, block, ()))
    return False


def is_handed(value: ast.expr | None) -> bool:
    """Whether a value is what goes by a name, or what a function of some name returns."""
    match value:
        case ast.Name() | ast.Attribute() | ast.Call(func=ast.Name()):
            return True
        case ast.IfExp(body=one, orelse=other):
            return is_handed(one) or is_handed(other)
        case ast.BoolOp(values=values):
            return any(is_handed(each) for each in values)
        case ast.Await(value=inner) | ast.NamedExpr(value=inner):
            return is_handed(inner)
        case _:
            return False


def _keeps(own: str, node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    owners = [each.value for each in targets if isinstance(each, ast.Attribute)]
    return bool(own) and any(isinstance(each, ast.Name) and each.id == own for each in owners)
