"""`Required[...]`, `NotRequired[...]` and `ReadOnly[...]` around the type of a field, also inside `Annotated`."""

from __future__ import annotations

import ast

from upnext_codegen.names.annotation_names import external
from upnext_codegen.names.evaluator import Evaluator
from upnext_codegen.names.scopes import Use
from upnext_codegen.reading.string_annotations import unquoted

_MARKS = {"Required": True, "NotRequired": False}


def unmarked(evaluator: Evaluator, annotation: ast.expr, use: Use) -> tuple[ast.expr, bool | None]:
    """Remove the qualifiers from an annotation, and return whether they make its key required; None if unsaid."""
    annotation = unquoted(annotation)
    if not isinstance(annotation, ast.Subscript) or _is_empty(annotation.slice):
        return annotation, None
    name = external(evaluator, annotation.value, use)
    if name in _MARKS:
        return unmarked(evaluator, annotation.slice, use)[0], _MARKS[name]
    if name == "ReadOnly":
        return unmarked(evaluator, annotation.slice, use)
    if name != "Annotated" or not isinstance(annotation.slice, ast.Tuple):
        return annotation, None
    first, *metadata = annotation.slice.elts
    inner, mark = unmarked(evaluator, first, use)
    if inner is first:
        return annotation, mark
    index = ast.copy_location(ast.Tuple([inner, *metadata], ast.Load()), annotation.slice)
    return ast.copy_location(ast.Subscript(annotation.value, index, ast.Load()), annotation), mark


def _is_empty(index: ast.expr) -> bool:
    """Whether the brackets are empty: Python refuses `NotRequired[()]`."""
    return isinstance(index, ast.Tuple) and not index.elts
