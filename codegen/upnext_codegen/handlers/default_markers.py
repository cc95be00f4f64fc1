"""Defaults that are not values: objects that libraries have users write after `=` to describe a parameter.

The runtime recognises their classes (`upnext/default_markers.py`); in a source they appear as calls.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.findings import Finding
from upnext_codegen.handlers.declare import place_of
from upnext_codegen.names.annotation_names import definitions
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, Definition
from upnext_codegen.names.upnext_classes import public_name
from upnext_codegen.reading.expression_text import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.handlers.formals import Formal
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Derived, Use

_INJECTING = frozenset({"Depends", "Security", "Provide", "PROVIDED"})
_MADE_BY = {
    "attr": frozenset({"attr", "attrib", "field", "ib"}),
    "attrs": frozenset({"field"}),
    "dataclasses": frozenset({"field"}),
    "fastapi": frozenset({"Body", "Cookie", "Depends", "File", "Form", "Header", "Path", "Query", "Security"}),
    "msgspec": frozenset({"field"}),
    "pydantic": frozenset({"Field", "PrivateAttr"}),
    "sqlmodel": frozenset({"Field"}),
    "upnext": frozenset({"Formerly", "PROVIDED", "Provide"}),
}
"""By top-level package the functions and classes, and the one object that is a default as it is."""


def marker_in_place_of_a_value(evaluator: Evaluator, formal: Formal, function: str, use: Use) -> Iterator[Finding]:
    """Report a default that describes a field: the function would receive that object itself (UPN110)."""
    name = "" if formal.default is None else _marker(evaluator, formal.default, use)
    if formal.default is not None and name:
        shown = text_of(formal.default)
        yield Finding.of(
            "UPN110",
            f'"{function}" is refused by the runtime: the default {shown} of "{formal.name}" is not a value, and '
            f'"{function}" would get that object',
            place_of(use, formal.default),
            "have it provided: Annotated[Session, upnext.Provide(function)]"
            if name in _INJECTING
            else "write it in the annotation, as in Annotated[int, Field(gt=0)], and the default behind it",
        )


def _marker(evaluator: Evaluator, default: Derived, use: Use) -> str:
    """The last name of the call behind a default that is not a value, also through a constant; "" for others."""
    match default:
        case ast.Call(func):
            return _known(evaluator, func, use, called=True)
        case ast.Name() | ast.Attribute():
            found = definitions(evaluator, default, use)
            if len(found) == 1 and isinstance(found[0], Definition) and isinstance(found[0].binding, Assignment):
                value = found[0].binding.value
                return _known(evaluator, value.func, found[0].use, called=True) if isinstance(value, ast.Call) else ""
            return _known(evaluator, default, use, called=False)
        case _:
            return ""


def _known(evaluator: Evaluator, expr: ast.expr, use: Use, *, called: bool) -> str:
    for each in definitions(evaluator, expr, use):
        if isinstance(each, ExternalName):
            top, _, rest = public_name(each).partition(".")
            last = rest.rpartition(".")[2]
            if last in _MADE_BY.get(top, ()) and (called != (last == "PROVIDED")):
                return last
    return ""
