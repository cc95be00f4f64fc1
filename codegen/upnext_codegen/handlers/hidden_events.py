"""Events that may be sent where that cannot be seen: given to a call, returned, kept in an attribute or container."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeGuard

from upnext_codegen.names import values
from upnext_codegen.names.evaluator import SENDS
from upnext_codegen.names.exports import mentions
from upnext_codegen.names.scopes import Use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.names.exports import Exports, Names
    from upnext_codegen.names.scopes import Scope, SourceModule

_INLINE = ast.Lambda | ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_PART = ast.expr | ast.comprehension | ast.keyword | ast.withitem | ast.arguments
"""What an expression can stand in, below a statement or another expression."""


def hidden_events(module: SourceModule, exports: Exports) -> Iterator[str]:
    """Yield the events that a file gives away other than by a name, an import or a decorator; "" for an unknown one."""
    waiting: list[Scope] = [module.scope]
    while waiting:
        scope = waiting.pop()
        names = exports.names_in(scope)
        for statement in getattr(scope.node, "body", ()):
            yield from _in_statement(statement, scope, names, exports)
        waiting += [module.body_of(each) for each in (*scope.functions, *scope.classes) if names.between(*each.span)]


def _in_statement(node: ast.AST, scope: Scope, names: Names, exports: Exports) -> Iterator[str]:
    """Look through a statement, or an arm of one, without the bodies of functions and classes in it."""
    if isinstance(node, ast.stmt) and not exports.everything and not names.between(*_lines(node)):
        return
    value = node.value if _binds_names(node) else None
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _PART):
            is_decorator = child in getattr(node, "decorator_list", ())
            yield from _in_part(child, scope, exports, plain=is_decorator or child is value)
        elif not isinstance(node, _DEFINITION):
            yield from _in_statement(child, scope, names, exports)


def _lines(node: ast.stmt) -> tuple[int, int | None]:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)]), node.end_lineno


def _binds_names(node: ast.AST) -> TypeGuard[ast.Expr | ast.Assign | ast.AnnAssign]:
    """Whether a statement does nothing with its value, or binds plain names to it, which are followed."""
    match node:
        case ast.Expr() | ast.AnnAssign(target=ast.Name()):
            return True
        case ast.Assign(targets):
            return all(isinstance(each, ast.Name) for each in targets)
        case _:
            return False


def _in_part(node: ast.AST, scope: Scope, exports: Exports, *, plain: bool) -> Iterator[str]:
    """Look through an expression; `plain` where its own value is followed, or not used."""
    if isinstance(node, ast.expr):
        if not exports.everything and not mentions(node, exports.names_in(scope)):
            return
        is_read = isinstance(getattr(node, "ctx", None), ast.Load) or isinstance(node, ast.Call)
        if not plain and is_read and isinstance(node, ast.Name | ast.Attribute | ast.Call):
            event = _event(exports.evaluator.value(node, Use(scope, node.lineno)))
            if event is not None:
                yield event
    if isinstance(node, _INLINE):
        scope = scope.module.inline(node, scope)
    attaches = isinstance(node, ast.Call) and _attaches(exports.evaluator.value(node.func, Use(scope, node.lineno)))
    for child in ast.iter_child_nodes(node):
        is_owner = child is getattr(node, "func", None) or isinstance(node, ast.Attribute)
        is_same = plain and isinstance(node, ast.Await | ast.NamedExpr)
        yield from _in_part(child, scope, exports, plain=is_owner or is_same or attaches)


def _attaches(func: values.Value) -> bool:
    return isinstance(func, values.Attachment) or (isinstance(func, values.Method) and func.name == "on")


def _event(value: values.Value) -> str | None:
    """The name of the event that a value can send, "" for an unknown one, None for none."""
    match value:
        case values.EventValue(name) | values.HandlerValue(values.EventValue(name)):
            return name or ""
        case values.Method(values.EventValue(name), attr) if attr in SENDS or attr == "options":
            return name or ""
        case values.Sender(values.EventValue(name)) | values.PartialSend(values.Method(values.EventValue(name))):
            return name or ""
        case values.EventTable() | values.Ambiguous("event" | "send"):
            return ""
        case _:
            return None
