"""Turns expressions back into text, roughly as the user wrote them, for messages."""

from __future__ import annotations

import ast

from upnext_codegen.limits import MAX_SHOWN_EXPRESSION_DEPTH

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.BitOr: "|",
    ast.Mod: "%",
}


def text_of(expr: ast.expr, depth: int = 0) -> str:
    """Write an expression on one line; long or uninformative parts become `...`."""
    if depth > MAX_SHOWN_EXPRESSION_DEPTH:
        return "..."
    deeper = depth + 1
    match expr:
        case ast.Name(name):
            return name
        case ast.Attribute(value, attr):
            return f"{text_of(value, deeper)}.{attr}"
        case ast.Constant(value) if value is not Ellipsis and not isinstance(value, complex):
            return repr(value)
        case ast.Subscript(value, index):
            inner = _listed(index.elts, deeper) if isinstance(index, ast.Tuple) else text_of(index, deeper)
            return f"{text_of(value, deeper)}[{inner}]"
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            return f"{text_of(left, deeper)} {_OPERATORS[type(operator)]} {text_of(right, deeper)}"
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            return f"[{_listed(items, deeper)}]"
        case ast.Call(func):
            return f"{text_of(func, deeper)}(...)"
        case ast.Starred(value):
            return f"*{text_of(value, deeper)}"
        case _:
            return "..."


def _listed(items: list[ast.expr], depth: int) -> str:
    return ", ".join(text_of(each, depth) for each in items)
