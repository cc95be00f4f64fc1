"""The type parameters of the project's classes: their names, and what stands for each where no argument is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.names.definitions import free_variables, type_variable
from upnext_codegen.names.lookup import Bound, Spot
from upnext_codegen.reading import facts

if TYPE_CHECKING:
    from upnext_codegen.names.evaluate import Evaluator
    from upnext_codegen.names.values import ClassRef


def definition_of(evaluator: Evaluator, ref: ClassRef) -> tuple[facts.Class, Spot]:
    """Return a class, and where its `class` statement stands."""
    known = evaluator.lookup.load(ref.file)
    assert known is not None
    own = known.classes[ref.index]
    return own, Spot(ref.file, own.scope, own.line)


def names_of(evaluator: Evaluator, ref: ClassRef) -> list[str]:
    """List the type parameters of a class."""
    own, spot = definition_of(evaluator, ref)
    if own.type_parameters:
        return [each.name for each in own.type_parameters]
    generic = [base for base in own.bases if isinstance(base, facts.Subscript)]
    explicit = [base for base in generic if last_name(base.value) in {"Generic", "Protocol"}]
    found = [name for base in explicit or generic for name in free_variables(evaluator, base.key, spot)]
    return list(dict.fromkeys(found))


def defaults_of(evaluator: Evaluator, ref: ClassRef) -> list[tuple[str, facts.Expr | None]]:
    """List the type parameters of a class with their defaults."""
    own, spot = definition_of(evaluator, ref)
    if own.type_parameters:
        return [(each.name, each.default) for each in own.type_parameters]
    return [(name, option(evaluator, name, "default", spot)) for name in names_of(evaluator, ref)]


def option(evaluator: Evaluator, name: str, keyword: str, spot: Spot) -> facts.Expr | None:
    """Return what a `TypeVar(...)` was given by keyword, None if nothing."""
    for each in evaluator.lookup.name(spot, name):
        call = type_variable(evaluator, each) if isinstance(each, Bound) else None
        found = next((arg.value for arg in call.args if arg.keyword == keyword), None) if call else None
        if found is not None:
            return found
    return None


def type_statement(evaluator: Evaluator, call: facts.Call, spot: Spot) -> facts.Assigned:
    """Read `TypeAliasType("L", list[T], type_params=(T,))` as the `type L[T] = list[T]` that it stands for."""
    given = {arg.keyword or str(number): arg.value for number, arg in enumerate(call.args)}
    listed = given.get("type_params")
    variables = (
        [each.id for each in listed.items if isinstance(each, facts.Name)] if isinstance(listed, facts.Display) else []
    )
    parameters = tuple(facts.TypeParameter(name, None, option(evaluator, name, "default", spot)) for name in variables)
    return facts.Assigned(given.get("value") or given.get("1"), parameters=parameters)


def last_name(expr: facts.Expr) -> str:
    """Return the last part of a dotted name, "" for anything else."""
    match expr:
        case facts.Name(name) | facts.Attr(_, name):
            return name
        case _:
            return ""
