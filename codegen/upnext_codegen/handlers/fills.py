"""What a file puts into names of other files: `events["placed"] = placed`, `bus.placed = placed`, `add(placed)`.

What is taken out again cannot be followed, for it depends on what ran before. But that it can be an event is known.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from upnext_codegen.handlers.attached_inside import calls_in, derived_names, filled_parameters, kept_in, says
from upnext_codegen.handlers.escapes import only_inspects
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import function_node, plain_arguments
from upnext_codegen.names.exported_names import ANYTHING, HELD
from upnext_codegen.names.modules import ExternalName, ModuleRef
from upnext_codegen.names.scopes import Assignment, Definition, ParameterDefinition, Use, arguments_of
from upnext_codegen.names.tainted_names import root_name

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Argument, Evaluator
    from upnext_codegen.names.exports import Exports
    from upnext_codegen.names.scopes import FunctionNode, Scope, SourceModule

_Function: TypeAlias = "values.FunctionRef | values.LambdaRef"
_FUNCTIONS = values.FunctionRef | values.LambdaRef
Fill: TypeAlias = tuple[str, str]
"""A file, and what of it is filled, as `exported_names` has it."""
_DEEPEST = 5
_KEEPING_NAMES = """
    add append appendleft bind extend insert provide push put put_nowait register set setdefault update __setitem__
"""
_KEEPING = frozenset(_KEEPING_NAMES.split())
"""Methods that keep what they are given, also where it cannot be known what that is."""


def filled_by_statements(module: SourceModule, exports: Exports) -> Iterator[Fill]:
    """Yield what the assignments of a file put into names of others."""
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
            if names.between(item.lineno, given.end_lineno) and any(exports.gives_events(one, use) for one in parts):
                yield from targets.of(item.value, use, HELD, key=key)
        waiting += [module.body_of(each) for each in (*scope.functions, *scope.classes) if names.between(*each.span)]


def filled_by_operator(exports: Exports, owner: ast.expr, given: Iterable[ast.expr], use: Use) -> Iterator[Fill]:
    """Yield what `events |= {"placed": placed}` puts into a name of another file."""
    is_stored = isinstance(owner, ast.Name | ast.Attribute | ast.Subscript) and isinstance(owner.ctx, ast.Store)
    if is_stored and any(exports.gives_events(each, use) for each in given):
        yield from _Targets(exports.evaluator, use.file, own=use.scope.kind != "module").of(owner, use, HELD)


def vanishes(evaluator: Evaluator, owner: ast.expr, given: ast.expr, use: Use) -> bool:
    """Whether an event is put into a module of Python itself, as in `builtins.placed = placed`."""
    found = evaluator.value(owner, use)
    if not isinstance(found, ExternalName) or found.name not in sys.stdlib_module_names:
        return False
    return isinstance(evaluator.value(given, use), values.EventValue | values.HandlerValue | values.WorkerValue)


def filled_by_class(exports: Exports, definition: Definition) -> Iterator[Fill]:
    """Yield what `__init_subclass__` of a class above puts into a name."""
    evaluator = exports.evaluator
    for cls in evaluator.ancestors(values.ClassRef(definition))[1:]:
        body = evaluator.body_of(cls) if isinstance(cls, values.ClassRef) else None
        for each in body.functions if body else ():
            if each.name == "__init_subclass__" and exports.carries(values.ClassRef(definition), definition.file):
                yield from _Kept(evaluator).by(
                    values.FunctionRef(each), {evaluator.body_of(values.FunctionRef(each)).receiver}
                )


def filled_by_call(exports: Exports, func: values.Value, call: ast.Call, use: Use) -> Iterator[Fill]:
    """Yield what a call puts into names of other files, or of its own by way of a function."""
    if not isinstance(func, values.Method | values.Attachment) and not only_inspects(call.func, func):
        method = _method(exports.evaluator, call.func, use)
        keeps = method is not None and method[1] in _KEEPING
        arguments = plain_arguments(call, use)
        given = [each for each in arguments if exports.gives_events(each.value, each.use, followed=not keeps)]
        if given:
            yield from _filled_by(exports.evaluator, exports.evaluator.called_function(func), call, use, given)


def _filled_by(
    evaluator: Evaluator, func: values.Value, call: ast.Call, use: Use, given: list[Argument]
) -> Iterator[Fill]:
    """Yield what a call that is given events puts into names."""
    method = _method(evaluator, call.func, use)
    targets = _Targets(evaluator, use.file, own=use.scope.kind != "module")
    arguments = plain_arguments(call, use)
    kept = _Kept(evaluator)
    if isinstance(func, values.ClassRef):
        return
    if isinstance(func, _FUNCTIONS):
        yield from kept.by(func, filled_parameters(evaluator, func, given, call))
        for each in arguments if kept.parameters else ():
            if kept.parameters & filled_parameters(evaluator, func, [each], call):
                yield from targets.of(each.value, each.use, HELD)
        method = method if "self" in kept.parameters else None
    else:
        # What is from outside of the project may call what it is given with the rest.
        for other in [evaluator.value(each.value, use) for each in arguments if each not in given]:
            if isinstance(other, _FUNCTIONS):
                yield from kept.by(other, {each.arg for each in arguments_of(_node(other))})
    if method is not None:
        key = next((each.keyword for each in given if each.keyword not in {"", "*", "**"}), None)
        yield from targets.of(method[0], method[2], HELD, key=key)


def _method(evaluator: Evaluator, func: ast.expr, use: Use) -> tuple[ast.expr, str, Use] | None:
    """What a method is called on, and the method, also where it has a name of its own: `add = EVENTS.append`."""
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


def _given_to_keep(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What a function gives to methods that keep it, each with what they are called on."""
    for call in calls_in(node):
        if isinstance(call.func, ast.Attribute) and call.func.attr in _KEEPING:
            yield from ((call.func.value, each) for each in (*call.args, *(one.value for one in call.keywords)))


def _globals_of(node: ast.AST, derived: set[str]) -> list[str]:
    """The names of its module that a function binds to what some names lead to."""
    names = {name for each in ast.walk(node) if isinstance(each, ast.Global) for name in each.names}
    assigned = [each for each in ast.walk(node) if isinstance(each, ast.Assign) and says(each.value, derived)]
    found = {target.id for each in assigned for target in each.targets if isinstance(target, ast.Name)}
    return sorted(found & names)


def _is_of_super(func: ast.expr) -> bool:
    match func:
        case ast.Attribute(ast.Call(ast.Name("super"))):
            return True
        case _:
            return False


@dataclass(slots=True)
class _Kept:
    """Follows what functions are given to the names of modules that they put it into."""

    evaluator: Evaluator
    parameters: set[str] = field(default_factory=set[str])
    """Those of the function itself that it puts something into; "self" for the object that it is called on."""
    _seen: set[tuple[values.Value, frozenset[str]]] = field(default_factory=set["tuple[values.Value, frozenset[str]]"])

    def by(self, function: _Function, names: set[str], depth: int = 0) -> Iterator[Fill]:
        """Yield what a function puts these of its parameters into."""
        key = (function, frozenset(names))
        if not names or depth > _DEEPEST or key in self._seen:
            return
        self._seen.add(key)
        node, scope = _node(function), _scope(self.evaluator, function)
        derived = derived_names(node, names)
        parameters = {each.arg for each in arguments_of(node)}
        for target, part in [*kept_in(node), *_given_to_keep(node)]:
            root = root_name(target)
            if not says(part, derived):
                continue
            if root == scope.receiver != "":
                self.parameters.add("self")
                yield from self._into_class(scope, target)
            elif root in parameters:
                self.parameters |= {root} if depth == 0 else set()
            else:
                yield from self._into(target, Use(scope, getattr(target, "lineno", 1)))
        yield from ((scope.module.file, name) for name in _globals_of(node, derived))
        yield from self._by_calls(node, scope, derived, depth)

    def _by_calls(self, node: FunctionNode | ast.Lambda, scope: Scope, derived: set[str], depth: int) -> Iterator[Fill]:
        for call in calls_in(node):
            use = Use(scope, call.lineno)
            given = [each for each in plain_arguments(call, use) if says(each.value, derived)]
            if given and _is_of_super(call.func):
                self.parameters.add("self")
            inner = self.evaluator.called_function(self.evaluator.value(call.func, use)) if given else None
            if isinstance(inner, _FUNCTIONS):
                yield from self.by(inner, filled_parameters(self.evaluator, inner, given, call), depth + 1)

    def _into_class(self, scope: Scope, target: ast.expr) -> Iterator[Fill]:
        """What the class of an object has itself, all of its objects share."""
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
    """Finds the names of modules that expressions mean, each with the part of it that is filled.

    What the module around a file does is followed there: only what functions do with names of their own file counts.
    """

    evaluator: Evaluator
    file: str
    own: bool

    def of(self, expr: ast.expr, use: Use, part: str, depth: int = 0, *, key: object = None) -> Iterator[Fill]:
        """Yield what is filled if a part of what an expression means is: where that is known, under a key."""
        found = self.evaluator.lookup.path(use, expr) if depth <= _DEEPEST else ()
        is_module = False
        for each in found:
            if isinstance(each, ModuleRef):
                yield from self._in_module(each, part)
            elif isinstance(each, Definition):
                yield from self._in(each, part)
                value = each.binding.value if isinstance(each.binding, Assignment) else None
                if isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
                    yield from self.of(value, each.use, part, depth + 1)
        if not found and depth <= _DEEPEST:
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
        """What a parameter is of which only the class is known."""
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
