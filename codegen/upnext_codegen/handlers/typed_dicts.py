"""TypedDicts: their keys, for `**fields: Unpack[TD]`, and which of the two modules that have it makes them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.handlers.annotations import Annotations, UnwritableError
from upnext_codegen.handlers.field_metadata import former_names
from upnext_codegen.names import values
from upnext_codegen.names.annotation_names import definitions, external
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, ClassDefinition, Definition, Use
from upnext_codegen.names.type_parameters import names_of, statement_of
from upnext_codegen.reading.string_annotations import unquoted
from upnext_codegen.types import ANY, ClassType, Type

if TYPE_CHECKING:
    from upnext_codegen.handlers.annotations import Variables
    from upnext_codegen.names.evaluator import Evaluator

_DEEPEST = 20
_NO_KEYS = (".TypedDict", ".Generic")
_MARKS = {"Required": True, "NotRequired": False}


class Key(NamedTuple):
    """A key of a TypedDict, and its former names; it is Any, and `fault` says why, where its type cannot be written."""

    name: str
    type: Type
    required: bool
    fault: UnwritableError | None = None
    formerly: tuple[str, ...] = ()


def keys_of(annotations: Annotations, expr: ast.expr, use: Use, depth: int = 0) -> tuple[Key, ...]:
    """List the keys of a TypedDict and of those it inherits from.

    Raises:
        UnwritableError: It is no TypedDict of the project, or its keys cannot be known.
    """
    expr = unquoted(expr)
    base, arguments = (expr.value, _items(expr.slice)) if isinstance(expr, ast.Subscript) else (expr, [])
    for found in definitions(annotations.evaluator, base, use):
        if isinstance(found, Definition):
            read = tuple(annotations.read(item, use) for item in arguments)
            alias = _alias(found)
            if alias is not None and depth < _DEEPEST:
                return keys_of(annotations, alias, Use(found.scope), depth + 1)
            keys = _keys(annotations, found, read)
            if keys is not None:
                return tuple(keys.values())
    raise UnwritableError("Unpack takes a TypedDict of the project")


def is_of_typing(evaluator: Evaluator, expr: ast.expr, use: Use) -> bool:
    """Whether an expression is `typing.TypedDict` in each arm of every condition that it depends on."""
    found = definitions(evaluator, expr, use)
    return bool(found) and all(isinstance(each, ExternalName) and each.name == "typing.TypedDict" for each in found)


def is_from_typing(evaluator: Evaluator, ref: values.ClassRef) -> bool:
    """Whether a class is, or inherits from, a TypedDict that is certainly of `typing` itself."""
    for cls in evaluator.ancestors(ref):
        if isinstance(cls, values.ClassRef):
            own, use = statement_of(cls)
            bases = [base.value if isinstance(base, ast.Subscript) else base for base in own.bases]
            if any(is_of_typing(evaluator, base, use) for base in bases):
                return True
    return False


def _alias(definition: Definition) -> ast.expr | None:
    """What stands behind `Order = Line[int]`, `Order: TypeAlias = "Line"` and `type Order = Line`."""
    value = definition.binding.value if isinstance(definition.binding, Assignment) else None
    return value if isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Constant) else None


def _items(index: ast.expr) -> list[ast.expr]:
    return index.elts if isinstance(index, ast.Tuple | ast.List) else [index]


def _keys(
    annotations: Annotations,
    definition: Definition,
    arguments: tuple[Type, ...],
    below: tuple[values.ClassRef, ...] = (),
) -> dict[str, Key] | None:
    binding = definition.binding
    if isinstance(binding, ClassDefinition):
        return _class_keys(annotations, values.ClassRef(definition), arguments, below)
    if isinstance(binding, Assignment) and isinstance(binding.value, ast.Call):
        return _call_keys(annotations, definition, binding.value)
    return None


def _class_keys(
    annotations: Annotations, ref: values.ClassRef, arguments: tuple[Type, ...], below: tuple[values.ClassRef, ...]
) -> dict[str, Key] | None:
    evaluator = annotations.evaluator
    ancestors = evaluator.ancestors(ref)
    if not any(isinstance(each, ExternalName) and each.name.endswith(".TypedDict") for each in ancestors):
        return None
    own, use = statement_of(ref)
    variables = dict(zip(names_of(evaluator, ref), arguments, strict=False))
    keys: dict[str, Key] = {}
    for base in own.bases:
        inner = base.value if isinstance(base, ast.Subscript) else base
        given = _items(base.slice) if isinstance(base, ast.Subscript) else []
        defined = definitions(evaluator, inner, use)
        foreign = any(isinstance(each, ExternalName) and not each.name.endswith(_NO_KEYS) for each in defined)
        if not defined or foreign or ref in below:
            raise UnwritableError("the keys of the TypedDict cannot be known")
        for found in defined:
            if isinstance(found, Definition):
                read = tuple(annotations.read(item, use, variables) for item in given)
                keys |= _keys(annotations, found, read, (*below, ref)) or {}
    body = evaluator.body_of(ref)
    for each in body.every():
        if isinstance(each.binding, Assignment) and each.binding.annotation is not None:
            written = each.binding.annotation
            keys[each.name] = _key(annotations, each.name, written, Use(body), variables, total=_is_total(own.keywords))
    return keys


def _call_keys(annotations: Annotations, definition: Definition, call: ast.Call) -> dict[str, Key] | None:
    use = Use(definition.scope)
    maker = annotations.evaluator.value(call.func, use)
    if not isinstance(maker, ExternalName) or not maker.name.endswith(".TypedDict"):
        return None
    if len(call.args) + len(call.keywords) < 2:
        return None
    fields = call.args[1] if len(call.args) > 1 else call.keywords[1 - len(call.args)].value
    if not isinstance(fields, ast.Dict):
        raise UnwritableError("the keys of the TypedDict cannot be known")
    keys: dict[str, Key] = {}
    for name, value in zip(fields.keys, fields.values, strict=True):
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            keys[name.value] = _key(annotations, name.value, value, use, {}, total=_is_total(call.keywords))
    return keys


def _is_total(keywords: list[ast.keyword]) -> bool:
    return not any(
        each.arg == "total" and isinstance(each.value, ast.Constant) and each.value.value is False for each in keywords
    )


def _key(
    annotations: Annotations, name: str, annotation: ast.expr, use: Use, variables: Variables, *, total: bool
) -> Key:
    required, formerly = total, former_names(annotations.evaluator, annotation, use)
    expr = unquoted(annotation)
    while isinstance(expr, ast.Subscript):
        last = external(annotations.evaluator, expr.value, use)
        items = _items(expr.slice)
        if not items or last not in {*_MARKS, "Annotated", "ReadOnly"}:
            break
        required = _MARKS.get(last, required)
        expr = items[0]
    try:
        read = annotations.read(expr, use, variables)
    except UnwritableError as fault:
        return Key(name, ANY, required, fault, formerly)
    whole_object = read == ClassType("builtins", "object")
    return Key(name, ANY if whole_object else read, required, formerly=formerly)
