"""Fields of a handler that its body certainly does not use."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upnext_codegen.names.scopes import FunctionNode

ALL_OTHERS = "**"
"""Stands for the fields that `**kwargs` takes."""

_SEEING_ALL = frozenset({"_getframe", "currentframe", "dir", "eval", "exec", "globals", "inspect", "locals", "vars"})
"""Names by which code gets at parameters without naming them."""


def unused_fields(function: FunctionNode, fields: Iterable[str], *, is_prescribed: bool) -> tuple[str, ...]:
    """List the fields that a handler takes but does not use.

    Args:
        function: The handler.
        fields: Its fields.
        is_prescribed: Whether its parameters are prescribed by something else than the event: by a class around it,
            by another decorator, which may also read what it is called with.
    """
    if is_prescribed or _is_placeholder(function):
        return ()
    inside = [each for statement in function.body for each in ast.walk(statement)]
    names = {each.id for each in inside if isinstance(each, ast.Name)}
    names |= {each.attr for each in inside if isinstance(each, ast.Attribute) and each.attr in _SEEING_ALL}
    if not _SEEING_ALL.isdisjoint(names):
        return ()
    bound = {name for each in inside if isinstance(each, ast.Global | ast.Nonlocal) for name in each.names}
    rest = function.args.kwarg
    others = [] if rest is None or rest.arg in names | bound else [ALL_OTHERS]
    named = {each.arg for each in (*function.args.args, *function.args.kwonlyargs)}
    # The keys of an unpacked TypedDict are used if the whole of it is.
    keys = set[str]() if others else set(fields) - named
    return (*(each for each in fields if each not in names | bound | keys and not each.startswith("_")), *others)


def _is_placeholder(function: FunctionNode) -> bool:
    """Whether a body is still empty: it holds constants, or raises NotImplementedError."""
    working = (ast.Name, ast.Attribute, ast.Call, ast.Import, ast.ImportFrom)
    for statement in function.body:
        if isinstance(statement, ast.Raise):
            continue
        if any(isinstance(each, working) for each in ast.walk(statement)):
            return False
    return True
