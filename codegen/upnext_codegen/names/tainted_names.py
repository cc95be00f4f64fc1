"""Names of a file that can stand for something of upnext, judged by syntax alone.

A name qualifies if it is imported from a file that exports it, or if it is assigned an expression that contains such a
name. A function qualifies if it returns one or calls one with its parameters, a class if it has one or its methods
store one in its objects. Whatever else their bodies contain does not matter to their users.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import cast

from upnext_codegen.names.effects import Effects
from upnext_codegen.names.name_set import Names, children_with_texts, holds, mentions
from upnext_codegen.names.scopes import (
    Assignment,
    ClassDefinition,
    Definition,
    Derived,
    Element,
    FunctionDefinition,
    FunctionNode,
    Inside,
    ModuleImport,
    NameImport,
    ParameterDefinition,
    Part,
    Rest,
    Scope,
)
from upnext_codegen.reading.string_annotations import unquoted
from upnext_codegen.reading.tree import walk


def with_own(scope: Scope, around: Names) -> Names:
    """Extend the names around a function or class by its own that can stand for something of upnext.

    Args:
        scope: The function, class, lambda or comprehension.
        around: The names around it; around a method, `around_methods`.
    """
    if isinstance(scope.node, ast.ClassDef):
        return _of_class(scope, scope.node, around)[0]
    node = cast("FunctionNode | ast.Lambda", scope.node)
    hidden = {name for name in scope.definitions.keys() & around.all if _hides(scope.definitions[name], around)}
    names = around.without(hidden) if hidden else around
    if scope.receiver not in {"", "self", "cls"} and "self" in around.all:
        names = names if hidden else around.copy()
        names.add([scope.receiver], node.lineno, node.end_lineno)
        if "self" in around.receivers:
            names.receivers[scope.receiver] = around.receivers["self"]
    return _grown(scope, [*scope.every()], names, names is not around)


def _hides(definitions: list[Definition], around: Names) -> bool:
    """Whether a function uses a name for itself, hiding another meaning outside."""
    for each in definitions:
        match each.binding:
            case ModuleImport() | NameImport() | ParameterDefinition(receiver="self" | "cls"):
                return False  # What a function imports is among the names of its module.
            case _ if is_tainted(each, around):
                return False
            case _:
                pass
    return True


def around_methods(scope: Scope, around: Names) -> Names:
    """Extend the names around a class by those that stand for it or its objects in its methods.

    The names that the class itself binds mean nothing there.
    """
    return _of_class(scope, cast("ast.ClassDef", scope.node), around)[1]


def _grown(scope: Scope, waiting: list[Definition], names: Names, is_own: bool) -> Names:
    """Add the names of a scope that are bound to something containing one of those already there."""
    node = cast("FunctionNode | ast.ClassDef | ast.Lambda", scope.node)
    while True:
        waiting = [each for each in waiting if not names.is_whole(each.name)]
        fresh = {each.name for each in waiting if is_tainted(each, names)} | fed_names(scope, names)
        if not fresh:
            return names
        names = names if is_own else names.copy()
        is_own = True
        names.add(fresh, node.lineno, node.end_lineno)


def _of_class(scope: Scope, node: ast.ClassDef, around: Names) -> tuple[Names, Names]:
    """The names in a class and in its methods: there `self` and `cls`, for attributes that can be of upnext."""
    plain = [each for each in scope.every() if not isinstance(each.binding, FunctionDefinition)]
    own = _grown(scope, plain, around, is_own=False)
    if _head_holds(node, around):
        inside = _with_receivers(node, around, None)
        return _with_receivers(node, own, None), inside
    inside = around
    members: set[str] = set()
    concerned = [*scope.functions]
    while True:
        found = {each.name for each in plain if own.is_whole(each.name)}
        for each in concerned:
            effects = effects_of(each, inside)
            found |= effects.attributes
            if effects.gives:
                found.add(each.name)
        if found <= members:
            # A walk through the class looks up here which of its methods contain one of these names.
            return _with_receivers(node, own, members) if members else own, inside
        fresh = found - members
        members |= found
        if inside is around:
            inside = _with_receivers(node, around, members)
        else:
            concerned = [each for each in scope.functions if not fresh.isdisjoint(inside.words_of(each))]
        giving = [each.name for each in scope.functions if each.name in members and not own.is_whole(each.name)]
        if giving:
            own = around.copy() if own is around else own
            own.add(giving, node.lineno, node.end_lineno)
            own = _grown(scope, plain, own, is_own=True)


def _with_receivers(node: ast.ClassDef, around: Names, members: set[str] | None) -> Names:
    """Add the names for a class or its objects; None for all of their attributes."""
    names = around.copy()
    names.add(["self", "cls"], node.lineno, node.end_lineno)
    if members is not None:
        names.receivers["self"] = names.receivers["cls"] = members
    return names


def is_tainted(definition: Definition, names: Names) -> bool:
    """Whether the value that a statement binds to a name can be, contain, return or attach one of these names."""
    match definition.binding:
        case Assignment(value, annotation):
            parts: list[Derived | None] = [value, annotation]
        case ParameterDefinition(annotation, _, default):
            parts = [annotation, default]
        case FunctionDefinition() | ClassDefinition():
            return effects_of(definition, names).gives
        case _:
            return False
    while parts:
        part = parts.pop()
        if isinstance(part, Element | Part | Rest | Inside):
            parts.append(part.of)
        elif part is not None and names.between(part.lineno, part.end_lineno) and holds(unquoted(part), names):
            return True
    return False


def effects_of(definition: Definition, names: Names) -> Effects:
    """Determine by syntax alone what calling a function or class can lead to."""
    if not names.between(*definition.span):
        return Effects()
    # Called again and again for each definition as names become known, mostly with names that it does not use.
    among = names.among(definition)
    # Which attributes of a module come from upnext depends on other files: each caller has to record that itself.
    known = names.effects if among.modules else definition.scope.module.effects
    found = known.get((definition, among))
    if found is None:
        found = known[definition, among] = _effects(definition, names)
    return found


def _effects(definition: Definition, names: Names) -> Effects:
    scope = definition.scope.module.body_of(definition)
    node = scope.node
    if isinstance(node, ast.ClassDef):
        return Effects(_head_holds(node, names) or _of_class(scope, node, names)[1] is not names)
    gives = _head_holds(cast("FunctionNode", node), names)
    kept = [each for each in scope.attributes if scope.receiver and _is_named(each[0].value, scope.receiver)]
    hooks = [] if gives else [*_given_parameters(scope)]
    if not kept and (gives or not (scope.returns or hooks)):
        return Effects(gives)
    own = with_own(scope, names)
    gives = gives or any(mentions(each.node, own) for each in scope.returns)
    gives = gives or any(mentions(each.func, own) for each in hooks)
    return Effects(gives, frozenset(target.attr for target, each in kept if is_tainted(each, own)))


def _given_parameters(scope: Scope) -> Iterator[ast.Call]:
    """Yield the calls in a function whose first argument is one of its parameters: they may attach it."""
    parameters = {each.name for each in scope.every() if isinstance(each.binding, ParameterDefinition)}
    for each in scope.expressions if parameters else ():
        for call in walk(each.node):
            match call:
                case ast.Call(ast.Name("exec")):
                    pass  # Code that executes a string attaches none of its arguments.
                case ast.Call(_, [ast.Name(given), *_]) if given in parameters:
                    yield call
                case _:
                    pass


def _head_holds(node: FunctionNode | ast.ClassDef, names: Names) -> bool:
    """Whether the parts around a function's or class's body contain one of these names."""
    body = {id(each) for each in node.body}
    return any(holds(each, names) for each in children_with_texts(node) if id(each) not in body)


def _is_named(expr: ast.expr, name: str) -> bool:
    return isinstance(expr, ast.Name) and expr.id == name


def assigned_through(scope: Scope) -> list[tuple[str, tuple[int, int]]]:
    """The names whose attributes or items a scope assigns, with the statement's lines."""
    found = [(root_name(target), definition.span) for target, definition in scope.attributes]
    found += [
        (root_name(target), (target.lineno, value.end_lineno or target.lineno)) for target, value, _ in scope.items
    ]
    return [(name, span) for name, span in found if name]


def fed_names(scope: Scope, names: Names) -> set[str]:
    """The names in a scope one of whose methods receives something that can be of upnext, and may keep it."""
    found: set[str] = set()
    for each in scope.fed:
        name = root_name(each.func)
        bound = scope.definitions.get(name, ())
        is_own = any(isinstance(one.binding, Assignment) for one in bound)
        if is_own and not names.is_whole(name) and is_fed(each, names):
            found.add(name)
    return found


def is_fed(call: ast.Call, names: Names) -> bool:
    """Whether a call receives something that can be of upnext."""
    return any(mentions(each, names) for each in (*call.args, *(one.value for one in call.keywords)))


def root_name(expr: ast.expr) -> str:
    """The name at the beginning of `name.attribute[item]`, "" if there is none."""
    while isinstance(expr, ast.Attribute | ast.Subscript):
        expr = expr.value
    return expr.id if isinstance(expr, ast.Name) else ""
