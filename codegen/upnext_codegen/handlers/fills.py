"""What a file assigns to names of other files: `events["placed"] = placed`, `bus.placed = placed`, `add(placed)`.

What is read back later cannot be followed, because it depends on what ran before; but it is known that it may be an
event.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from upnext_codegen.handlers.attached_inside import filled_parameters
from upnext_codegen.handlers.escapes import only_inspects
from upnext_codegen.handlers.inside import KEEPING, mentioned_names
from upnext_codegen.limits import MAX_CALLS_INWARD
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import function_node, plain_arguments
from upnext_codegen.names.exported_names import ANYTHING, HELD
from upnext_codegen.names.modules import ExternalName, ModuleRef
from upnext_codegen.names.scopes import Assignment, Definition, ParameterDefinition, Use, arguments_of
from upnext_codegen.names.tainted_names import root_name

if TYPE_CHECKING:
    from upnext_codegen.handlers.inside import Insides
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.exports import Exports
    from upnext_codegen.names.scopes import FunctionNode, Scope, SourceModule

_Function: TypeAlias = "values.FunctionRef | values.LambdaRef"
_FUNCTIONS = values.FunctionRef | values.LambdaRef
Fill: TypeAlias = tuple[str, str]
"""A file, and what of it is filled, as `exported_names` has it."""


class _Keeping(NamedTuple):
    """What happens to a function's arguments.

    Attributes:
        fills: The names of modules that it is put into.
        parameters: Parameters of the function that it is put into; "self" for the object that it is called on.
    """

    fills: frozenset[Fill]
    parameters: frozenset[str]


@dataclass(slots=True)
class Filling:
    """Finds what a file stores under names of other files.

    Attributes:
        exports: Knows what can be of upnext.
        insides: What stands in functions.
    """

    exports: Exports
    insides: Insides
    _keepings: dict[tuple[_Function, frozenset[str]], _Keeping] = field(
        default_factory=dict["tuple[_Function, frozenset[str]]", _Keeping]
    )

    def by_statements(self, module: SourceModule) -> Iterator[Fill]:
        """Yield what the assignments of a file store under names of other files."""
        exports = self.exports
        waiting: list[Scope] = [module.scope]
        while waiting:
            scope = waiting.pop()
            names = exports.names_in(scope)
            targets = _Targets(exports.evaluator, module.file, own=scope.kind != "module")
            for target, each in scope.attributes:
                value = each.binding.value if isinstance(each.binding, Assignment) else None
                if names.between(*each.span) and exports.gives_events(value, each.use):
                    yield from targets.of(target.value, each.use, f".{target.attr}")
            for item, given, use in scope.items:
                key = item.slice.value if isinstance(item.slice, ast.Constant) else None
                parts = [given] if isinstance(item.slice, ast.Constant) else [given, item.slice]
                if names.between(item.lineno, given.end_lineno) and any(
                    exports.gives_events(one, use) for one in parts
                ):
                    yield from targets.of(item.value, use, HELD, key=key)
            inner = (*scope.functions, *scope.classes)
            waiting += [module.body_of(each) for each in inner if names.between(*each.span)]

    def by_operator(self, owner: ast.expr, given: Iterable[ast.expr], use: Use) -> Iterator[Fill]:
        """Yield what `events |= {"placed": placed}` stores under a name of another file."""
        is_stored = isinstance(owner, ast.Name | ast.Attribute | ast.Subscript) and isinstance(owner.ctx, ast.Store)
        if is_stored and any(self.exports.gives_events(each, use) for each in given):
            yield from self._targets(use).of(owner, use, HELD)

    def by_class(self, definition: Definition) -> Iterator[Fill]:
        """Yield what `__init_subclass__` of a base class stores under a name."""
        evaluator, own = self.exports.evaluator, values.ClassRef(definition)
        for cls in evaluator.ancestors(own)[1:] if self.exports.has_own(own) else ():
            body = evaluator.body_of(cls) if isinstance(cls, values.ClassRef) else None
            for each in body.functions if body else ():
                if each.name == "__init_subclass__":
                    function = values.FunctionRef(each)
                    yield from self._kept(function, {evaluator.body_of(function).receiver}).fills

    def by_call(self, func: values.Value, call: ast.Call, use: Use) -> Iterator[Fill]:
        """Yield what a call stores under names of other files, or of its own through a function."""
        exports = self.exports
        if isinstance(func, values.Method | values.Attachment) or only_inspects(call.func, func):
            return
        method = _method(exports.evaluator, call.func, use)
        keeps = method is not None and method[1] in KEEPING
        arguments = plain_arguments(call, use)
        given = [each for each in arguments if exports.gives_events(each.value, each.use, followed=not keeps)]
        if not given:
            return
        func = exports.evaluator.called_function(func)
        if isinstance(func, _FUNCTIONS):
            keeping = self._kept(func, filled_parameters(exports.evaluator, func, given, call))
            yield from keeping.fills
            for each in arguments if keeping.parameters else ():
                if keeping.parameters & filled_parameters(exports.evaluator, func, [each], call):
                    yield from self._targets(use).of(each.value, each.use, HELD)
            method = method if "self" in keeping.parameters else None
        elif not isinstance(func, values.ClassRef):
            # Code outside the project may call one argument with the others.
            for other in [exports.evaluator.value(each.value, use) for each in arguments if each not in given]:
                if isinstance(other, _FUNCTIONS):
                    yield from self._kept(other, {each.arg for each in arguments_of(_node(other))}).fills
        if method is not None and not isinstance(func, values.ClassRef):
            key = next((each.keyword for each in given if each.keyword not in {"", "*", "**"}), None)
            yield from self._targets(use).of(method[0], method[2], HELD, key=key)

    def _targets(self, use: Use) -> _Targets:
        return _Targets(self.exports.evaluator, use.file, own=use.scope.kind != "module")

    def _kept(self, function: _Function, names: set[str]) -> _Keeping:
        """What happens to these parameters of a function, cached because many calls pass the same."""
        key = (function, frozenset(names))
        found = self._keepings.get(key)
        if found is None:
            kept = _Kept(self.exports.evaluator, self.insides)
            fills = frozenset(kept.by(function, names))
            found = self._keepings[key] = _Keeping(fills, frozenset(kept.parameters))
        return found


def vanishes(evaluator: Evaluator, owner: ast.expr, given: ast.expr, use: Use) -> bool:
    """Whether an event is stored in a module of Python itself, as in `builtins.placed = placed`."""
    found = evaluator.value(owner, use)
    if not isinstance(found, ExternalName) or found.name not in sys.stdlib_module_names:
        return False
    return isinstance(evaluator.value(given, use), values.EventValue | values.HandlerValue | values.WorkerValue)


def _method(evaluator: Evaluator, func: ast.expr, use: Use) -> tuple[ast.expr, str, Use] | None:
    """The object and the method of a call, even if the method has its own name: `add = EVENTS.append`."""
    if isinstance(func, ast.Attribute):
        return func.value, func.attr, use
    for each in evaluator.lookup.path(use, func):
        value = each.binding.value if isinstance(each, Definition) and isinstance(each.binding, Assignment) else None
        if isinstance(each, Definition) and isinstance(value, ast.Attribute):
            return value.value, value.attr, each.use
    return None


def _node(function: _Function) -> FunctionNode | ast.Lambda:
    return function.node if isinstance(function, values.LambdaRef) else function_node(function)


def _scope(evaluator: Evaluator, function: _Function) -> Scope:
    if isinstance(function, values.LambdaRef):
        return function.use.scope.module.inline(function.node, function.use.scope)
    return evaluator.body_of(function)


def _is_of_super(func: ast.expr) -> bool:
    match func:
        case ast.Attribute(ast.Call(ast.Name("super"))):
            return True
        case _:
            return False


@dataclass(slots=True)
class _Kept:
    """Follows arguments of functions to the module-level names under which they are stored."""

    evaluator: Evaluator
    insides: Insides
    parameters: set[str] = field(default_factory=set[str])
    """Those of the function itself that it puts something into; "self" for the object that it is called on."""
    _seen: set[tuple[values.Value, frozenset[str]]] = field(default_factory=set["tuple[values.Value, frozenset[str]]"])

    def by(self, function: _Function, names: set[str], depth: int = 0) -> Iterator[Fill]:
        """Yield the places where a function stores these parameters."""
        key = (function, frozenset(names))
        if not names or depth > MAX_CALLS_INWARD or key in self._seen:
            return
        self._seen.add(key)
        node, scope = _node(function), _scope(self.evaluator, function)
        inside = self.insides[node]
        derived = inside.derived(names)
        parameters = {each.arg for each in arguments_of(node)}
        for target, mentioned in (*inside.kept, *inside.given):
            if mentioned.isdisjoint(derived):
                continue
            root = root_name(target)
            if root == scope.receiver != "":
                self.parameters.add("self")
                yield from self._into_class(scope, target)
            elif root in parameters:
                self.parameters |= {root} if depth == 0 else set()
            else:
                yield from self._into(target, Use(scope, getattr(target, "lineno", 1)))
        yield from ((scope.module.file, name) for name in inside.globals(derived))
        for each in inside.calls:
            if not each.mentions.isdisjoint(derived):
                yield from self._by_call(each.node, scope, derived, depth)

    def _by_call(self, call: ast.Call, scope: Scope, derived: set[str], depth: int) -> Iterator[Fill]:
        use = Use(scope, call.lineno)
        given = [each for each in plain_arguments(call, use) if not mentioned_names(each.value).isdisjoint(derived)]
        if given and _is_of_super(call.func):
            self.parameters.add("self")
        inner = self.evaluator.called_function(self.evaluator.value(call.func, use)) if given else None
        if isinstance(inner, _FUNCTIONS):
            yield from self.by(inner, filled_parameters(self.evaluator, inner, given, call), depth + 1)

    def _into_class(self, scope: Scope, target: ast.expr) -> Iterator[Fill]:
        """What an object's class itself has is shared by all of its objects."""
        owner = self.evaluator.class_of(scope.parent) if scope.parent is not None else None
        attributes = {each.attr for each in ast.walk(target) if isinstance(each, ast.Attribute)}
        if owner is not None and owner.definition.scope.kind == "module":
            yield from (
                (owner.file, f"{owner.definition.name}.{each}")
                for each in sorted(attributes & self.evaluator.body_of(owner).definitions.keys())
            )

    def _into(self, target: ast.expr, use: Use) -> Iterator[Fill]:
        targets = _Targets(self.evaluator, use.file, own=True)
        match target:
            case ast.Attribute(base, attr):
                yield from targets.of(base, use, f".{attr}")
            case ast.Subscript(base):
                yield from targets.of(base, use, HELD)
            case _:
                yield from targets.of(target, use, HELD)


@dataclass(slots=True)
class _Targets:
    """Finds the module-level names that expressions mean, each with the part of it that is filled.

    What the module around a file does is followed there: only what functions do with names of their own file counts.
    """

    evaluator: Evaluator
    file: str
    own: bool

    def of(self, expr: ast.expr, use: Use, part: str, depth: int = 0, *, key: object = None) -> Iterator[Fill]:
        """Yield the filled name if a part of what an expression means is filled, with the key if known."""
        found = self.evaluator.lookup.path(use, expr) if depth <= MAX_CALLS_INWARD else ()
        is_module = False
        for each in found:
            if isinstance(each, ModuleRef):
                yield from self._in_module(each, part)
            elif isinstance(each, Definition):
                yield from self._in(each, part)
                value = each.binding.value if isinstance(each.binding, Assignment) else None
                if isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
                    yield from self.of(value, each.use, part, depth + 1)
        if not found and depth <= MAX_CALLS_INWARD:
            made = self.evaluator.value(expr, use)
            is_module = isinstance(made, ModuleRef)
            if isinstance(made, ModuleRef):  # `vars(module)["name"]`
                yield from self._in_module(made, f".{key}" if isinstance(key, str) else part)
            elif isinstance(made, values.ContainerValue) and made.definition is not None:
                yield from self._in(made.definition, part)
        if not is_module:
            yield from self._in_class(expr, use, part)
            yield from self._around(expr, use, depth) if not found else ()

    def _in_module(self, module: ModuleRef, part: str) -> Iterator[Fill]:
        if module.file not in (None, self.file):
            yield module.file or "", ANYTHING if part == HELD else part[1:]

    def _in_class(self, expr: ast.expr, use: Use, part: str) -> Iterator[Fill]:
        """The value of a parameter of which only the class is known."""
        found = self.evaluator.lookup.name(use, expr.id) if isinstance(expr, ast.Name) else ()
        if any(isinstance(each, Definition) and isinstance(each.binding, ParameterDefinition) for each in found):
            value = self.evaluator.value(expr, use)
            cls = value.cls if isinstance(value, values.Instance) else value
            if isinstance(cls, values.ClassRef):
                yield from self._in(cls.definition, part)

    def _around(self, expr: ast.expr, use: Use, depth: int) -> Iterator[Fill]:
        match expr:
            case ast.Attribute(base, attr) if attr != "__dict__":
                yield from self.of(base, use, f".{attr}", depth)
            case (
                ast.Attribute(base) | ast.Subscript(base) | ast.Call(ast.Attribute(base)) | ast.Call(ast.Name() as base)
            ):
                yield from self.of(base, use, HELD, depth)
            case _:
                pass

    def _in(self, definition: Definition, part: str) -> Iterator[Fill]:
        if definition.scope.kind == "module" and (self.own or definition.file != self.file):
            yield definition.file, f"{definition.name}{part}"
