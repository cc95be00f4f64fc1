"""The parameters, decorators and type parameters of a `def` or `class`, with their places."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, cast

from upnext_codegen.reading import facts

if TYPE_CHECKING:
    from upnext_codegen.reading.expressions import Encoder

_BREAK = r"(?:[ \t\f]|\\\n)+"
_HEAD = re.compile(rf"(?:async{_BREAK})?(?:def|class){_BREAK}")


def parameters(encoder: Encoder, node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[facts.Formal, ...]:
    """Encode the parameters in the order of the signature."""
    args = node.args
    positional = [(arg, "positional") for arg in args.posonlyargs] + [(arg, "any") for arg in args.args]
    bare = len(positional) - len(args.defaults)
    found = [_formal(encoder, arg, kind, index >= bare) for index, (arg, kind) in enumerate(positional)]
    if args.vararg:
        found.append(_formal(encoder, args.vararg, "args", False))
    pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    found += [_formal(encoder, arg, "keyword", default is not None) for arg, default in pairs]
    if args.kwarg:
        found.append(_formal(encoder, args.kwarg, "kwargs", False))
    return tuple(found)


def _formal(encoder: Encoder, arg: ast.arg, kind: str, default: bool) -> facts.Formal:
    note = arg.annotation
    column = encoder.text.column(arg.lineno, arg.col_offset)
    if note is None:
        return facts.Formal(arg.arg, kind, None, 0, 0, default, arg.lineno, column)
    note_column = encoder.text.column(note.lineno, note.col_offset)
    return facts.Formal(arg.arg, kind, encoder.encode(note), note.lineno, note_column, default, arg.lineno, column)


def decorators(encoder: Encoder, nodes: list[ast.expr]) -> tuple[facts.Decorator, ...]:
    """Encode decorators, outermost first."""
    return tuple(
        facts.Decorator(encoder.encode(node), node.lineno, encoder.text.column(node.lineno, node.col_offset))
        for node in nodes
    )


def type_parameters(encoder: Encoder, node: ast.AST) -> tuple[facts.TypeParameter, ...]:
    """Encode the type parameters in brackets, where this Python has them."""
    found = cast("list[Any]", getattr(node, "type_params", []))
    return tuple(
        facts.TypeParameter(each.name, *(_part(encoder, each, part) for part in ("bound", "default_value")))
        for each in found
    )


def _part(encoder: Encoder, parameter: object, name: str) -> facts.Expr | None:
    node = getattr(parameter, name, None)
    return None if node is None else encoder.encode(node)


def name_place(encoder: Encoder, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> tuple[int, int]:
    """Where the name in a `def` or `class` line stands."""
    line = node.lineno
    column = encoder.text.column(line, node.col_offset)
    rest = "\n".join([encoder.text.lines[line - 1][column - 1 :], *encoder.text.lines[line : line + 3]])
    head = _HEAD.match(rest)
    if head is None:
        return line, column
    before = head[0].split("\n")
    return (line, column + len(before[0])) if len(before) == 1 else (line + len(before) - 1, len(before[-1]) + 1)
