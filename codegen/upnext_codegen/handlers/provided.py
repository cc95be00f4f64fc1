"""Parameters that no payload fills, because a function provides them: `Annotated[Session, upnext.Provide(...)]`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.names.annotation_names import definitions, external
from upnext_codegen.names.evaluator import alternatives, is_none
from upnext_codegen.names.scopes import Assignment, Definition
from upnext_codegen.names.upnext_classes import public_name
from upnext_codegen.reading.string_annotations import unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Use

_DEEPEST = 20


def is_provided(evaluator: Evaluator, annotation: ast.expr | None, use: Use, depth: int = 0) -> bool:
    """Whether an annotation says that its parameter is provided, also where it has another name, or may be None."""
    if annotation is None or depth > _DEEPEST:
        return False
    expr = unquoted(annotation)
    match expr:
        case ast.Subscript(base, ast.Tuple(elts=[first, *metadata])) if external(evaluator, base, use) == "Annotated":
            found = any(_is_provide(evaluator, each, use, depth) for each in metadata)
            return found or is_provided(evaluator, first, use, depth + 1)
        case ast.Subscript(base, index):
            name = external(evaluator, base, use)
            if name == "Optional":
                return is_provided(evaluator, index, use, depth + 1)
            if name == "Union":
                sides = index.elts if isinstance(index, ast.Tuple) else [index]
                return _is_one_provided(evaluator, sides, use, depth)
            return is_provided(evaluator, base, use, depth + 1)
        case ast.BinOp(_, ast.BitOr(), _):
            return _is_one_provided(evaluator, alternatives(expr), use, depth)
        case ast.Name() | ast.Attribute():
            return any(is_provided(evaluator, each, at, depth + 1) for each, at in _assigned(evaluator, expr, use))
        case _:
            return False


def _is_one_provided(evaluator: Evaluator, sides: list[ast.expr], use: Use, depth: int) -> bool:
    others = [each for each in sides if not is_none(unquoted(each))]
    return len(others) == 1 and is_provided(evaluator, others[0], use, depth + 1)


def _is_provide(evaluator: Evaluator, expr: ast.expr, use: Use, depth: int) -> bool:
    """Whether it makes an object of `upnext.Provide` or a subclass, or is a name of one."""
    if depth > _DEEPEST:
        return False
    match expr:
        case ast.Call(func):
            cls = evaluator.value(func, use)
            return any(public_name(each) == "upnext.Provide" for each in evaluator.ancestors(cls))
        case ast.Name() | ast.Attribute():
            return any(_is_provide(evaluator, each, at, depth + 1) for each, at in _assigned(evaluator, expr, use))
        case _:
            return False


def _assigned(evaluator: Evaluator, expr: ast.expr, use: Use) -> Iterator[tuple[ast.expr, Use]]:
    for each in definitions(evaluator, expr, use):
        if isinstance(each, Definition) and isinstance(each.binding, Assignment):
            value = each.binding.value
            if isinstance(value, ast.expr):
                yield value, each.use
