"""What a file puts into names of other files: `events["placed"] = placed`, `bus.placed = placed`, `add(placed)`.

What is taken out again cannot be followed, for it depends on what ran before. But that it can be an event is known.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from upnext_codegen.handlers.attached_inside import calls_in, derived_names, filled_parameters, kept_in, says
from upnext_codegen.handlers.escapes import only_inspects
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import function_node, plain_arguments
from upnext_codegen.names.exported_names import HELD
from upnext_codegen.names.modules import ModuleRef
from upnext_codegen.names.scopes import Assignment, Definition, Inside, NameImport, Use, arguments_of
from upnext_codegen.names.tainted_names import root_name

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.exports import Exports
    from upnext_codegen.names.scopes import Scope, SourceModule

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
            parts = [given] if isinstance(item.slice, ast.Constant) else [given, item.slice]
            if names.between(item.lineno, given.end_lineno) and any(exports.gives_events(one, use) for one in parts):
                yield from targets.of(item.value, use, HELD)
        for each in scope.every():
            # `events |= {"placed": placed}`, behind an import of the name.
            value = each.binding.value if isinstance(each.binding, Assignment) else None
            around = scope.definitions[each.name][0]
            is_added = isinstance(value, Inside) and isinstance(around.binding, NameImport)
            if is_added and names.between(*each.span) and exports.gives_events(value, each.use):
                yield from targets.of(ast.Name(each.name), each.use, HELD)
        waiting += [module.body_of(each) for each in (*scope.functions, *scope.classes) if names.between(*each.span)]


def filled_by_call(exports: Exports, func: values.Value, call: ast.Call, use: Use) -> Iterator[Fill]:
    """Yield what a call puts into names of other files, or of its own by way of a function."""
    evaluator = exports.evaluator
    if isinstance(func, values.Method | values.Attachment) or only_inspects(call.func, func):
        return
    is_method = isinstance(call.func, ast.Attribute)
    keeps = isinstance(call.func, ast.Attribute) and call.func.attr in _KEEPING
    given = [
        each for each in plain_arguments(call, use) if exports.gives_events(each.value, each.use, followed=not keeps)
    ]
    if not given:
        return
    function = evaluator.called_function(func)
    if isinstance(function, values.FunctionRef):
        filled = filled_parameters(evaluator, function, given, call)
        yield from _Kept(evaluator, set()).by(function, filled)
        is_method = is_method and bool(evaluator.body_of(function).receiver)
    elif isinstance(func, values.LambdaRef | values.ClassRef):
        return
    if is_method and isinstance(call.func, ast.Attribute):
        yield from _Targets(evaluator, use.file, own=False).of(call.func.value, use, HELD)


@dataclass(slots=True)
class _Kept:
    """Follows what functions are given to the names of modules that they put it into."""

    evaluator: Evaluator
    seen: set[tuple[values.Value, frozenset[str]]]

    def by(self, function: values.FunctionRef, names: set[str], depth: int = 0) -> Iterator[Fill]:
        key = (function, frozenset(names))
        if not names or depth > _DEEPEST or key in self.seen:
            return
        self.seen.add(key)
        node, scope = function_node(function), self.evaluator.body_of(function)
        derived = derived_names(node, names)
        parameters = {each.arg for each in arguments_of(node)}
        for target, part in kept_in(node):
            if says(part, derived) and root_name(target) not in parameters:
                yield from self._into(target, Use(scope, getattr(target, "lineno", 1)))
        module_names = {name for each in ast.walk(node) if isinstance(each, ast.Global) for name in each.names}
        for each in ast.walk(node) if module_names else ():
            if isinstance(each, ast.Assign) and says(each.value, derived):
                found = {one.id for one in each.targets if isinstance(one, ast.Name)}
                yield from ((function.file, name) for name in sorted(found & module_names))
        for call in calls_in(node):
            use = Use(scope, call.lineno)
            given = [each for each in plain_arguments(call, use) if says(each.value, derived)]
            inner = self.evaluator.called_function(self.evaluator.value(call.func, use)) if given else None
            if isinstance(inner, values.FunctionRef):
                filled = filled_parameters(self.evaluator, inner, given, call)
                yield from self.by(inner, filled, depth + 1)

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

    def of(self, expr: ast.expr, use: Use, part: str, depth: int = 0) -> Iterator[Fill]:
        """Yield what is filled if a part of what an expression means is."""
        found = self.evaluator.lookup.path(use, expr) if depth <= _DEEPEST else ()
        for each in found:
            if isinstance(each, ModuleRef):
                if each.file is not None and part != HELD:
                    yield each.file, part[1:]
            elif isinstance(each, Definition):
                yield from self._in(each, part)
                value = each.binding.value if isinstance(each.binding, Assignment) else None
                if isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
                    yield from self.of(value, each.use, part, depth + 1)
        if not found:
            yield from self._around(expr, use, depth)
        if isinstance(expr, ast.Call):
            made = self.evaluator.value(expr, use)
            if isinstance(made, values.ContainerValue) and made.definition is not None:
                yield from self._in(made.definition, part)

    def _around(self, expr: ast.expr, use: Use, depth: int) -> Iterator[Fill]:
        match expr:
            case ast.Attribute(base, attr):
                yield from self.of(base, use, f".{attr}", depth)
            case ast.Subscript(base) | ast.Call(ast.Attribute(base)):
                yield from self.of(base, use, HELD, depth)
            case _:
                pass

    def _in(self, definition: Definition, part: str) -> Iterator[Fill]:
        if definition.scope.kind == "module" and (self.own or definition.file != self.file):
            yield definition.file, f"{definition.name}{part}"
