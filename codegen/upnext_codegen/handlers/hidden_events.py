"""Events that may be sent out of sight: passed to a call, returned, or kept in an attribute or container.

Code that receives a module or a class can reach all events in it: `getattr(tasks, name)`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeGuard

from upnext_codegen.file_part import LAST_LINE, FilePart
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import SENDS, class_node
from upnext_codegen.names.modules import ModuleRef
from upnext_codegen.names.name_set import mentions
from upnext_codegen.names.scopes import Use
from upnext_codegen.reading.tree import children

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.names.exports import Exports
    from upnext_codegen.names.name_set import Names
    from upnext_codegen.names.scopes import Scope, SourceModule

_INLINE = ast.Lambda | ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_PART = ast.expr | ast.comprehension | ast.keyword | ast.withitem | ast.arguments
"""What an expression can stand in, below a statement or another expression."""


def hidden_events(module: SourceModule, exports: Exports) -> Iterator[str]:
    """Yield what a file passes on other than by a name, an import or a decorator, as in `FileRecord.hidden`."""
    waiting: list[Scope] = [module.scope]
    while waiting:
        scope = waiting.pop()
        names = exports.names_in(scope)
        for part in _parts_of(getattr(scope.node, "body", []), names, everything=exports.everything):
            yield from _given_away(part, scope, exports)
        waiting += [module.body_of(each) for each in (*scope.functions, *scope.classes) if names.between(*each.span)]


def _parts_of(statements: list[ast.stmt], names: Names, *, everything: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Yield the expressions of statements, and whether their own value is followed or unused.

    The bodies of functions and classes are left out. Nothing here is recursive: an `elif` is nested in the one before.
    """
    waiting: list[ast.AST] = [*statements]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt) and not everything and not names.between(*_lines(node)):
            continue
        value = node.value if _binds_names(node) else None
        for child in children(node):
            if isinstance(child, _PART):
                yield child, child is value or child in getattr(node, "decorator_list", ())
            elif not isinstance(node, _DEFINITION):
                waiting.append(child)


def _lines(node: ast.stmt) -> tuple[int, int | None]:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)]), node.end_lineno


def _binds_names(node: ast.AST) -> TypeGuard[ast.Expr | ast.Assign | ast.AnnAssign]:
    """Whether a statement ignores its value, or binds plain names to it, which are followed."""
    match node:
        case ast.Expr() | ast.AnnAssign(target=ast.Name()):
            return True
        case ast.Assign(targets):
            return all(isinstance(each, ast.Name) for each in targets)
        case _:
            return False


def _given_away(part: tuple[ast.AST, bool], scope: Scope, exports: Exports) -> Iterator[str]:
    """Yield the events that an expression passes on."""
    waiting = [(*part, scope)]
    while waiting:
        node, is_plain, around = waiting.pop()
        if isinstance(node, ast.expr):
            if not exports.everything and not mentions(node, exports.names_in(around)):
                continue
            if not is_plain and _is_read(node):
                yield from _events(node, around, exports)
        if isinstance(node, _INLINE):
            around = around.module.inline(node, around)
        attaches = isinstance(node, ast.Call) and _attaches(_value(node.func, around, exports))
        # One of a worker's events does not give the others away.
        is_one = isinstance(node, ast.Subscript) and _event(_value(node, around, exports)) is not None
        for child in children(node):
            is_owner = child is getattr(node, "func", None) or isinstance(node, ast.Attribute)
            is_owner = is_owner or (is_one and child is getattr(node, "value", None))
            is_same = is_plain and isinstance(node, ast.Await | ast.NamedExpr)
            waiting.append((child, is_owner or is_same or attaches, around))


def _is_read(node: ast.expr) -> bool:
    """Whether an expression can be an event, as opposed to what is bound to one."""
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        return isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.Call)


def _value(node: ast.expr, scope: Scope, exports: Exports) -> values.Value:
    return exports.evaluator.value(node, Use(scope, node.lineno))


def _attaches(func: values.Value) -> bool:
    return isinstance(func, values.Attachment) or (isinstance(func, values.Method) and func.name == "on")


def _events(node: ast.expr, scope: Scope, exports: Exports) -> Iterator[str]:
    """Yield the event that can be sent by code that has a value, or the part of a file whose events can be.

    What a module or class holds is not looked at here: large packages give away hundreds of them.
    """
    value = _value(node, scope, exports)
    event = _event(value)
    if event is not None:
        yield event
        return
    cls = value.cls if isinstance(value, values.Instance) else value
    if isinstance(cls, values.ClassRef):
        statement = class_node(cls)
        yield str(FilePart(cls.definition.file, statement.lineno, statement.end_lineno or statement.lineno))
    elif isinstance(cls, ModuleRef) and cls.file is not None:
        yield str(FilePart(cls.file, 1, LAST_LINE))


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
