"""The functions of the project that a function certainly calls.

Calls are followed through plain names: a function of the same file, one that an import names, an attribute of a module
or a class. Other files are only read if they export something of upnext, as every file that gets an event from
somewhere does, or belong to the same package; for a function in any other file only the name is recorded, and not what
it calls.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from upnext_codegen.limits import MAX_CALL_IMPORTS
from upnext_codegen.names.exported_names import ANY_NAME
from upnext_codegen.names.lookup import reaching_definitions
from upnext_codegen.names.modules import ModuleRef
from upnext_codegen.names.scopes import (
    END,
    ClassDefinition,
    Definition,
    FunctionDefinition,
    ModuleImport,
    NameImport,
    Use,
    inner_scopes_and_calls,
)
from upnext_codegen.records import Place, Reached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.flow.standing import Standings
    from upnext_codegen.names.exports import Exports
    from upnext_codegen.names.lookup import Lookup
    from upnext_codegen.names.scopes import FunctionNode, Scope

MOST_FUNCTIONS = 200
"""Functions that are followed from one handler; those behind are left out."""


class Unread(NamedTuple):
    """Something in a file that is not read for this purpose: the file, and a dotted name."""

    file: str
    name: str


Target: TypeAlias = Definition | Unread
"""What is called."""


@dataclass(slots=True)
class Calls:
    """Follows calls.

    Attributes:
        lookup: Finds modules, and parses them.
        exports: Knows which files can have to do with events.
        standings: Knows which calls every run of a function gets to.
    """

    lookup: Lookup
    exports: Exports
    standings: Standings
    _places: dict[Definition, Place] = field(default_factory=dict[Definition, Place])
    _direct: dict[Target, list[tuple[Target, bool]]] = field(default_factory=dict[Target, "list[tuple[Target, bool]]"])

    def reached(self, function: Definition) -> tuple[Reached, ...]:
        """List the functions that a function calls, directly or indirectly, nearest first."""
        found: dict[Target, bool] = {function: True}
        waiting: list[Target] = [function]
        while waiting and len(found) <= MOST_FUNCTIONS:
            current = waiting.pop(0)
            for each, always in self._called(current):
                runs = always and found[current]
                # One that is reached again, now unconditionally, is examined again.
                if each not in found or (runs and not found[each]):
                    found[each] = runs
                    waiting.append(each)
        return tuple(self._reached(each, always) for each, always in found.items() if each is not function)

    def _reached(self, target: Target, always: bool) -> Reached:
        if isinstance(target, Unread):
            return Reached(Place(target.file, 0, 0), always, target.name)
        if target not in self._places:
            self._places[target] = place_of_name(target)
        return Reached(self._places[target], always)

    def _called(self, function: Target) -> list[tuple[Target, bool]]:
        if isinstance(function, Unread):
            return []
        if function not in self._direct:
            self._direct[function] = []
            self._direct[function] = [*self._called_by(function)]
        return self._direct[function]

    def _called_by(self, function: Definition) -> Iterator[tuple[Target, bool]]:
        binding = function.binding
        if not isinstance(binding, FunctionDefinition):
            return
        scope = function.scope.module.body_of(function)
        for each in scope.expressions:
            for call, inner in inner_scopes_and_calls(each.node, scope):
                if not isinstance(call, ast.Call):
                    continue
                target = self._resolved(call.func, Use(inner, call.lineno, each.branches))
                if isinstance(target, Unread):
                    yield target, self.standings.of(binding.node, call).always
                elif isinstance(target, Definition) and isinstance(target.binding, FunctionDefinition):
                    yield target, _is_plain(target.binding.node) and self.standings.of(binding.node, call).always

    def _resolved(self, expr: ast.expr, use: Use) -> Target | ModuleRef | None:
        """The function, class or module that a plain name or attribute stands for."""
        match expr:
            case ast.Name(name):
                return self._named(name, use)
            case ast.Attribute(base, attr):
                owner = self._resolved(base, use)
                if isinstance(owner, ModuleRef):
                    return self._member(owner, attr, use.file, 0)
                if isinstance(owner, Unread):
                    passed_on = self._passed_on(owner)
                    if passed_on is None:
                        return owner._replace(name=f"{owner.name}.{attr}")
                    return self._member(passed_on, attr, owner.file, 0)
                if isinstance(owner, Definition) and isinstance(owner.binding, ClassDefinition):
                    return _only(owner.scope.module.body_of(owner), attr, END)
                return None
            case _:
                return None

    def _passed_on(self, unread: Unread) -> ModuleRef | None:
        """The module behind a name in a file that may only pass it on, without any connection to events."""
        source = self.lookup.load(unread.file)
        found = _only(source.scope, unread.name, END) if source is not None else None
        if found is None or not isinstance(found.binding, ModuleImport | NameImport):
            return None
        followed = self._followed(found, 0)
        return followed if isinstance(followed, ModuleRef) else None

    def _named(self, name: str, use: Use) -> Target | ModuleRef | None:
        scope: Scope | None = use.scope
        own = True
        while scope is not None:
            if name in scope.definitions and (own or scope.kind != "class"):
                found = _only(scope, name, use.line if own else END)
                return None if found is None else self._followed(found, 0)
            own = own and scope.kind == "inline"
            scope = scope.parent
        return None

    def _followed(self, found: Definition, depth: int) -> Target | ModuleRef | None:
        match found.binding:
            case FunctionDefinition() | ClassDefinition():
                return found
            case ModuleImport(module):
                source = self.lookup.modules.find(module, found.file)
                return source if isinstance(source, ModuleRef) else None
            case NameImport(level, module, name):
                source = self.lookup.imported(found.file, level, module)
                return self._member(source, name, found.file, depth) if isinstance(source, ModuleRef) else None
            case _:
                return None

    def _member(self, module: ModuleRef, name: str, importer: str, depth: int) -> Target | ModuleRef | None:
        """What a module has under a name, read only if it can involve events."""
        if depth >= MAX_CALL_IMPORTS:
            return None
        path = module.file
        is_other = path is not None and path != importer
        # What a package passes on is only known from its own file.
        if path is not None and is_other and (self.exports.has(path, ANY_NAME) or path.endswith("/__init__.py")):
            is_other = False
            source = self.lookup.load(path)
            if source is not None and name in source.scope.definitions:
                found = _only(source.scope, name, END)
                return None if found is None else self._followed(found, depth + 1)
        inside = self.lookup.modules.submodule(module, name, importer)
        if isinstance(inside, ModuleRef):
            return inside
        return Unread(path, name) if path is not None and is_other else None


def _is_plain(function: FunctionNode) -> bool:
    """Whether calling a function by its name runs its body, which a decorator may prevent."""
    return all(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)


def place_of_name(definition: Definition) -> Place:
    """The place of a function's or class's name in its `def` or `class` line."""
    node = getattr(definition.binding, "node")  # noqa: B009 - a function's or a class's
    return Place(definition.file, *definition.scope.module.name_place(node))


def _only(scope: Scope, name: str, line: int) -> Definition | None:
    """The only definition of a name that is visible at a line, None if there are several."""
    found = reaching_definitions(scope.definitions.get(name, ()), line, ())
    return found[0] if len(found) == 1 and not found[0].branches else None
