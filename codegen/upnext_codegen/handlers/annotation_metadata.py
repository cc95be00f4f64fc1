"""The metadata in `Annotated` beside the type of a parameter, wherever the annotation is written."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.limits import MAX_TYPE_ALIASES
from upnext_codegen.names.annotation_names import definitions, external
from upnext_codegen.names.evaluator import alternatives, is_none
from upnext_codegen.names.scopes import Assignment, Definition
from upnext_codegen.names.upnext_classes import public_name
from upnext_codegen.reading.string_annotations import unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Use


def metadata_of(
    evaluator: Evaluator, annotation: ast.expr | None, use: Use, depth: int = 0
) -> Iterator[tuple[ast.expr, Use]]:
    """Yield the metadata of `Annotated` for a parameter, also through aliases and optional types."""
    if annotation is None or depth > MAX_TYPE_ALIASES:
        return
    expr = unquoted(annotation)
    match expr:
        case ast.Subscript(base, ast.Tuple(elts=[first, *metadata])) if external(evaluator, base, use) == "Annotated":
            yield from ((each, use) for each in metadata)
            yield from metadata_of(evaluator, first, use, depth + 1)
        case ast.Subscript(base, index):
            name = external(evaluator, base, use)
            if name == "Optional":
                yield from metadata_of(evaluator, index, use, depth + 1)
            elif name == "Union":
                sides = index.elts if isinstance(index, ast.Tuple) else [index]
                yield from _of_the_one(evaluator, sides, use, depth)
            elif name in {"Required", "NotRequired", "ReadOnly"}:
                yield from metadata_of(evaluator, index, use, depth + 1)
            else:
                yield from metadata_of(evaluator, base, use, depth + 1)
        case ast.BinOp(_, ast.BitOr(), _):
            yield from _of_the_one(evaluator, alternatives(expr), use, depth)
        case ast.Name() | ast.Attribute():
            for each, at in _assigned(evaluator, expr, use):
                yield from metadata_of(evaluator, each, at, depth + 1)
        case _:
            return


def _of_the_one(evaluator: Evaluator, sides: list[ast.expr], use: Use, depth: int) -> Iterator[tuple[ast.expr, Use]]:
    others = [each for each in sides if not is_none(unquoted(each))]
    if len(others) == 1:
        yield from metadata_of(evaluator, others[0], use, depth + 1)


def objects_of(
    evaluator: Evaluator, annotation: ast.expr | None, use: Use, kind: str
) -> Iterator[tuple[ast.Call, Use]]:
    """Yield the calls in the metadata of an annotation that create objects of one of upnext's classes or a subclass.

    Args:
        evaluator: Knows the values of names.
        annotation: The annotation.
        use: Where it stands.
        kind: The public name of the class: "upnext.Provide".
    """
    for each, at in metadata_of(evaluator, annotation, use):
        yield from _made(evaluator, each, at, kind, 0)


def _made(evaluator: Evaluator, expr: ast.expr, use: Use, kind: str, depth: int) -> Iterator[tuple[ast.Call, Use]]:
    if depth > MAX_TYPE_ALIASES:
        return
    match expr:
        case ast.Call(func):
            cls = evaluator.value(func, use)
            if any(public_name(each) == kind for each in evaluator.ancestors(cls)):
                yield expr, use
        case ast.Name() | ast.Attribute():
            for each, at in _assigned(evaluator, expr, use):
                yield from _made(evaluator, each, at, kind, depth + 1)
        case _:
            return


def _assigned(evaluator: Evaluator, expr: ast.expr, use: Use) -> Iterator[tuple[ast.expr, Use]]:
    for each in definitions(evaluator, expr, use):
        if isinstance(each, Definition) and isinstance(each.binding, Assignment):
            value = each.binding.value
            if isinstance(value, ast.expr):
                yield value, each.use
