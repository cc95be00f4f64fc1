"""Decides whether a file only uses the class `Worker` to create workers; otherwise workers may have any name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.reading.tree import walk

if TYPE_CHECKING:
    from upnext_codegen.names.scopes import SourceModule

_NAME = "Worker"


def hands_workers(module: SourceModule) -> bool:
    """Whether the name `Worker` occurs anywhere but in calls, and in imports that do not rename it.

    Those may be from upnext, from the module that the catalog is written as, or from one that passes it on.
    """
    if _NAME not in module.text.text:
        return False
    called: set[ast.expr] = set()
    found: list[ast.expr] = []
    for each in walk(module.tree):
        match each:
            case ast.Name("Worker") | ast.Attribute(_, "Worker"):
                found.append(each)
            case ast.Call(func):
                called.add(func)
            case ast.ImportFrom() if _renames(each):
                return True
            case ast.ClassDef(name) if name == _NAME:
                return True
            case ast.arg(_, annotation) | ast.AnnAssign(_, annotation) if _quotes(annotation):
                return True
            case ast.FunctionDef(returns=annotation) | ast.AsyncFunctionDef(returns=annotation) if _quotes(annotation):
                return True
            case _:
                pass
    return any(each not in called for each in found)


def _renames(node: ast.ImportFrom) -> bool:
    return any(each.name == _NAME and each.asname is not None for each in node.names)


def _quotes(annotation: ast.expr | None) -> bool:
    strings = [each for each in ast.walk(annotation) if isinstance(each, ast.Constant)] if annotation else []
    return any(isinstance(each.value, str) and _NAME in each.value for each in strings)
