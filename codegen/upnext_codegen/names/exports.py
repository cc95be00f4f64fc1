"""Which names of a file can stand for something of upnext, and which of them other files can import.

A name can where an import brings it that another file exports, and where the statement that binds it holds such a
name. What a file exports is worked out from those: events, workers, handlers, tasks, what attaches and sends, and
whatever holds, makes or gives one.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from upnext_codegen.names import values
from upnext_codegen.names.modules import UPNEXT, ExternalName, ModuleRef
from upnext_codegen.names.scopes import (
    Assignment,
    ClassDefinition,
    Definition,
    Derived,
    Element,
    FunctionDefinition,
    ModuleImport,
    NameImport,
    ParameterDefinition,
    Part,
    Scope,
    SourceModule,
    Use,
)
from upnext_codegen.names.upnext_classes import is_worker_class
from upnext_codegen.reading.string_annotations import unquoted

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Evaluator

ANYTHING = "*"
"""Among the exports of a file: whatever its `__getattr__` makes up."""
_DEEPEST = 6
_ATTACHING = re.compile(r"\.\s*on\b")
_ALL = frozenset({ANYTHING})
_OURS = (
    values.WorkerValue
    | values.EventValue
    | values.EventTable
    | values.TaskValue
    | values.HandlerValue
    | values.Method
    | values.Attachment
    | values.TaskDecorator
    | values.Sender
    | values.PartialSend
)


@dataclass(slots=True, eq=False)
class Interest:
    """The names of a file that can stand for something of upnext, and the lines that hold one.

    Attributes:
        names: The names.
        lines: The numbers of the lines, sorted.
        everything: Whether every name and line counts.
    """

    names: set[str]
    lines: list[int]
    everything: bool = False

    def between(self, first: int, last: int | None) -> bool:
        """Whether one of the lines from `first` to `last` counts."""
        if self.everything:
            return True
        index = bisect_left(self.lines, first)
        return index < len(self.lines) and self.lines[index] <= (last or first)


def mentions(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression holds one of these names."""
    if isinstance(node, ast.Name):
        return node.id in names
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, ast.Name):
            if current.id in names:
                return True
            continue
        if isinstance(current, ast.arg | ast.AnnAssign) and isinstance(current.annotation, ast.Constant):
            stack.append(unquoted(current.annotation))
        for name in current._fields:
            child = getattr(current, name, None)
            if isinstance(child, ast.AST):
                stack.append(child)
            elif isinstance(child, list):
                stack += [each for each in cast("list[object]", child) if isinstance(each, ast.AST)]
    return False


@dataclass(slots=True)
class Exports:
    """Knows what files export.

    Attributes:
        evaluator: Works out values.
        known: What is known of files that were worked out before.
        is_candidate: Whether a file may export anything, or a file in a folder, which ends with `/`.
        own: The file that is worked out.
        everything: Whether to look at all names of all files, which changes nothing but the time it takes.
        consulted: What was used of the exports of other files.
    """

    evaluator: Evaluator
    known: Callable[[str], frozenset[str] | None]
    is_candidate: Callable[[str], bool]
    own: str
    everything: bool = False
    consulted: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    _interests: dict[str, Interest] = field(default_factory=dict[str, Interest])
    _found: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    _active: set[str] = field(default_factory=set[str])
    _names: dict[Scope, set[str]] = field(default_factory=dict[Scope, "set[str]"])

    def may_be_ours(self, scope: Scope, expr: ast.expr) -> bool:
        """A cheap syntactic filter: can this expression of a scope evaluate to an upnext object?"""
        return self.everything or mentions(expr, self.names_in(scope))

    def names_in(self, scope: Scope) -> set[str]:
        """The names that can stand for something of upnext in a scope."""
        if scope.kind == "module":
            return self.interest(scope.module).names
        found = self._names.get(scope)
        if found is None:
            found = self._names[scope] = local_names(scope, self.interest(scope.module))
        return found

    def of(self, file: str) -> frozenset[str]:
        """The names that a file exports."""
        if file in self._found:
            return self._found[file]
        known = self.known(file) if file != self.own else None
        if known is None:
            known = self._work_out(file)
        if file != self.own:
            self.consulted[file] = known
        return known

    def _work_out(self, file: str) -> frozenset[str]:
        if not self.is_candidate(file) or file in self._active:
            return frozenset()
        module = self.evaluator.lookup.load(file)
        if module is None:
            return frozenset()
        self._active.add(file)
        try:
            found = self.found_in(module)
        finally:
            self._active.discard(file)
        if not self._active:
            self._found[file] = found
        return found

    def interest(self, module: SourceModule) -> Interest:
        """The names of a file that can stand for something of upnext."""
        found = self._interests.get(module.file)
        if found is None:
            # Asked for again on the way, it is what is known so far.
            found = self._interests[module.file] = Interest(set(), [], self.everything)
            self._fill(found, module)
        return found

    def _fill(self, interest: Interest, module: SourceModule) -> None:
        names = interest.names
        scopes = [module.scope, *self._with_imports(module)]
        for scope in scopes:
            for each in scope.every():
                if isinstance(each.binding, ModuleImport | NameImport) and self.is_interesting(each):
                    names.add(each.name)
        names |= self._starred(module)
        names |= self._dynamic(module)
        waiting = [each for each in module.scope.every() if each.name not in names]
        while True:
            interest.lines[:] = module.text.lines_with(names)
            fresh = {
                each.name
                for each in waiting
                if each.name not in names and interest.between(*each.span) and _is_tainted(each, names)
            }
            fresh |= {name for name, span in _assigned_through(module.scope) if interest.between(*span)} - names
            if not fresh:
                break
            names |= fresh
        if module.imports_upnext:
            # An `.on` that nobody knows is told of where upnext is imported.
            interest.lines[:] = sorted({*interest.lines, *_lines_of(_ATTACHING, module.text.text)})

    def _with_imports(self, module: SourceModule) -> list[Scope]:
        """The scopes of functions and classes that import something."""
        lines = module.text.lines_with(["import"])
        found: list[Scope] = []
        waiting = [module.scope]
        while waiting:
            scope = waiting.pop()
            for each in (*scope.functions, *scope.classes):
                index = bisect_left(lines, each.span[0])
                if index < len(lines) and lines[index] <= each.span[1]:
                    body = module.body_of(each)
                    found.append(body)
                    waiting.append(body)
        return found

    def _starred(self, module: SourceModule) -> set[str]:
        names: set[str] = set()
        lookup = self.evaluator.lookup
        for star in module.scope.stars:
            source = lookup.imported(module.file, star.level, star.module or "")
            if isinstance(source, ModuleRef) and source.file is not None and source.file != module.file:
                public = lookup.exports(source.file)
                names |= {each for each in self.of(source.file) - _ALL if _is_public(each, public)}
                for name in public or () if self.holds_candidates(source) else ():
                    submodule = lookup.modules.submodule(source, name, module.file)
                    if submodule is not None and self._is_exporting(submodule):
                        names.add(name)
            elif isinstance(source, ExternalName) and source.name.partition(".")[0] in UPNEXT:
                names |= {"Worker", "Event", "TypedEvent", "Task", "Api"}
        return names

    def _dynamic(self, module: SourceModule) -> set[str]:
        """The names of what imports modules by names that are worked out."""
        if "import_module" not in module.text.text and "__import__" not in module.text.text:
            return set()
        return {"import_module", "__import__", "importlib"}

    def is_interesting(self, definition: Definition) -> bool:
        """Whether an import can bring something of upnext."""
        lookup = self.evaluator.lookup
        match definition.binding:
            case ModuleImport(module):
                source = lookup.modules.find(module, definition.file)
                return self._is_exporting(source)
            case NameImport(level, module, name):
                source = lookup.imported(definition.file, level, module)
                if not isinstance(source, ModuleRef):
                    return self._is_exporting(source)
                if source.file is not None and source.file != definition.file:
                    exported = self.of(source.file)
                    if name in exported or ANYTHING in exported:
                        return True
                return self._is_exporting(lookup.modules.submodule(source, name, definition.file))
            case _:
                return False

    def _is_exporting(self, source: ModuleRef | ExternalName | None) -> bool:
        if isinstance(source, ExternalName):
            return source.name.partition(".")[0] in UPNEXT
        if source is None:
            return False
        if source.file is not None and self.of(source.file):
            return True
        return self.holds_candidates(source)

    def holds_candidates(self, package: ModuleRef) -> bool:
        """Whether something in a package may export anything."""
        if package.file is not None and not package.file.endswith("__init__.py"):
            return False
        if package.file is not None:
            return self.is_candidate(f"{package.file.rpartition('/')[0]}/")
        path = package.name.replace(".", "/")
        roots = self.evaluator.lookup.modules.modules.roots
        return any(self.is_candidate(f"{root}/{path}/" if root else f"{path}/") for root in {*roots, ""})

    def found_in(self, module: SourceModule) -> frozenset[str]:
        """Work out what a file exports."""
        interest = self.interest(module)
        found = {name for name in interest.names if self._is_exported(module, name)}
        for each in module.scope.definitions.get("__getattr__", ()):
            if interest.between(*each.span) or "import_module" in module.text.text:
                found.add(ANYTHING)
        return frozenset(found)

    def _is_exported(self, module: SourceModule, name: str) -> bool:
        definitions = module.scope.definitions.get(name)
        if definitions is None:
            return bool(module.scope.stars) and name in self._starred(module)
        for each in definitions:
            if isinstance(each.binding, ModuleImport | NameImport):
                if self.is_interesting(each):
                    return True
            elif self._carries(self.evaluator.defined((each,)), each):
                return True
        return False

    def _carries(self, value: values.Value, definition: Definition) -> bool:
        if isinstance(value, values.Unknown) and isinstance(definition.binding, Assignment):
            # Made from something of upnext in a way that cannot be followed.
            return True
        return self.carries(value)

    def carries(self, value: values.Value, depth: int = 0) -> bool:
        """Whether a value is, holds, makes or gives something of upnext."""
        if depth > _DEEPEST:
            return False
        if isinstance(value, _OURS):
            return True
        match value:
            case values.Ambiguous(kind):
                return kind != "value"
            case values.ContainerValue():
                return any(self.carries(each, depth + 1) for each in self.evaluator.items(value))
            case values.Namespace(items):
                return self.carries(items, depth + 1)
            case values.FunctionRef() | values.LambdaRef():
                return self._gives(value, depth)
            case values.PartialFunction(function):
                return self._gives(function, depth) or any(self.carries(each, depth + 1) for _, each in value.bindings)
            case (values.ClassRef() as cls) | values.Instance(cls):
                return self._class_carries(cls, depth)
            case ModuleRef() | ExternalName():
                return self._is_exporting(value)
            case _:
                return False

    def _gives(self, function: values.FunctionRef | values.LambdaRef, depth: int) -> bool:
        evaluator = self.evaluator
        returned = evaluator.returned(function)
        if self.carries(returned, depth + 1) or evaluator.attaching_calls(function):
            return True
        return isinstance(function, values.FunctionRef) and self._returns_unknown(function)

    def _returns_unknown(self, function: values.FunctionRef) -> bool:
        """Whether a function returns what is made from something of upnext, in a way that cannot be followed."""
        body = self.evaluator.body_of(function)
        names = self.names_in(body)
        for each in body.returns:
            if not mentions(each.node, names) or _is_awaited_send(each.node):
                continue
            value = self.evaluator.value(each.node, Use(body, each.node.lineno, each.branches))
            if isinstance(value, values.Unknown):
                return True
        return False

    def _class_carries(self, cls: values.ClassRef, depth: int) -> bool:
        evaluator = self.evaluator
        if is_worker_class(evaluator, cls):
            return True
        for each in evaluator.ancestors(cls):
            if not isinstance(each, values.ClassRef):
                continue
            body = evaluator.body_of(each)
            interest = self.interest(body.module)
            for definition in body.every():
                if not interest.between(*definition.span):
                    continue
                if isinstance(definition.binding, FunctionDefinition | Assignment) and self._carries_in_class(
                    definition, depth
                ):
                    return True
            assigned = evaluator.assigned_by_methods(each) if interest.between(*each.definition.span) else {}
            for definition in (one for found in assigned.values() for one in found):
                if self.carries(evaluator.defined((definition,)), depth + 1):
                    return True
        return False

    def _carries_in_class(self, definition: Definition, depth: int) -> bool:
        found = self.evaluator.defined((definition,))
        if isinstance(found, values.FunctionRef):
            return self._gives(found, depth + 1)
        return self.carries(found, depth + 1)


def local_names(scope: Scope, interest: Interest) -> set[str]:
    """The names of a function that can stand for something of upnext, those of the module among them."""
    names = set(interest.names)
    around: Scope | None = scope
    while around is not None and around.kind != "module":
        if isinstance(around.node, ast.ClassDef) and around.node.name in interest.names:
            names |= {"self", "cls", scope.receiver} - {""}
        fresh = True
        while fresh:
            fresh = False
            for each in around.every():
                if each.name not in names and _is_tainted(each, names):
                    names.add(each.name)
                    fresh = True
        around = around.parent
    return names


def _is_tainted(definition: Definition, names: set[str]) -> bool:
    match definition.binding:
        case Assignment(value, annotation):
            parts: list[Derived | None] = [value, annotation]
        case ParameterDefinition(annotation):
            parts = [annotation]
        case FunctionDefinition(node) | ClassDefinition(node):
            return mentions(node, names)
        case _:
            return False
    while parts:
        part = parts.pop()
        if isinstance(part, Element | Part):
            parts.append(part.of)
        elif part is not None and mentions(unquoted(part), names):
            return True
    return False


def _is_awaited_send(node: ast.expr) -> bool:
    return isinstance(node, ast.Await)


def _is_public(name: str, exported: frozenset[str] | None) -> bool:
    """Whether a star import brings a name."""
    return not name.startswith("_") if exported is None else name in exported


def _assigned_through(scope: Scope) -> list[tuple[str, tuple[int, int]]]:
    """The names whose attributes or items a scope assigns, with the lines of the statement."""
    found = [(_root(target), definition.span) for target, definition in scope.attributes]
    found += [(_root(target), (target.lineno, value.end_lineno or target.lineno)) for target, value, _ in scope.items]
    return [(name, span) for name, span in found if name]


def _root(expr: ast.expr) -> str:
    while isinstance(expr, ast.Attribute | ast.Subscript):
        expr = expr.value
    return expr.id if isinstance(expr, ast.Name) else ""


def _lines_of(pattern: re.Pattern[str], text: str) -> list[int]:
    lines: list[int] = []
    line, position = 1, 0
    for each in pattern.finditer(text):
        for place in each.span():
            line += text.count("\n", position, place)
            position = place
            if not lines or lines[-1] != line:
                lines.append(line)
    return lines
