"""The items of a `NamedTuple` or `namedtuple(...)`, which travels as a plain tuple."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.handlers.annotations import Annotations, UnwritableError
from upnext_codegen.names.annotation_names import definitions
from upnext_codegen.names.evaluator import plain_arguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, Use
from upnext_codegen.names.type_parameters import statement_of
from upnext_codegen.types import ANY, TupleType, Type

if TYPE_CHECKING:
    from upnext_codegen.handlers.annotations import Variables
    from upnext_codegen.names.values import ClassRef


def items_of_class(annotations: Annotations, ref: ClassRef, variables: Variables) -> tuple[TupleType, ...]:
    """The tuple behind `class Point(NamedTuple)`; none for a class that only inherits from one."""
    evaluator = annotations.evaluator
    own, _ = statement_of(ref)
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in own.bases]
    found = [each for base in bases for each in definitions(evaluator, base, Use(ref.definition.scope))]
    if not any(isinstance(each, ExternalName) and each.name.rpartition(".")[2] == "NamedTuple" for each in found):
        return ()
    body = evaluator.body_of(ref)
    items = [
        _item(annotations, each.binding.annotation, Use(body), variables)
        for each in body.every()
        if isinstance(each.binding, Assignment) and each.binding.annotation is not None
    ]
    return (TupleType(tuple(items)),)


def items_of_call(annotations: Annotations, call: ast.Call, use: Use) -> tuple[TupleType, ...]:
    """The tuple behind `NamedTuple(name, [(field, type), ...])` or `namedtuple(name, fields)`."""
    given = plain_arguments(call, use)[1:]
    fields = next((each.value for each in given if each.keyword in {"", "fields", "field_names"}), None)
    match fields:
        case ast.Constant(str() as names):
            return (TupleType((ANY,) * len(names.replace(",", " ").split())),)
        case ast.Tuple(elts=items) | ast.List(elts=items) if not any(isinstance(item, ast.Starred) for item in items):
            return (TupleType(tuple(_field(annotations, item, use) for item in items)),)
        case _:
            return ()


def _field(annotations: Annotations, item: ast.expr, use: Use) -> Type:
    match item:
        case ast.Tuple([_, annotation]):
            return _item(annotations, annotation, use, {})
        case _:
            return ANY


def _item(annotations: Annotations, annotation: ast.expr, use: Use, variables: Variables) -> Type:
    try:
        return annotations.read(annotation, use, variables)
    except UnwritableError:
        return ANY
