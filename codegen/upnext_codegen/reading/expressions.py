"""Expressions of `ast` to those of `facts`: what the scanner can follow, and `Unknown` for the rest."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from upnext_codegen.reading import facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from upnext_codegen.files.source import Text

_DEEPEST = 60
_LONGEST = 20_000
_UNKNOWN = facts.Unknown()
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.BitOr: "|",
    ast.Mod: "%",
}


@dataclass(slots=True)
class Encoder:
    """Encodes the expressions of one file.

    Attributes:
        text: The file.
        hidden: Names that a lambda or comprehension around the expression binds, and what they stand for there.
        depth: How deep in an expression this is.
        most: How many items of a display it takes in.
    """

    text: Text
    hidden: dict[str, facts.Expr] = field(default_factory=dict[str, facts.Expr])
    depth: int = 0
    most: int = 200

    def encode(self, node: ast.expr | None) -> facts.Expr:
        """Encode an expression."""
        if node is None:
            return _UNKNOWN
        kind = type(node)
        rule = _RULES.get(kind)
        if rule is None:
            return _UNKNOWN
        # Two of three expressions have none inside them.
        if kind is ast.Name or kind is ast.Constant:
            return rule(self, node)
        if self.depth > _DEEPEST:
            return _UNKNOWN
        self.depth += 1
        try:
            return rule(self, node)
        finally:
            self.depth -= 1

    def call(self, node: ast.Call) -> facts.Call:
        """Encode a call."""
        positional = [self._argument("*" if isinstance(arg, ast.Starred) else "", arg) for arg in node.args]
        named = [self._argument(each.arg or "**", each.value) for each in node.keywords]
        column = self.text.column(node.lineno, node.col_offset)
        return facts.Call(self.encode(node.func), (*positional, *named), node.lineno, column)

    def _argument(self, keyword: str, node: ast.expr) -> facts.Argument:
        column = self.text.column(node.lineno, node.col_offset)
        return facts.Argument(keyword, self.encode(node), node.lineno, column)

    def many(self, nodes: list[ast.expr]) -> tuple[facts.Expr, ...]:
        """Encode several expressions."""
        return tuple(self.encode(node) for node in nodes)


def _name(encoder: Encoder, node: ast.Name) -> facts.Expr:
    return encoder.hidden.get(node.id, facts.Name(node.id))


def _attribute(encoder: Encoder, node: ast.Attribute) -> facts.Expr:
    return facts.Attr(encoder.encode(node.value), node.attr)


def _constant(_: Encoder, node: ast.Constant) -> facts.Expr:
    value = node.value
    if isinstance(value, str):
        return facts.Const(value[:_LONGEST])
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
        return _UNKNOWN
    if value is None or isinstance(value, (bool, int, float)):
        return facts.Const(value)
    if isinstance(value, bytes):
        return facts.Bytes(value[:_LONGEST].decode("latin-1"))
    return facts.Dots() if value is Ellipsis else _UNKNOWN


def _joined(encoder: Encoder, node: ast.JoinedStr) -> facts.Expr:
    return facts.Joined(encoder.many(node.values))


def _formatted(encoder: Encoder, node: ast.FormattedValue) -> facts.Expr:
    if node.conversion not in {-1, ord("s")} or node.format_spec is not None:
        return _UNKNOWN
    return facts.Formatted(encoder.encode(node.value))


def _binary(encoder: Encoder, node: ast.BinOp) -> facts.Expr:
    operator = _OPERATORS.get(type(node.op))
    if operator is None:
        return _UNKNOWN
    if operator == "|":
        return _either(encoder.many(_alternatives(node)))
    return facts.Binary(operator, encoder.encode(node.left), encoder.encode(node.right))


def _alternatives(node: ast.expr) -> list[ast.expr]:
    found: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        found.append(node.right)
        node = node.left
    return [node, *reversed(found)]


def _either(sides: tuple[facts.Expr, ...]) -> facts.Expr:
    """Nest the sides of `a | b | c` as little as possible: Python's own tree is as deep as there are sides."""
    if len(sides) == 1:
        return sides[0]
    middle = len(sides) // 2
    return facts.Binary("|", _either(sides[:middle]), _either(sides[middle:]))


def _subscript(encoder: Encoder, node: ast.Subscript) -> facts.Expr:
    base = encoder.encode(node.value)
    if isinstance(node.slice, ast.Tuple):
        # Not a table that somebody wrote as data, so every item counts.
        return facts.Subscript(base, facts.Display("tuple", encoder.many(node.slice.elts)))
    return facts.Subscript(base, encoder.encode(node.slice))


def _display(encoder: Encoder, node: ast.Tuple | ast.List | ast.Set) -> facts.Expr:
    if len(node.elts) > encoder.most:
        return _UNKNOWN
    return facts.Display(type(node).__name__.lower(), encoder.many(node.elts))


def _mapping(encoder: Encoder, node: ast.Dict) -> facts.Expr:
    if len(node.keys) > encoder.most:
        return _UNKNOWN
    pairs = zip(node.keys, node.values, strict=True)
    return facts.Mapping(tuple((encoder.encode(key), encoder.encode(value)) for key, value in pairs))


def _unary(encoder: Encoder, node: ast.UnaryOp) -> facts.Expr:
    if isinstance(node.op, ast.UAdd):
        return encoder.encode(node.operand)
    return facts.Negative(encoder.encode(node.operand)) if isinstance(node.op, ast.USub) else _UNKNOWN


def _conditional(encoder: Encoder, node: ast.IfExp) -> facts.Expr:
    return facts.Choice(encoder.encode(node.body), encoder.encode(node.orelse))


def _boolean(encoder: Encoder, node: ast.BoolOp) -> facts.Expr:
    first, *others = encoder.many(node.values)
    for other in others:
        first = facts.Choice(first, other)
    return first


def _walrus(encoder: Encoder, node: ast.NamedExpr) -> facts.Expr:
    return encoder.encode(node.value)


def _await(encoder: Encoder, node: ast.Await) -> facts.Expr:
    return encoder.encode(node.value)


def _starred(encoder: Encoder, node: ast.Starred) -> facts.Expr:
    return facts.Starred(encoder.encode(node.value))


def _lambda(_: Encoder, __: ast.Lambda) -> facts.Expr:
    return facts.Lambda()


def _call(encoder: Encoder, node: ast.Call) -> facts.Expr:
    return encoder.call(node)


# Each rule takes the one class of nodes that it stands under; a table cannot say so to a type checker.
_RULES: dict[type[ast.expr], Callable[[Encoder, Any], facts.Expr]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Constant: _constant,
    ast.JoinedStr: _joined,
    ast.FormattedValue: _formatted,
    ast.BinOp: _binary,
    ast.Subscript: _subscript,
    ast.Tuple: _display,
    ast.List: _display,
    ast.Set: _display,
    ast.Dict: _mapping,
    ast.UnaryOp: _unary,
    ast.IfExp: _conditional,
    ast.BoolOp: _boolean,
    ast.NamedExpr: _walrus,
    ast.Await: _await,
    ast.Starred: _starred,
    ast.Lambda: _lambda,
    ast.Call: _call,
}


def text_of(expr: facts.Expr) -> str:
    """Write an expression back, roughly as the user wrote it, for messages."""
    match expr:
        case facts.Name(name):
            return name
        case facts.Attr(value, attr):
            return f"{text_of(value)}.{attr}"
        case facts.Const(value):
            return repr(value)
        case facts.Subscript(value, index):
            inner = ", ".join(map(text_of, index.items)) if isinstance(index, facts.Display) else text_of(index)
            return f"{text_of(value)}[{inner}]"
        case facts.Binary(op, left, right):
            return f"{text_of(left)} {op} {text_of(right)}"
        case facts.Display(_, items):
            return f"[{', '.join(map(text_of, items))}]"
        case facts.Call(func):
            return f"{text_of(func)}(...)"
        case facts.Starred(value):
            return f"*{text_of(value)}"
        case facts.Bytes(latin):
            return repr(latin.encode("latin-1"))
        case _:
            return "..."
