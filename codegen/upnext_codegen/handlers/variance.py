"""The variance of the type parameters of the project's classes, declared or inferred.

A type parameter in brackets does not declare its variance. Type checkers infer it from the class: if nothing can be
put in, `Box[int]` is a `Box[object]`. Only classes whose fields cannot be assigned are examined; every other parameter
counts as invariant.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.handlers.canonical import canonical
from upnext_codegen.merging.standard import STANDARD
from upnext_codegen.names import values
from upnext_codegen.names.annotation_names import definitions, names_in
from upnext_codegen.names.evaluator import alternatives
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import (
    Assignment,
    ClassDefinition,
    Definition,
    FunctionDefinition,
    FunctionNode,
    Use,
    arguments_of,
    type_parameters,
)
from upnext_codegen.names.type_parameters import last_name, names_of, option, statement_of
from upnext_codegen.reading.string_annotations import unquoted

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Evaluator

_VARIANCES = {"covariant": "covariant", "contravariant": "contravariant"}
_BOTH = frozenset({1, -1})
_TRANSPARENT = frozenset({"Annotated", "Final", "NotRequired", "Optional", "ReadOnly", "Required", "Union"})


@dataclass(frozen=True, slots=True)
class Variances:
    """Determines variances.

    Attributes:
        evaluator: Knows the values of names.
        kind_of: Says of what kind a class is, as `ClassFacts` has it.
    """

    evaluator: Evaluator
    kind_of: Callable[[values.ClassRef], str]
    _active: set[tuple[values.ClassRef, str]] = field(default_factory=set[tuple[values.ClassRef, str]])

    def of(self, ref: values.ClassRef) -> tuple[tuple[str, str], ...]:
        """List the type parameters of a class with their variances."""
        own, use = statement_of(ref)
        names = names_of(self.evaluator, ref)
        if not type_parameters(own):
            return tuple((name, self._declared(name, use)) for name in names)
        return tuple((name, self._inferred(ref, name)) for name in names)

    def _declared(self, name: str, use: Use) -> str:
        for keyword, variance in _VARIANCES.items():
            if _is_true(option(self.evaluator, name, keyword, use)):
                return variance
        return "invariant"

    def _inferred(self, ref: values.ClassRef, name: str) -> str:
        own, use = statement_of(ref)
        kind = self.kind_of(ref)
        if not _is_read_only(own, kind):
            return "invariant"
        if (ref, name) in self._active:
            return "covariant"  # A class's reference to itself is decided by the rest of the class.
        self._active.add((ref, name))
        try:
            return "invariant" if -1 in self._all_signs(ref, own, kind, name, use) else "covariant"
        finally:
            self._active.discard((ref, name))

    def _all_signs(self, ref: values.ClassRef, own: ast.ClassDef, kind: str, name: str, use: Use) -> set[int]:
        body = self.evaluator.body_of(ref)
        signs = {sign for base in own.bases for sign in self._signs(base, name, use)}
        for each in body.every():
            match each.binding:
                case Assignment(_, annotation) if annotation is not None:
                    signs |= self._field_signs(annotation, name, Use(body), kind)
                case FunctionDefinition(node):
                    signs |= self._method_signs(node, name, Use(body))
                case _:
                    pass
        return signs

    def _field_signs(self, annotation: ast.expr, name: str, use: Use, kind: str) -> set[int]:
        signs = self._signs(annotation, name, use)
        read_only = kind != "typeddict" or self._is_marked_read_only(annotation, use)
        return signs if read_only or not signs else {*_BOTH}

    def _is_marked_read_only(self, annotation: ast.expr, use: Use) -> bool:
        while isinstance(annotation, ast.Subscript):
            last = self._external(annotation.value, use).rpartition(".")[2]
            if last == "ReadOnly":
                return True
            if last not in {"Required", "NotRequired", "Annotated"}:
                return False
            annotation = next(iter(_items(annotation.slice)), annotation.value)
        return False

    def _method_signs(self, own: FunctionNode, name: str, use: Use) -> set[int]:
        if own.name in {"__init__", "__new__", "__post_init__"}:
            return set()
        found = self._signs(own.returns, name, use)
        for each in arguments_of(own):
            found |= {-sign for sign in self._signs(each.annotation, name, use)}
        return found

    def _signs(self, expr: ast.expr | None, name: str, use: Use) -> set[int]:
        """Return how a parameter is used in a type: 1 as output, -1 as input, both if in doubt."""
        expr = None if expr is None else unquoted(expr)
        if expr is None or name not in names_in(expr):
            return set()
        match expr:
            case ast.Name():
                return {1}
            case ast.BinOp(_, ast.BitOr(), _):
                return {sign for side in alternatives(expr) for sign in self._signs(side, name, use)}
            case ast.Subscript(base, key):
                return self._argument_signs(base, _items(key), name, use)
            case _:
                return {*_BOTH}

    def _argument_signs(self, base: ast.expr, items: list[ast.expr], name: str, use: Use) -> set[int]:
        found = definitions(self.evaluator, base, use)
        first = found[0] if found else None
        if isinstance(first, Definition) and isinstance(first.binding, ClassDefinition):
            variances = [variance for _, variance in self.of(values.ClassRef(first))]
        else:
            variances = _variances(self._external(base, use), len(items))
        signs = set[int]()
        for number, item in enumerate(items):
            here = self._signs(item, name, use)
            covariant = number < len(variances) and variances[number] == "covariant"
            signs |= here if covariant or not here else _BOTH
        return signs

    def _external(self, expr: ast.expr, use: Use) -> str:
        found = definitions(self.evaluator, expr, use)
        return found[0].name if found and isinstance(found[0], ExternalName) else ""


def _variances(name: str, count: int) -> list[str]:
    """The variances of an external class, by its full name."""
    if name.rpartition(".")[2] in _TRANSPARENT or canonical(name) == ("builtins", "tuple"):
        return ["covariant"] * count
    known = STANDARD.get(":".join(canonical(name)))
    return [variance for _, variance in known.type_parameters] if known else []


def _is_read_only(own: ast.ClassDef, kind: str) -> bool:
    if kind in {"namedtuple", "typeddict"}:
        return True
    if kind == "model":
        return _has_frozen(own.keywords)
    calls = [each for each in own.decorator_list if isinstance(each, ast.Call)]
    made = [call for call in calls if last_name(call.func) == "dataclass"]
    return kind == "dataclass" and any(_has_frozen(call.keywords) for call in made)


def _has_frozen(keywords: list[ast.keyword]) -> bool:
    return any(each.arg == "frozen" and _is_true(each.value) for each in keywords)


def _is_true(expr: ast.expr | None) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is True


def _items(key: ast.expr) -> list[ast.expr]:
    return key.elts if isinstance(key, ast.Tuple | ast.List) else [key]
