"""Calls and decorators with the exact form of an attachment, whatever object they are made on."""

from __future__ import annotations

import ast
import re

from upnext_codegen.handlers.options import KNOWN

_ON = re.compile(r"\.\s*on\b")


def attaches(call: ast.Call) -> bool:
    """Whether an unresolved call has exactly the form that attaches a function to an event."""
    func = call.func
    if isinstance(func, ast.Call):
        return makes_decorator(func)
    plain = all(isinstance(each, ast.Name | ast.Attribute | ast.Starred) for each in call.args)
    return (
        isinstance(func, ast.Attribute) and func.attr == "on" and len(call.args) <= 1 and plain and _only_options(call)
    )


def makes_decorator(expr: ast.expr) -> bool:
    """Whether something unresolved has exactly the form of `event.on`, or of `event.on` with options."""
    if isinstance(expr, ast.Call):
        inner = expr.func
        return not expr.args and _only_options(expr) and not isinstance(inner, ast.Call) and makes_decorator(inner)
    return isinstance(expr, ast.Attribute) and expr.attr == "on"


def attaches_in_text(call: ast.Call, text: str | None) -> bool:
    """Whether a call receives a text that calls `.on`, or one that contains such a part."""
    parts = [each.value for one in call.args[:1] for each in ast.walk(one) if isinstance(each, ast.Constant)]
    return any(isinstance(each, str) and _ON.search(each) for each in (text, *parts))


def _only_options(call: ast.Call) -> bool:
    return {each.arg for each in call.keywords} <= {*KNOWN, None}
