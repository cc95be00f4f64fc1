"""The keys of a TypedDict, for `**fields: Unpack[TD]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.handlers.annotations import Annotations, UnwritableError
from upnext_codegen.names import values
from upnext_codegen.names.definitions import definitions
from upnext_codegen.names.lookup import Bound, Spot
from upnext_codegen.names.modules import Outside
from upnext_codegen.names.type_parameters import definition_of, names_of
from upnext_codegen.reading import facts
from upnext_codegen.reading.textual import parsed_annotation
from upnext_codegen.types import ANY, ClassType, Type

if TYPE_CHECKING:
    from upnext_codegen.handlers.annotations import Variables

_DEEPEST = 20
_NO_KEYS = (".TypedDict", ".Generic")
_MARKS = {"Required": True, "NotRequired": False}


class Key(NamedTuple):
    """A key of a TypedDict; it is Any, and `fault` says why, where its type cannot be written."""

    name: str
    type: Type
    required: bool
    fault: UnwritableError | None = None


def keys_of(annotations: Annotations, expr: facts.Expr, spot: Spot, depth: int = 0) -> tuple[Key, ...]:
    """List the keys of a TypedDict and of those it inherits from.

    Raises:
        UnwritableError: It is no TypedDict of the project, or its keys cannot be known.
    """
    if isinstance(expr, facts.Const) and isinstance(expr.value, str):
        expr = parsed_annotation(expr.value)
    base, arguments = (expr, ()) if not isinstance(expr, facts.Subscript) else (expr.value, _items(expr.key))
    for found in definitions(annotations.evaluator, base, spot):
        if isinstance(found, Bound):
            read = tuple(annotations.read(item, spot) for item in arguments)
            alias = _alias(found)
            if alias is not None and depth < _DEEPEST:
                return keys_of(annotations, alias, Spot(found.file, found.scope), depth + 1)
            keys = _keys(annotations, found, read)
            if keys is not None:
                return tuple(keys.values())
    raise UnwritableError("Unpack takes a TypedDict of the project")


def _alias(bound: Bound) -> facts.Expr | None:
    """What stands behind `Order = Line[int]`, `Order: TypeAlias = "Line"` and `type Order = Line`."""
    value = bound.binding.what.value if isinstance(bound.binding.what, facts.Assigned) else None
    return value if isinstance(value, facts.Name | facts.Attr | facts.Subscript | facts.Const) else None


def _items(index: facts.Expr) -> tuple[facts.Expr, ...]:
    return index.items if isinstance(index, facts.Display) else (index,)


def _keys(
    annotations: Annotations, bound: Bound, arguments: tuple[Type, ...], below: tuple[values.ClassRef, ...] = ()
) -> dict[str, Key] | None:
    what = bound.binding.what
    if isinstance(what, facts.DefinedClass):
        return _class_keys(annotations, values.ClassRef(bound.file, what.number), arguments, below)
    if isinstance(what, facts.Assigned) and isinstance(what.value, facts.Call):
        return _call_keys(annotations, bound, what.value)
    return None


def _class_keys(
    annotations: Annotations, ref: values.ClassRef, arguments: tuple[Type, ...], below: tuple[values.ClassRef, ...]
) -> dict[str, Key] | None:
    evaluator = annotations.evaluator
    ancestors = evaluator.ancestors(ref)
    if not any(isinstance(each, Outside) and each.name.endswith(".TypedDict") for each in ancestors):
        return None
    known = evaluator.lookup.load(ref.file)
    assert known is not None
    own, spot = definition_of(evaluator, ref)
    variables = dict(zip(names_of(evaluator, ref), arguments, strict=False))
    keys: dict[str, Key] = {}
    for base in own.bases:
        inner = base.value if isinstance(base, facts.Subscript) else base
        given = _items(base.key) if isinstance(base, facts.Subscript) else ()
        defined = definitions(evaluator, inner, spot)
        foreign = any(isinstance(each, Outside) and not each.name.endswith(_NO_KEYS) for each in defined)
        if not defined or foreign or ref in below:
            raise UnwritableError("the keys of the TypedDict cannot be known")
        for found in defined:
            if isinstance(found, Bound):
                read = tuple(annotations.read(item, spot, variables) for item in given)
                keys |= _keys(annotations, found, read, (*below, ref)) or {}
    total = not any(name == "total" and value == facts.Const(value=False) for name, value in own.keywords)
    for binding in known.scopes[own.body].bindings:
        if isinstance(binding.what, facts.Assigned) and binding.what.annotation is not None:
            here = Spot(ref.file, own.body)
            keys[binding.name] = _key(annotations, binding.name, binding.what.annotation, here, variables, total=total)
    return keys


def _call_keys(annotations: Annotations, bound: Bound, call: facts.Call) -> dict[str, Key] | None:
    spot = Spot(bound.file, bound.scope)
    maker = annotations.evaluator.value(call.func, spot)
    if not isinstance(maker, Outside) or not maker.name.endswith(".TypedDict") or len(call.args) < 2:
        return None
    fields = call.args[1].value
    if not isinstance(fields, facts.Mapping):
        raise UnwritableError("the keys of the TypedDict cannot be known")
    total = not any(arg.keyword == "total" and arg.value == facts.Const(value=False) for arg in call.args)
    keys: dict[str, Key] = {}
    for name, value in fields.pairs:
        if isinstance(name, facts.Const) and isinstance(name.value, str):
            keys[name.value] = _key(annotations, name.value, value, spot, {}, total=total)
    return keys


def _key(
    annotations: Annotations, name: str, annotation: facts.Expr, spot: Spot, variables: Variables, *, total: bool
) -> Key:
    required = total
    expr = annotation
    if isinstance(expr, facts.Const) and isinstance(expr.value, str):
        expr = parsed_annotation(expr.value)
    while isinstance(expr, facts.Subscript):
        found = definitions(annotations.evaluator, expr.value, spot)
        last = found[0].name.rpartition(".")[2] if found and isinstance(found[0], Outside) else ""
        items = _items(expr.key)
        if not items or last not in {*_MARKS, "Annotated", "ReadOnly"}:
            break
        required = _MARKS.get(last, required)
        expr = items[0]
    try:
        read = annotations.read(expr, spot, variables)
    except UnwritableError as fault:
        return Key(name, ANY, required, fault)
    whole_object = read == ClassType("builtins", "object")
    return Key(name, ANY if whole_object else read, required)
