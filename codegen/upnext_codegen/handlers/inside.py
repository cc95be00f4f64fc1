"""What a function does with its names, gathered in one walk: what it binds, keeps, calls and may attach to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from upnext_codegen.handlers.shapes import attaches, makes_decorator
from upnext_codegen.reading.tree import walk

_KEEPING_NAMES = """
    add append appendleft bind extend insert provide push put put_nowait register set setdefault update __setitem__
"""
KEEPING = frozenset(_KEEPING_NAMES.split())
"""Methods that keep what they are given, also where it cannot be known what that is."""
_NESTED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Kept = tuple[ast.expr, frozenset[str]]


@dataclass(slots=True)
class InnerCall:
    """A call inside a function.

    Attributes:
        node: The call.
        says: The names in its arguments.
    """

    node: ast.Call
    mentions: frozenset[str]


@dataclass(slots=True)
class Inside:
    """The contents of a function. Names come with their immediate attributes: `self` and `self.events`.

    Attributes:
        kept: What it assigns to attributes and items, or calls a method with in a statement: the target, and the names
            in what is put there.
        given: What it gives to methods that keep it, in the same way.
        calls: Its calls.
        attaching: What attaches, or takes `.on` to do so later, if what it is done to turns out to be an event.
    """

    kept: list[_Kept] = field(default_factory=list[_Kept])
    given: list[_Kept] = field(default_factory=list[_Kept])
    calls: list[InnerCall] = field(default_factory=list[InnerCall])
    attaching: list[ast.expr] = field(default_factory=list[ast.expr])
    _bindings: list[tuple[frozenset[str], frozenset[str]]] = field(
        default_factory=list["tuple[frozenset[str], frozenset[str]]"]
    )
    _globals: set[str] = field(default_factory=set[str])
    _assigned: list[tuple[frozenset[str], frozenset[str]]] = field(
        default_factory=list["tuple[frozenset[str], frozenset[str]]"]
    )

    @classmethod
    def of(cls, function: ast.AST) -> Inside:
        """Gather the contents of a function."""
        found = cls()
        for node in walk(function):
            found._take(node)
        return found

    def _take(self, node: ast.AST) -> None:
        self._bindings += [(bound, mentioned_names(value)) for bound, value in _bindings(node)]
        self.attaching += _attaching(node)
        match node:
            case ast.Global(names):
                self._globals.update(names)
            case ast.Assign(targets, value):
                pairs = [pair for target in targets for pair in _pairs(target, value)]
                self.kept += [
                    (target, mentioned_names(part)) for target, part in pairs if not isinstance(target, ast.Name)
                ]
                bound = frozenset(each.id for each in targets if isinstance(each, ast.Name))
                self._assigned += [(bound, mentioned_names(value))] if bound else []
            case ast.AnnAssign(target, _, value) if value is not None and not isinstance(target, ast.Name):
                self.kept.append((target, mentioned_names(value)))
            case ast.Expr(ast.Call(ast.Attribute(base), args)):
                self.kept += [(base, mentioned_names(value)) for value in args]
            case ast.Call(func):
                mentions = [mentioned_names(each) for each in (*node.args, *(one.value for one in node.keywords))]
                self.calls.append(InnerCall(node, frozenset[str]().union(*mentions)))
                if isinstance(func, ast.Attribute) and func.attr in KEEPING:
                    self.given += [(func.value, each) for each in mentions]
            case _:
                pass

    def derived(self, names: set[str]) -> set[str]:
        """Return the names that may be or contain some of its parameters."""
        found = names
        while True:
            bound = [bound for bound, mentioned in self._bindings if not mentioned.isdisjoint(found)]
            fresh = frozenset[str]().union(*bound) - found
            if not fresh:
                return found
            found = found | fresh

    def globals(self, derived: set[str]) -> list[str]:
        """Return the module-level names that it binds to something reached from some names."""
        if not self._globals:
            return []
        found = {name for bound, mentioned in self._assigned if not mentioned.isdisjoint(derived) for name in bound}
        return sorted(found & self._globals)


class Insides(dict[ast.AST, Inside]):
    """The contents of functions, cached by node, because each is queried repeatedly with other names."""

    def __missing__(self, node: ast.AST) -> Inside:
        found = self[node] = Inside.of(node)
        return found


def leads(expr: ast.expr, names: set[str]) -> bool:
    """Whether an expression begins with one of some names: `name.attribute["item"].method()`."""
    while not _is_one_of(expr, names):
        match expr:
            case ast.Attribute(inner) | ast.Subscript(inner):
                expr = inner
            case ast.Call(ast.Name("getattr"), [inner, *_]):
                expr = inner
            case ast.Call(inner):
                expr = inner
            case _:
                return False
    return True


def mentioned_names(expr: ast.AST) -> frozenset[str]:
    """The names in an expression, with `name.attribute` for immediate attributes."""
    return frozenset(_mentioned(expr))


def _mentioned(expr: ast.AST) -> Iterator[str]:
    for each in walk(expr):
        match each:
            case ast.Name(name):
                yield name
            case ast.Attribute(ast.Name(name), attr):
                yield f"{name}.{attr}"
            case _:
                pass


def _bindings(node: ast.AST) -> Iterator[tuple[frozenset[str], ast.AST]]:
    match node:
        case ast.Assign(targets, value):
            yield frozenset[str]().union(*map(_stored, targets)), value
        case ast.AnnAssign(target, _, value) | ast.NamedExpr(target, value) if value is not None:
            yield _stored(target), value
        case ast.For(target, value) | ast.AsyncFor(target, value) | ast.comprehension(target, value):
            yield _stored(target), value
        case ast.withitem(value, target) if target is not None:
            yield _stored(target), value
        case ast.Match(value, cases):
            captured = {getattr(one, "name", None) for case in cases for one in ast.walk(case.pattern)}
            yield frozenset(name for name in captured if isinstance(name, str)), value
        case _:
            pass


def _stored(target: ast.expr) -> frozenset[str]:
    return frozenset(each.id for each in walk(target) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store))


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """The pairs of targets and values in an assignment, part by part where that is visible."""
    if not isinstance(target, ast.Tuple | ast.List):
        return [(target, value)]
    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
        return [pair for one, part in zip(target.elts, value.elts, strict=True) for pair in _pairs(one, part)]
    return [(one, value) for one in target.elts]


def _attaching(node: ast.AST) -> list[ast.expr]:
    """What a node calls or decorates with `.on`, or takes `.on` of."""
    match node:
        case ast.Call(ast.Name("getattr"), [owner, ast.Constant("on"), *_]):
            return [owner]
        case ast.Call():
            return [node.func] if attaches(node) else []
        case ast.Assign(_, ast.Attribute(owner, "on")) | ast.Return(ast.Attribute(owner, "on")):
            return [owner]
        case _ if isinstance(node, _NESTED):
            return [each for each in node.decorator_list if makes_decorator(each)]
        case _:
            return []


def _is_one_of(expr: ast.expr, names: set[str]) -> bool:
    """Whether an expression is one of some names, or the attribute `self.name` that one of them denotes."""
    match expr:
        case ast.Name(name):
            return name in names
        case ast.Attribute(ast.Name(name), attr):
            return f"{name}.{attr}" in names
        case _:
            return False
