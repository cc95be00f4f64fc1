"""Names in annotations to their definitions, and what classes and type variables are called there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.lookup import Bound, Definition, Spot
from upnext_codegen.names.modules import ModuleRef, Outside
from upnext_codegen.reading import facts
from upnext_codegen.reading.textual import parsed_annotation

if TYPE_CHECKING:
    from upnext_codegen.names.evaluate import Evaluator

_DEEPEST = 20


def definitions(evaluator: Evaluator, expr: facts.Expr, spot: Spot, depth: int = 0) -> tuple[Definition, ...]:
    """Find what a dotted name in an annotation means, through modules, classes and aliases of them."""
    if depth > _DEEPEST:
        return ()
    match expr:
        case facts.Name(name):
            return _nearest(_unwrapped(evaluator, evaluator.lookup.name(spot, name), depth))
        case facts.Attr(base, attr):
            owners = definitions(evaluator, base, spot, depth + 1)
            found = [one for owner in owners for one in _attribute(evaluator, owner, attr, spot)]
            return _nearest(_unwrapped(evaluator, tuple(found), depth))
        case facts.Const(str() as text):
            return definitions(evaluator, parsed_annotation(text), spot, depth + 1)
        case _:
            return ()


def _unwrapped(evaluator: Evaluator, found: tuple[Definition, ...], depth: int) -> tuple[Definition, ...]:
    """Look through `M = models`, so that `M.Order` is found."""
    result: list[Definition] = []
    for each in found:
        inner = _plain_alias(each)
        if inner is None or not isinstance(each, Bound):
            result.append(each)
            continue
        spot = Spot(each.file, each.scope, each.binding.line, each.binding.arms)
        if inner == facts.Name(each.binding.name):
            earlier = evaluator.lookup.name(spot, each.binding.name, without=each.binding)
            result += _unwrapped(evaluator, earlier, depth + 1) if depth < _DEEPEST else ()
        else:
            result += definitions(evaluator, inner, spot, depth + 1)
    return tuple(result)


def _nearest(found: tuple[Definition, ...]) -> tuple[Definition, ...]:
    """Put what the project defines before what an arm imports from another package, which need not be there."""
    if not any(isinstance(each, Bound) and not _holds_its_place(each) for each in found):
        return found
    return tuple(sorted(found, key=lambda each: isinstance(each, Outside) and not _is_standard(each)))


def _holds_its_place(bound: Bound) -> bool:
    """Whether it is `Model = None`, where an import has failed."""
    what = bound.binding.what
    return isinstance(what, facts.Assigned) and what.value in {None, facts.Const(None)}


def _is_standard(outside: Outside) -> bool:
    return outside.name.partition(".")[0] in sys.stdlib_module_names


def _plain_alias(definition: Definition) -> facts.Expr | None:
    if not isinstance(definition, Bound) or not isinstance(definition.binding.what, facts.Assigned):
        return None
    what = definition.binding.what
    return what.value if isinstance(what.value, facts.Name | facts.Attr) and not what.parameters else None


def _attribute(evaluator: Evaluator, owner: Definition, attr: str, spot: Spot) -> tuple[Definition, ...]:
    match owner:
        case ModuleRef() | Outside():
            return evaluator.lookup.attribute(owner, attr, spot.file)
        case Bound(file, _, facts.Binding(_, facts.DefinedClass(index))):
            for each in evaluator.ancestors(values.ClassRef(file, index)):
                found = _in_class(evaluator, each, attr)
                if found:
                    return found
            return ()
        case _:
            return ()


def _in_class(evaluator: Evaluator, cls: values.Value, attr: str) -> tuple[Definition, ...]:
    known = evaluator.lookup.load(cls.file) if isinstance(cls, values.ClassRef) else None
    if known is None or not isinstance(cls, values.ClassRef):
        return ()
    body = known.classes[cls.index].body
    if not evaluator.lookup.bindings(cls.file, body, attr):
        return ()
    return evaluator.lookup.name(Spot(cls.file, body), attr)


def class_qualname(evaluator: Evaluator, cls: values.ClassRef) -> str:
    """The dotted name of a class in its module."""
    known = evaluator.lookup.load(cls.file)
    assert known is not None
    own = known.classes[cls.index]
    names = [own.name]
    scope = known.scopes[own.scope]
    while scope.kind == "class":
        outer = known.classes[scope.owner]
        names.append(outer.name)
        scope = known.scopes[outer.scope]
    return ".".join(reversed(names))


def alias_qualname(evaluator: Evaluator, bound: Bound) -> str:
    """The dotted name of an alias in its module, "" where it is local to a function."""
    known = evaluator.lookup.load(bound.file)
    assert known is not None
    scope = known.scopes[bound.scope]
    if scope.kind == "module":
        return bound.binding.name
    cls = values.ClassRef(bound.file, scope.owner)
    if scope.kind == "function" or is_local(evaluator, cls):
        return ""
    return f"{class_qualname(evaluator, cls)}.{bound.binding.name}"


def class_module(evaluator: Evaluator, file: str) -> str:
    """The module in a file, as types name it; "" where no import statement can name it."""
    modules = evaluator.lookup.modules
    return modules.own_name_of(file) if modules.can_import(file) else ""


def is_local(evaluator: Evaluator, cls: values.ClassRef) -> bool:
    """Whether a class is defined inside a function."""
    known = evaluator.lookup.load(cls.file)
    number = known.classes[cls.index].scope if known else -1
    while known is not None and number >= 0:
        if known.scopes[number].kind == "function":
            return True
        number = known.scopes[number].parent
    return False


def type_variable(evaluator: Evaluator, bound: Bound) -> facts.Call | None:
    """The call that makes a type variable, None for anything else."""
    what = bound.binding.what
    if not isinstance(what, facts.Assigned) or not isinstance(what.value, facts.Call):
        return None
    maker = evaluator.value(what.value.func, Spot(bound.file, bound.scope, bound.binding.line))
    names = {"typing.TypeVar", "typing_extensions.TypeVar"}
    return what.value if isinstance(maker, Outside) and maker.name in names else None


def free_variables(evaluator: Evaluator, expr: facts.Expr, spot: Spot) -> list[str]:
    """The names of the type variables in an expression, in order of their first appearance."""
    found: list[str] = []
    for name in names_in(expr):
        for each in evaluator.lookup.name(spot, name):
            if isinstance(each, Bound) and type_variable(evaluator, each) is not None and name not in found:
                found.append(name)
    return found


def names_in(expr: facts.Expr) -> list[str]:
    """The names in an expression, those in quotes too."""
    match expr:
        case facts.Name(name):
            return [name]
        case facts.Const(str() as text):
            return names_in(parsed_annotation(text))
        case facts.Attr(value):
            return names_in(value)
        case facts.Subscript(value, index):
            return [*names_in(value), *names_in(index)]
        case facts.Binary(_, left, right):
            return [*names_in(left), *names_in(right)]
        case facts.Display(_, items):
            return [name for item in items for name in names_in(item)]
        case _:
            return []
