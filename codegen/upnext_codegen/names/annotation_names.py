"""Resolves names in annotations, and lists the names of classes and type variables there."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

from upnext_codegen.limits import MAX_TYPE_ALIASES
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import alternatives, is_none
from upnext_codegen.names.lookup import DynamicMember, Source
from upnext_codegen.names.modules import ExternalName, ModuleRef
from upnext_codegen.names.scopes import Assignment, ClassDefinition, Definition, Scope, Use
from upnext_codegen.reading.string_annotations import unquoted

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Evaluator


def definitions(evaluator: Evaluator, expr: ast.expr, use: Use, depth: int = 0) -> tuple[Source, ...]:
    """Find the definitions of a dotted name in an annotation, through modules, classes and aliases."""
    if depth > MAX_TYPE_ALIASES:
        return ()
    match unquoted(expr):
        case ast.Name(name):
            return _nearest(_unwrapped(evaluator, evaluator.lookup.name(use, name), depth))
        case ast.Attribute(base, attr):
            owners = definitions(evaluator, base, use, depth + 1)
            found = [one for owner in owners for one in _attribute(evaluator, owner, attr, use)]
            return _nearest(_unwrapped(evaluator, tuple(found), depth))
        case _:
            return ()


def external(evaluator: Evaluator, expr: ast.expr, use: Use) -> str:
    """The last name of an external expression, "" for anything else."""
    found = definitions(evaluator, expr, use)
    return found[0].name.rpartition(".")[2] if found and isinstance(found[0], ExternalName) else ""


def _unwrapped(evaluator: Evaluator, found: tuple[Source, ...], depth: int) -> tuple[Source, ...]:
    """Look through `M = models`, so that `M.Order` is found."""
    result: list[Source] = []
    for each in found:
        inner = _plain_alias(each)
        if isinstance(each, DynamicMember):
            continue
        if inner is None or not isinstance(each, Definition):
            result.append(each)
        elif isinstance(inner, ast.Name) and inner.id == each.name:
            earlier = evaluator.lookup.name(each.use, each.name, without=each)
            result += _unwrapped(evaluator, earlier, depth + 1) if depth < MAX_TYPE_ALIASES else ()
        else:
            result += definitions(evaluator, inner, each.use, depth + 1)
    return tuple(result)


def _nearest(found: tuple[Source, ...]) -> tuple[Source, ...]:
    """Put the project's definitions before imports from another package in other branches, which may be missing."""
    if not any(isinstance(each, Definition) and not _is_placeholder(each) for each in found):
        return found
    return tuple(sorted(found, key=lambda each: isinstance(each, ExternalName) and not _is_standard(each)))


def _is_placeholder(definition: Definition) -> bool:
    """Whether it is `Model = None`, after a failed import."""
    binding = definition.binding
    return isinstance(binding, Assignment) and (binding.value is None or is_none(binding.value))


def _is_standard(source: ExternalName) -> bool:
    return source.name.partition(".")[0] in sys.stdlib_module_names


def _plain_alias(source: Source) -> ast.expr | None:
    binding = source.binding if isinstance(source, Definition) else None
    if not isinstance(binding, Assignment) or binding.parameters:
        return None
    return binding.value if isinstance(binding.value, ast.Name | ast.Attribute) else None


def _attribute(evaluator: Evaluator, owner: Source, attr: str, use: Use) -> tuple[Source, ...]:
    match owner:
        case ModuleRef() | ExternalName():
            return evaluator.lookup.attribute(owner, attr, use.file)
        case Definition() if isinstance(owner.binding, ClassDefinition):
            for each in evaluator.ancestors(values.ClassRef(owner)):
                found = _in_class(evaluator, each, attr)
                if found:
                    return found
            return ()
        case _:
            return ()


def _in_class(evaluator: Evaluator, cls: values.Value, attr: str) -> tuple[Source, ...]:
    if not isinstance(cls, values.ClassRef):
        return ()
    body = evaluator.body_of(cls)
    return evaluator.lookup.name(Use(body), attr) if attr in body.definitions else ()


def class_qualname(evaluator: Evaluator, cls: values.ClassRef) -> str:
    """The dotted name of a class in its module."""
    names = [cls.definition.name]
    scope: Scope = cls.definition.scope
    while scope.kind == "class" and scope.parent is not None:
        outer = evaluator.class_of(scope)
        assert outer is not None
        names.append(outer.definition.name)
        scope = scope.parent
    return ".".join(reversed(names))


def alias_qualname(evaluator: Evaluator, definition: Definition) -> str:
    """The dotted name of an alias in its module, "" where it is local to a function."""
    scope = definition.scope
    if scope.kind == "module":
        return definition.name
    cls = evaluator.class_of(scope) if scope.kind == "class" else None
    if cls is None or is_local(cls):
        return ""
    return f"{class_qualname(evaluator, cls)}.{definition.name}"


def class_module(evaluator: Evaluator, file: str) -> str:
    """The module of a file, as types name it; "" if no import statement can name it."""
    modules = evaluator.lookup.modules
    return modules.unique_name_of(file) if modules.can_import(file) else ""


def is_local(cls: values.ClassRef) -> bool:
    """Whether a class is defined inside a function."""
    scope: Scope | None = cls.definition.scope
    while scope is not None:
        if scope.kind == "function":
            return True
        scope = scope.parent
    return False


def type_variable(evaluator: Evaluator, definition: Definition) -> ast.Call | None:
    """The call that creates a type variable, None for anything else."""
    binding = definition.binding
    if not isinstance(binding, Assignment) or not isinstance(binding.value, ast.Call):
        return None
    maker = evaluator.value(binding.value.func, Use(definition.scope, definition.line))
    names = {"typing.TypeVar", "typing_extensions.TypeVar"}
    return binding.value if isinstance(maker, ExternalName) and maker.name in names else None


def free_variables(evaluator: Evaluator, expr: ast.expr, use: Use) -> list[str]:
    """The names of the type variables in an expression, in order of their first appearance."""
    found: list[str] = []
    for name in names_in(expr):
        for each in evaluator.lookup.name(use, name):
            if isinstance(each, Definition) and type_variable(evaluator, each) is not None and name not in found:
                found.append(name)
    return found


def names_in(expr: ast.expr) -> list[str]:
    """The names in an annotation, including quoted ones."""
    expr = unquoted(expr)
    match expr:
        case ast.Name(name):
            return [name]
        case ast.Attribute(value):
            return names_in(value)
        case ast.Subscript(value, index):
            return [*names_in(value), *names_in(index)]
        case ast.BinOp(_, ast.BitOr(), _):
            return [name for side in alternatives(expr) for name in names_in(side)]
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return [name for item in items for name in names_in(item)]
        case _:
            return []
