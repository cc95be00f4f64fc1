"""The calls and decorators of a file that may involve upnext, each with its enclosing function."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.names.name_set import mentions
from upnext_codegen.names.scopes import Assignment, ClassDefinition, Use, inner_scopes_and_calls
from upnext_codegen.reading.tree import walk

if TYPE_CHECKING:
    from upnext_codegen.names.exports import Exports
    from upnext_codegen.names.name_set import Names
    from upnext_codegen.names.scopes import Definition, Expression, Scope, SourceModule


_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.LShift: "lshift",
    ast.MatMult: "matmul",
    ast.Mod: "mod",
    ast.Mult: "mul",
    ast.RShift: "rshift",
    ast.Sub: "sub",
}
"""What the methods behind operators are called."""


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
    """A class whose bases or metaclass may use its attributes."""

    target: Definition


class OperatorSite(NamedTuple):
    """An operator, item or attribute for which Python calls a method of an object.

    Attributes:
        node: All of it.
        owner: The object.
        methods: The methods that may be called.
        given: What the method is given.
        use: Where it stands.
    """

    node: ast.expr
    owner: ast.expr
    methods: tuple[str, ...]
    given: tuple[ast.expr, ...]
    use: Use


def sites_of(module: SourceModule, exports: Exports) -> Iterator[CallSite | DecoratorSite | ClassSite | OperatorSite]:
    """Yield the calls, decorators and classes of a file, those inside functions and classes after those around them."""
    waiting: list[tuple[Scope, Definition | None]] = [(module.scope, None)]
    while waiting:
        scope, function = waiting.pop(0)
        # An `.on` of an unknown object is reported in files that import upnext.
        always = exports.everything or module.imports_upnext
        names = exports.names_in(scope)
        for each in scope.expressions:
            if not names.between(each.node.lineno, each.node.end_lineno):
                continue
            yield from _operators(each, scope, names)
            for call, inner in inner_scopes_and_calls(each.node, scope):
                if not isinstance(call, ast.Call):
                    continue
                here = names if inner is scope else exports.names_in(inner)
                if exports.everything or (always and _is_on(call.func)) or mentions(call, here):
                    yield CallSite(call, Use(inner, call.lineno, each.branches), function)
        yield from _assignments(scope, names)
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
    found = [each for each in node.decorator_list if mentions(each, names)]
    for each in node.decorator_list:
        # An object that receives a handler from another decorator may keep it.
        if everything or found or (always and _is_on(each)):
            yield DecoratorSite(each, Use(target.scope, each.lineno, target.branches), target, function)


def _assignments(scope: Scope, names: Names) -> Iterator[OperatorSite]:
    """Yield the attributes and items to which a scope assigns something of upnext."""
    for target, bound in scope.attributes:
        value = bound.binding.value if isinstance(bound.binding, Assignment) else None
        if isinstance(value, ast.expr) and names.between(*bound.span) and mentions(value, names):
            yield OperatorSite(target, target.value, (target.attr,), (value,), bound.use)
            given = ast.Constant(target.attr), value
            yield OperatorSite(target.value, target.value, ("__setattr__",), given, bound.use)
    for item, value, use in scope.items:
        if names.between(item.lineno, value.end_lineno):
            yield OperatorSite(item, item.value, ("__setitem__",), (item.slice, value), use)


def _operators(expression: Expression, scope: Scope, names: Names) -> Iterator[OperatorSite]:
    use = Use(scope, expression.node.lineno, expression.branches)
    for node in walk(expression.node) if mentions(expression.node, names) else ():
        match node:
            case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
                name = _OPERATORS[type(operator)]
                yield OperatorSite(node, left, (f"__{name}__", f"__i{name}__"), (right,), use)
                yield OperatorSite(node, right, (f"__r{name}__",), (left,), use)
            case ast.Compare(left, [ast.In() | ast.NotIn()], [right]):
                yield OperatorSite(node, right, ("__contains__",), (left,), use)
            case ast.Subscript(owner, key, ast.Load()):
                yield OperatorSite(node, owner, ("__getitem__",), (key,), use)
            case _:
                pass


def _is_made_by_others(node: ast.ClassDef) -> bool:
    """Whether code of another class runs when a class is created."""
    return bool(node.bases or node.keywords)


def _is_on(expr: ast.expr) -> bool:
    while isinstance(expr, ast.Call):
        expr = expr.func
    return isinstance(expr, ast.Attribute) and expr.attr == "on"
