"""TypedDicts: their keys and extra items (PEP 728), for `**f: Unpack[TD]`, and which module they come from."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.handlers.annotations import Annotations, UnwritableError
from upnext_codegen.handlers.field_metadata import former_names
from upnext_codegen.handlers.marks import unmarked
from upnext_codegen.limits import MAX_TYPE_ALIASES
from upnext_codegen.names import private_names, values
from upnext_codegen.names.annotation_names import definitions, external
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, ClassDefinition, Definition, Use
from upnext_codegen.names.type_parameters import names_of, statement_of
from upnext_codegen.reading.string_annotations import unquoted
from upnext_codegen.types import ANY, ClassType, Type

if TYPE_CHECKING:
    from upnext_codegen.handlers.annotations import Variables
    from upnext_codegen.names.evaluator import Evaluator

_NO_KEYS = (".TypedDict", ".Generic")
_NOTHING = frozenset({"Never", "NoReturn"})


class Key(NamedTuple):
    """A key of a TypedDict, and its former names; if its type cannot be written, it is Any, and `fault` says why."""

    name: str
    type: Type
    required: bool
    fault: UnwritableError | None = None
    formerly: tuple[str, ...] = ()


class Items(NamedTuple):
    """The items of a TypedDict.

    Attributes:
        keys: Its keys and those that it inherits.
        further: What `extra_items=` types all further keys as, its own or an inherited one; None without.
    """

    keys: dict[str, Key]
    further: Key | None


def items_of(annotations: Annotations, expr: ast.expr, use: Use, depth: int = 0) -> Items:
    """Return the keys of a TypedDict and its bases, and its possible extra items.

    Raises:
        UnwritableError: It is not a TypedDict of the project, or its keys cannot be known.
    """
    expr = unquoted(expr)
    base, arguments = (expr.value, _arguments(expr.slice)) if isinstance(expr, ast.Subscript) else (expr, [])
    for found in definitions(annotations.evaluator, base, use):
        if isinstance(found, Definition):
            read = tuple(annotations.read(item, use) for item in arguments)
            alias = _alias(found)
            if alias is not None and depth < MAX_TYPE_ALIASES:
                return items_of(annotations, alias, Use(found.scope), depth + 1)
            items = _items(annotations, found, read)
            if items is not None:
                return items
    raise UnwritableError("Unpack takes a TypedDict of the project")


def is_of_typing(evaluator: Evaluator, expr: ast.expr, use: Use) -> bool:
    """Whether an expression is `typing.TypedDict` in each branch of every condition around it."""
    found = definitions(evaluator, expr, use)
    return bool(found) and all(isinstance(each, ExternalName) and each.name == "typing.TypedDict" for each in found)


def is_from_typing(evaluator: Evaluator, ref: values.ClassRef) -> bool:
    """Whether a class is, or inherits from, a TypedDict that certainly comes from `typing` itself."""
    for cls in evaluator.ancestors(ref):
        if isinstance(cls, values.ClassRef):
            own, use = statement_of(cls)
            bases = [base.value if isinstance(base, ast.Subscript) else base for base in own.bases]
            if any(is_of_typing(evaluator, base, use) for base in bases):
                return True
    return False


def _alias(definition: Definition) -> ast.expr | None:
    """The value behind `Order = Line[int]`, `Order: TypeAlias = "Line"` and `type Order = Line`."""
    value = definition.binding.value if isinstance(definition.binding, Assignment) else None
    return value if isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Constant) else None


def _arguments(index: ast.expr) -> list[ast.expr]:
    return index.elts if isinstance(index, ast.Tuple | ast.List) else [index]


def _items(
    annotations: Annotations,
    definition: Definition,
    arguments: tuple[Type, ...],
    below: tuple[values.ClassRef, ...] = (),
) -> Items | None:
    binding = definition.binding
    if isinstance(binding, ClassDefinition):
        return _class_items(annotations, values.ClassRef(definition), arguments, below)
    if isinstance(binding, Assignment) and isinstance(binding.value, ast.Call):
        return _call_items(annotations, definition, binding.value)
    return None


def _class_items(
    annotations: Annotations, ref: values.ClassRef, arguments: tuple[Type, ...], below: tuple[values.ClassRef, ...]
) -> Items | None:
    evaluator = annotations.evaluator
    ancestors = evaluator.ancestors(ref)
    if not any(isinstance(each, ExternalName) and each.name.endswith(".TypedDict") for each in ancestors):
        return None
    own, use = statement_of(ref)
    variables = dict(zip(names_of(evaluator, ref), arguments, strict=False))
    keys, further = dict[str, Key](), list[Key | None]()
    for base in own.bases:
        inner = base.value if isinstance(base, ast.Subscript) else base
        given = _arguments(base.slice) if isinstance(base, ast.Subscript) else []
        defined = definitions(evaluator, inner, use)
        foreign = any(isinstance(each, ExternalName) and not each.name.endswith(_NO_KEYS) for each in defined)
        if not defined or foreign or ref in below:
            raise UnwritableError("the keys of the TypedDict cannot be known")
        for found in defined:
            if isinstance(found, Definition):
                read = tuple(annotations.read(item, use, variables) for item in given)
                inherited = _items(annotations, found, read, (*below, ref))
                if inherited is not None:
                    keys |= inherited.keys
                    further.append(inherited.further)
    body = evaluator.body_of(ref)
    for each in body.every():
        if isinstance(each.binding, Assignment) and each.binding.annotation is not None:
            written = each.binding.annotation
            name = private_names.at_run_time(each.name, body)
            keys[name] = _key(annotations, name, written, Use(body), variables, total=_is_total(own.keywords))
    inherits = next((each for each in further if each is not None), None)
    return Items(keys, _further(annotations, own.keywords, use, variables, inherits))


def _call_items(annotations: Annotations, definition: Definition, call: ast.Call) -> Items | None:
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
    return Items(keys, _further(annotations, call.keywords, use, {}, None))


def _further(
    annotations: Annotations, keywords: list[ast.keyword], use: Use, variables: Variables, inherited: Key | None
) -> Key | None:
    """The extra items by `extra_items=` and `closed=`, or inherited if they are not given."""
    for each in keywords:
        if each.arg == "closed" and isinstance(each.value, ast.Constant) and each.value.value is True:
            return None
        if each.arg == "extra_items":
            last = external(annotations.evaluator, unquoted(each.value), use)
            if last == "NoExtraItems":
                return inherited
            return None if last in _NOTHING else _key(annotations, "", each.value, use, variables, total=False)
    return inherited


def _is_total(keywords: list[ast.keyword]) -> bool:
    return not any(
        each.arg == "total" and isinstance(each.value, ast.Constant) and each.value.value is False for each in keywords
    )


def _key(
    annotations: Annotations, name: str, annotation: ast.expr, use: Use, variables: Variables, *, total: bool
) -> Key:
    formerly = former_names(annotations.evaluator, annotation, use)
    expr, mark = unmarked(annotations.evaluator, annotation, use)
    required = total if mark is None else mark
    try:
        read = annotations.read(expr, use, variables)
    except UnwritableError as fault:
        return Key(name, ANY, required, fault, formerly)
    whole_object = read == ClassType("builtins", "object")
    return Key(name, ANY if whole_object else read, required, formerly=formerly)
