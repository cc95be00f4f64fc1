"""The variance of the type parameters of the project's classes, declared or inferred.

A parameter in brackets says nothing of its variance. Type checkers look at what the class does with it: where nothing
can be put in, `Box[int]` is a `Box[object]`. Only classes whose fields cannot be assigned are looked at, for those are
the ones that a payload brings; every other parameter is invariant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.handlers.canonical import canonical
from upnext_codegen.merging.standard import STANDARD
from upnext_codegen.names import values
from upnext_codegen.names.definitions import definitions, names_in
from upnext_codegen.names.lookup import Bound, Spot
from upnext_codegen.names.modules import Outside
from upnext_codegen.names.type_parameters import definition_of, last_name, names_of, option
from upnext_codegen.reading import facts
from upnext_codegen.reading.textual import parsed_annotation

if TYPE_CHECKING:
    from upnext_codegen.names.evaluate import Evaluator

_VARIANCES = {"covariant": "covariant", "contravariant": "contravariant"}
_BOTH = frozenset({1, -1})
_TRANSPARENT = frozenset({"Annotated", "Final", "NotRequired", "Optional", "ReadOnly", "Required", "Union"})


@dataclass(frozen=True, slots=True)
class Variances:
    """Works variances out.

    Attributes:
        evaluator: Knows the values of names.
        kind_of: Says of what kind a class is, as `ClassFacts` has it.
    """

    evaluator: Evaluator
    kind_of: Callable[[values.ClassRef], str]
    _active: set[tuple[values.ClassRef, str]] = field(default_factory=set[tuple[values.ClassRef, str]])

    def of(self, ref: values.ClassRef) -> tuple[tuple[str, str], ...]:
        """List the type parameters of a class with their variances."""
        own, spot = definition_of(self.evaluator, ref)
        names = names_of(self.evaluator, ref)
        if not own.type_parameters:
            return tuple((name, self._declared(name, spot)) for name in names)
        return tuple((name, self._inferred(ref, name)) for name in names)

    def _declared(self, name: str, spot: Spot) -> str:
        for keyword, variance in _VARIANCES.items():
            if option(self.evaluator, name, keyword, spot) == facts.Const(value=True):
                return variance
        return "invariant"

    def _inferred(self, ref: values.ClassRef, name: str) -> str:
        own, spot = definition_of(self.evaluator, ref)
        kind = self.kind_of(ref)
        if not _is_read_only(own, kind):
            return "invariant"
        if (ref, name) in self._active:
            return "covariant"  # A class that refers to itself is whatever the rest of it makes of it.
        self._active.add((ref, name))
        try:
            return "invariant" if -1 in self._all_signs(ref, own, kind, name, spot) else "covariant"
        finally:
            self._active.discard((ref, name))

    def _all_signs(self, ref: values.ClassRef, own: facts.Class, kind: str, name: str, spot: Spot) -> set[int]:
        known = self.evaluator.lookup.load(ref.file)
        assert known is not None
        signs = {sign for base in own.bases for sign in self._signs(base, name, spot)}
        here = Spot(ref.file, own.body)
        for binding in known.scopes[own.body].bindings:
            match binding.what:
                case facts.Assigned(_, annotation) if annotation is not None:
                    signs |= self._field_signs(annotation, name, here, kind)
                case facts.DefinedFunction(number):
                    signs |= self._method_signs(ref.file, number, name, here)
                case _:
                    pass
        return signs

    def _field_signs(self, annotation: facts.Expr, name: str, spot: Spot, kind: str) -> set[int]:
        signs = self._signs(annotation, name, spot)
        read_only = kind != "typeddict" or self._is_marked_read_only(annotation, spot)
        return signs if read_only or not signs else {*_BOTH}

    def _is_marked_read_only(self, annotation: facts.Expr, spot: Spot) -> bool:
        while isinstance(annotation, facts.Subscript):
            last = self._outside(annotation.value, spot).rpartition(".")[2]
            if last == "ReadOnly":
                return True
            if last not in {"Required", "NotRequired", "Annotated"}:
                return False
            annotation = next(iter(_items(annotation.key)), facts.Unknown())
        return False

    def _method_signs(self, file: str, number: int, name: str, spot: Spot) -> set[int]:
        own = self.evaluator.lookup.function(file, number)
        if own is None or own.name in {"__init__", "__new__", "__post_init__"}:
            return set()
        found = self._signs(own.annotation, name, spot)
        for formal in own.parameters:
            found |= {-sign for sign in self._signs(formal.annotation, name, spot)}
        return found

    def _signs(self, expr: facts.Expr | None, name: str, spot: Spot) -> set[int]:
        """Say how a parameter is used in a type: 1 where it comes out, -1 where it goes in, both in doubt."""
        if isinstance(expr, facts.Const) and isinstance(expr.value, str):
            expr = parsed_annotation(expr.value)
        if expr is None or name not in names_in(expr):
            return set()
        match expr:
            case facts.Name():
                return {1}
            case facts.Binary("|", left, right):
                return self._signs(left, name, spot) | self._signs(right, name, spot)
            case facts.Subscript(base, key):
                return self._argument_signs(base, _items(key), name, spot)
            case _:
                return {*_BOTH}

    def _argument_signs(self, base: facts.Expr, items: tuple[facts.Expr, ...], name: str, spot: Spot) -> set[int]:
        found = definitions(self.evaluator, base, spot)
        what = found[0].binding.what if found and isinstance(found[0], Bound) else None
        if isinstance(what, facts.DefinedClass) and isinstance(found[0], Bound):
            variances = [variance for _, variance in self.of(values.ClassRef(found[0].file, what.number))]
        else:
            variances = _variances(self._outside(base, spot), len(items))
        signs = set[int]()
        for number, item in enumerate(items):
            here = self._signs(item, name, spot)
            covariant = number < len(variances) and variances[number] == "covariant"
            signs |= here if covariant or not here else _BOTH
        return signs

    def _outside(self, expr: facts.Expr, spot: Spot) -> str:
        found = definitions(self.evaluator, expr, spot)
        return found[0].name if found and isinstance(found[0], Outside) else ""


def _variances(name: str, count: int) -> list[str]:
    """The variances of a class outside the project, by its full name."""
    if name.rpartition(".")[2] in _TRANSPARENT or canonical(name) == ("builtins", "tuple"):
        return ["covariant"] * count
    known = STANDARD.get(":".join(canonical(name)))
    return [variance for _, variance in known.type_parameters] if known else []


def _is_read_only(own: facts.Class, kind: str) -> bool:
    if kind in {"namedtuple", "typeddict"}:
        return True
    frozen = ("frozen", facts.Const(value=True))
    if kind == "model":
        return frozen in own.keywords
    calls = [each.value for each in own.decorators if isinstance(each.value, facts.Call)]
    made = [call for call in calls if last_name(call.func) == "dataclass"]
    return kind == "dataclass" and any((arg.keyword, arg.value) == frozen for call in made for arg in call.args)


def _items(key: facts.Expr) -> tuple[facts.Expr, ...]:
    return key.items if isinstance(key, facts.Display) else (key,)
