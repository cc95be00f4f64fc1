"""The type parameters of the project's classes, and what stands for them where no argument is given."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.names.annotation_names import free_variables, type_variable
from upnext_codegen.names.evaluator import class_node
from upnext_codegen.names.scopes import Assignment, Definition, TypeParameter, Use, type_parameters

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.values import ClassRef


def statement_of(ref: ClassRef) -> tuple[ast.ClassDef, Use]:
    """Return the `class` statement of a class, and its place."""
    return class_node(ref), Use(ref.definition.scope, ref.definition.line)


def names_of(evaluator: Evaluator, ref: ClassRef) -> list[str]:
    """List the type parameters of a class."""
    own, use = statement_of(ref)
    declared = type_parameters(own)
    if declared:
        return [each.name for each in declared]
    generic = [base for base in own.bases if isinstance(base, ast.Subscript)]
    explicit = [base for base in generic if last_name(base.value) in {"Generic", "Protocol"}]
    found = [name for base in explicit or generic for name in free_variables(evaluator, base.slice, use)]
    return list(dict.fromkeys(found))


def defaults_of(evaluator: Evaluator, ref: ClassRef) -> list[tuple[str, ast.expr | None]]:
    """List the type parameters of a class with their defaults."""
    own, use = statement_of(ref)
    declared = type_parameters(own)
    if declared:
        return [(each.name, each.default) for each in declared]
    return [(name, option(evaluator, name, "default", use)) for name in names_of(evaluator, ref)]


def option(evaluator: Evaluator, name: str, keyword: str, use: Use) -> ast.expr | None:
    """Return a keyword argument of a `TypeVar(...)`, None if there is none."""
    for each in evaluator.lookup.name(use, name):
        call = type_variable(evaluator, each) if isinstance(each, Definition) else None
        found = next((arg.value for arg in call.keywords if arg.arg == keyword), None) if call else None
        if found is not None:
            return found
    return None


def type_statement(evaluator: Evaluator, call: ast.Call, use: Use) -> Assignment:
    """Read `TypeAliasType("L", list[T], type_params=(T,))` as the equivalent `type L[T] = list[T]`."""
    given = {str(number): arg for number, arg in enumerate(call.args)}
    given |= {arg.arg: arg.value for arg in call.keywords if arg.arg}
    listed = given.get("type_params")
    names = [each.id for each in listed.elts if isinstance(each, ast.Name)] if isinstance(listed, ast.Tuple) else []
    parameters = tuple(TypeParameter(name, None, option(evaluator, name, "default", use)) for name in names)
    return Assignment(given.get("value") or given.get("1"), parameters=parameters)


def last_name(expr: ast.expr) -> str:
    """Return the last part of a dotted name, "" for anything else."""
    match expr:
        case ast.Name(name) | ast.Attribute(_, name):
            return name
        case _:
            return ""
