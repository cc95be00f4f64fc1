"""The calls and decorators of a file that can have to do with upnext, each with the function that it stands in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.names.name_set import mentions
from upnext_codegen.names.scopes import ClassDefinition, Use, inner_scopes_and_calls

if TYPE_CHECKING:
    from upnext_codegen.names.exports import Exports
    from upnext_codegen.names.name_set import Names
    from upnext_codegen.names.scopes import Definition, Scope, SourceModule


class CallSite(NamedTuple):
    """A call.

    Attributes:
        call: The call.
        use: Where it stands.
        function: The function around it, None at the top of a module or class.
    """

    call: ast.Call
    use: Use
    function: Definition | None


class DecoratorSite(NamedTuple):
    """A decorator of a function or class."""

    decorator: ast.expr
    use: Use
    target: Definition
    function: Definition | None


class ClassSite(NamedTuple):
    """A class whose bases or metaclass may do something with what it has."""

    target: Definition


def sites_of(module: SourceModule, exports: Exports) -> Iterator[CallSite | DecoratorSite | ClassSite]:
    """Yield the calls, decorators and classes of a file, those inside of functions and classes after those around."""
    waiting: list[tuple[Scope, Definition | None]] = [(module.scope, None)]
    while waiting:
        scope, function = waiting.pop(0)
        # An `.on` that nobody knows is told of where upnext is imported.
        always = exports.everything or module.imports_upnext
        names = exports.names_in(scope)
        for each in scope.expressions:
            if not names.between(each.node.lineno, each.node.end_lineno):
                continue
            for call, inner in inner_scopes_and_calls(each.node, scope):
                if not isinstance(call, ast.Call):
                    continue
                here = names if inner is scope else exports.names_in(inner)
                if exports.everything or (always and _is_on(call.func)) or mentions(call, here):
                    yield CallSite(call, Use(inner, call.lineno, each.branches), function)
        for definition in (*scope.functions, *scope.classes):
            if names.between(*definition.span):
                yield from _decorators(definition, function, names, always=always, everything=exports.everything)
                inside = function if definition in scope.classes else definition
                if isinstance(definition.binding, ClassDefinition) and _is_made_by_others(definition.binding.node):
                    yield ClassSite(definition)
                waiting.append((module.body_of(definition), inside))


def _decorators(
    target: Definition, function: Definition | None, names: Names, *, always: bool, everything: bool
) -> Iterator[DecoratorSite]:
    node = getattr(target.binding, "node")  # noqa: B009 - a function's or a class's
    for each in node.decorator_list:
        if everything or (always and _is_on(each)) or mentions(each, names):
            yield DecoratorSite(each, Use(target.scope, each.lineno, target.branches), target, function)


def _is_made_by_others(node: ast.ClassDef) -> bool:
    """Whether code of another class runs when a class is made."""
    return bool(node.bases or node.keywords)


def _is_on(expr: ast.expr) -> bool:
    while isinstance(expr, ast.Call):
        expr = expr.func
    return isinstance(expr, ast.Attribute) and expr.attr == "on"
