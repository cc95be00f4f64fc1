"""The calls inside an expression, each with the lambdas and comprehensions around it, and what names stand for."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeAlias, cast

from upnext_codegen.reading import facts
from upnext_codegen.reading.expressions import Encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.files.source import Text

Around: TypeAlias = tuple[ast.AST, ...]
"""Lambdas and comprehensions, outermost first."""

_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
_BINDING = frozenset({ast.Lambda, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp})
_LEAVES = frozenset({ast.Constant, ast.Name, ast.Load, ast.Store})


def calls_in(node: ast.expr) -> Iterator[tuple[ast.Call | ast.NamedExpr, Around]]:
    """Yield the calls and `:=` inside an expression, outer ones first."""
    stack: list[tuple[ast.AST, Around]] = [(node, ())]
    while stack:
        current, around = stack.pop()
        kind = type(current)
        if kind is ast.Call or kind is ast.NamedExpr:
            yield cast("ast.Call | ast.NamedExpr", current), around
        elif kind in _BINDING:
            around = (*around, current)
        # Tables of thousands of constants are common enough for `ast.iter_child_nodes` to take most of the time.
        for name in reversed(current._fields):
            child = getattr(current, name, None)
            if isinstance(child, list):
                children = cast("list[object]", child)
                stack += [
                    (each, around)
                    for each in reversed(children)
                    if isinstance(each, ast.AST) and type(each) not in _LEAVES
                ]
            elif isinstance(child, ast.AST) and type(child) not in _LEAVES:
                stack.append((child, around))


def hidden_by(text: Text, around: Around) -> dict[str, facts.Expr]:
    """What the names stand for that lambdas and comprehensions bind."""
    names: dict[str, facts.Expr] = {}
    for node in around:
        if isinstance(node, ast.Lambda):
            args = node.args
            every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
            names |= {arg.arg: facts.Unknown() for arg in every if arg is not None}
        for generator in node.generators if isinstance(node, _Comprehension) else ():
            names |= _bound_by(generator.target, facts.Element(Encoder(text, dict(names)).encode(generator.iter)))
    return names


def _bound_by(target: ast.expr, value: facts.Expr) -> dict[str, facts.Expr]:
    match target:
        case ast.Name(id=name):
            return {name: value}
        case ast.Tuple(elts=items) | ast.List(elts=items):
            parts = [(item, facts.Part(value, number)) for number, item in numbered(items)]
            return {name: part for item, each in parts for name, part in _bound_by(item, each).items()}
        case ast.Starred(value=inner):
            return _bound_by(inner, facts.Unknown())
        case _:
            return {}


def numbered(targets: list[ast.expr]) -> Iterator[tuple[int, ast.expr]]:
    """Number what a sequence is unpacked into: behind a starred target, from the end."""
    behind = 0
    for number, target in enumerate(targets):
        yield number - behind, target
        if isinstance(target, ast.Starred):
            behind = len(targets)


def captured(pattern: ast.pattern) -> Iterator[str]:
    """Yield the names that a pattern of a `match` statement binds."""
    for each in ast.walk(pattern):
        name = each.rest if isinstance(each, ast.MatchMapping) else getattr(each, "name", None)
        if isinstance(name, str):
            yield name
