"""The items of named tuples: what a `NamedTuple` or `namedtuple(...)` is as a plain tuple."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.handlers.annotations import Annotations, UnwritableError
from upnext_codegen.names.definitions import definitions
from upnext_codegen.names.lookup import Spot
from upnext_codegen.names.modules import Outside
from upnext_codegen.reading import facts
from upnext_codegen.types import ANY, TupleType, Type

if TYPE_CHECKING:
    from upnext_codegen.handlers.annotations import Variables
    from upnext_codegen.names.values import ClassRef


def items_of_class(annotations: Annotations, ref: ClassRef, variables: Variables) -> tuple[TupleType, ...]:
    """The tuple that `class Point(NamedTuple)` is; none for a class that only inherits from such a one."""
    known = annotations.evaluator.lookup.load(ref.file)
    own = known.classes[ref.index] if known else None
    if known is None or own is None:
        return ()
    bases = [base.value if isinstance(base, facts.Subscript) else base for base in own.bases]
    found = [each for base in bases for each in definitions(annotations.evaluator, base, Spot(ref.file, own.scope))]
    if not any(isinstance(each, Outside) and each.name.rpartition(".")[2] == "NamedTuple" for each in found):
        return ()
    spot = Spot(ref.file, own.body)
    items = [
        _item(annotations, binding.what.annotation, spot, variables)
        for binding in known.scopes[own.body].bindings
        if isinstance(binding.what, facts.Assigned) and binding.what.annotation is not None
    ]
    return (TupleType(tuple(items)),)


def items_of_call(annotations: Annotations, call: facts.Call, spot: Spot) -> tuple[TupleType, ...]:
    """The tuple that `NamedTuple(name, [(field, type), ...])` or `namedtuple(name, fields)` makes."""
    fields = next((arg.value for arg in call.args[1:] if arg.keyword in {"", "fields", "field_names"}), None)
    match fields:
        case facts.Const(str() as names):
            return (TupleType((ANY,) * len(names.replace(",", " ").split())),)
        case facts.Display(_, items) if not any(isinstance(item, facts.Starred) for item in items):
            return (TupleType(tuple(_field(annotations, item, spot) for item in items)),)
        case _:
            return ()


def _field(annotations: Annotations, item: facts.Expr, spot: Spot) -> Type:
    match item:
        case facts.Display("tuple", (_, annotation)):
            return _item(annotations, annotation, spot, {})
        case _:
            return ANY


def _item(annotations: Annotations, annotation: facts.Expr, spot: Spot, variables: Variables) -> Type:
    try:
        return annotations.read(annotation, spot, variables)
    except UnwritableError:
        return ANY
