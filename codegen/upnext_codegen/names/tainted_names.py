"""Which names of a file can stand for something of upnext, by its syntax alone.

A name can where an import brings it that another file exports, and where the statement that binds it holds such a name.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from upnext_codegen.names.scopes import (
    Assignment,
    ClassDefinition,
    Definition,
    Derived,
    Element,
    FunctionDefinition,
    FunctionNode,
    Inside,
    ParameterDefinition,
    Part,
    Rest,
    Scope,
)
from upnext_codegen.reading.string_annotations import unquoted
from upnext_codegen.reading.tree import children

if TYPE_CHECKING:
    from upnext_codegen.names.modules import ModuleRef
    from upnext_codegen.reading.source import SourceText


_WHOLE = frozenset({"__dict__", "__getattr__", "__getattribute__"})
"""Attributes of a module that give whatever it has."""


@dataclass(slots=True, eq=False)
class Names:
    """The names of a scope that can stand for something of upnext, and the lines that hold one.

    Attributes:
        text: The text of the file.
        all: The names.
        modules: Of those that stand for modules alone, which: what they are asked for can lead to upnext or not.
        leads: Whether an attribute of a module does.
        receivers: What stands for a class or its objects inside it: which attributes can be of upnext.
        everything: Whether every line counts, which changes nothing but the time it takes.
        lines: The numbers of the lines, sorted.
    """

    text: SourceText
    leads: Callable[[ModuleRef, str], bool]
    everything: bool = False
    all: set[str] = field(default_factory=set[str])
    modules: dict[str, list[ModuleRef]] = field(default_factory=dict[str, "list[ModuleRef]"])
    receivers: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    lines: list[int] = field(default_factory=list[int])

    def copy(self) -> Names:
        """The same names, to add others to."""
        return replace(
            self,
            all=set(self.all),
            modules=dict(self.modules),
            receivers=dict(self.receivers),
            lines=[*self.lines],
        )

    def add(self, names: Iterable[str], first: int = 1, last: int | None = None) -> None:
        """Add names that can stand for anything, for some lines of the file."""
        fresh = [name for name in names if name not in self.all]
        for name in names:
            self.modules.pop(name, None)
            self.receivers.pop(name, None)
        self.all.update(fresh)
        self._take_lines(self.text.lines_with(fresh, first, last))

    def add_module(self, name: str, module: ModuleRef) -> None:
        """Add a name that can stand for a module."""
        if not self.is_whole(name):
            self.modules.setdefault(name, []).append(module)
        self.all.add(name)
        self._take_lines(self.text.lines_with((name,)))

    def _take_lines(self, lines: list[int]) -> None:
        for line in lines:
            index = bisect_left(self.lines, line)
            if self.lines[index : index + 1] != [line]:
                self.lines.insert(index, line)

    def between(self, first: int, last: int | None) -> bool:
        """Whether one of the lines from `first` to `last` counts."""
        if self.everything:
            return True
        index = bisect_left(self.lines, first)
        return index < len(self.lines) and self.lines[index] <= (last or first)

    def is_whole(self, name: str) -> bool:
        """Whether a name can stand for anything, and not for modules or an object of the class around it alone."""
        return name in self.all and name not in self.modules and name not in self.receivers

    def holds(self, module: str, attribute: str) -> bool:
        """Whether an attribute of what a name stands for can be of upnext."""
        if module in self.receivers:
            return attribute in self.receivers[module]
        sources = self.modules.get(module)
        if sources is None or attribute in _WHOLE:
            return module in self.all
        return any(self.leads(each, attribute) for each in sources)


@dataclass(slots=True, eq=False)
class Interest:
    """The names of a file that can stand for something of upnext.

    Attributes:
        names: The names.
        evident: The names without those that come from a module whose name is worked out; None for the same.
    """

    names: Names
    evident: Names | None = None


def mentions(node: ast.expr | ast.stmt, names: Names) -> bool:
    """Whether an expression holds one of these names; of a module, an attribute that can be of upnext."""
    return names.between(node.lineno, node.end_lineno) and _holds(node, names)


def _holds(node: ast.AST, names: Names) -> bool:
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, ast.Name):
            if current.id in names.all:
                return True
        elif isinstance(current, ast.Attribute) and isinstance(current.value, ast.Name):
            if names.holds(current.value.id, current.attr):
                return True
        elif not isinstance(current, ast.stmt) or names.between(_first_line(current), current.end_lineno):
            stack += _children(current)
    return False


def _first_line(statement: ast.stmt) -> int:
    """The first line of a statement, which is that of a decorator if it has one."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min(statement.lineno, *(each.lineno for each in decorators), statement.lineno)


def _children(node: ast.AST) -> list[ast.AST]:
    found = children(node)
    if isinstance(node, ast.arg | ast.AnnAssign) and isinstance(node.annotation, ast.Constant):
        found.append(unquoted(node.annotation))
    return found


def with_own(scope: Scope, around: Names, of_module: Names) -> Names:
    """Add to the names around a function or class those of its own that can stand for something of upnext."""
    node = cast("FunctionNode | ast.ClassDef | ast.Lambda", scope.node)
    names = around
    if isinstance(node, ast.ClassDef) and node.name in of_module.all:
        names = _with_receivers(scope, node, around)
    elif scope.receiver in {"", "self", "cls"} or "self" not in around.all:
        pass
    else:
        names = around.copy()
        names.add([scope.receiver], node.lineno, node.end_lineno)
        if "self" in around.receivers:
            names.receivers[scope.receiver] = around.receivers["self"]
    waiting = [*scope.every()]
    while True:
        waiting = [each for each in waiting if not names.is_whole(each.name)]
        fresh = {each.name for each in waiting if is_tainted(each, names)} | fed_names(scope, names)
        if not fresh:
            return names
        names = around.copy() if names is around else names
        names.add(fresh, node.lineno, node.end_lineno)


def _with_receivers(scope: Scope, node: ast.ClassDef, around: Names) -> Names:
    """Add what stands for a class or its objects inside it, for the attributes that can be of upnext."""
    names = around.copy()
    names.add(["self", "cls"], node.lineno, node.end_lineno)
    if any(mentions(each, around) for each in (*node.bases, *node.decorator_list)):
        return names
    members: set[str] = set()
    names.receivers["self"] = names.receivers["cls"] = members
    waiting = [*scope.every()]
    while True:
        fresh = [each for each in waiting if is_tainted(each, names)]
        if not fresh:
            return names
        waiting = [each for each in waiting if each not in fresh]
        members.update(each.name for each in fresh)
        for each in fresh:
            if isinstance(each.binding, FunctionDefinition):
                members.update(target.attr for target, _ in scope.module.body_of(each).attributes)


def is_tainted(definition: Definition, names: Names) -> bool:
    """Whether the statement that binds a name holds one of these names."""
    match definition.binding:
        case Assignment(value, annotation):
            parts: list[Derived | None] = [value, annotation]
        case ParameterDefinition(annotation, _, default):
            parts = [annotation, default]
        case FunctionDefinition(node) | ClassDefinition(node):
            return names.between(*definition.span) and any(_holds(each, names) for each in _children(node))
        case _:
            return False
    while parts:
        part = parts.pop()
        if isinstance(part, Element | Part | Rest | Inside):
            parts.append(part.of)
        elif part is not None and names.between(part.lineno, part.end_lineno) and _holds(unquoted(part), names):
            return True
    return False


def assigned_through(scope: Scope) -> list[tuple[str, tuple[int, int]]]:
    """The names whose attributes or items a scope assigns, with the lines of the statement."""
    found = [(root_name(target), definition.span) for target, definition in scope.attributes]
    found += [
        (root_name(target), (target.lineno, value.end_lineno or target.lineno)) for target, value, _ in scope.items
    ]
    return [(name, span) for name, span in found if name]


def fed_names(scope: Scope, names: Names) -> set[str]:
    """The names of a scope that a method is called of with something that can be of upnext: it may keep that."""
    found: set[str] = set()
    for each in scope.fed:
        name = root_name(each.func)
        bound = scope.definitions.get(name, ())
        is_own = any(isinstance(one.binding, Assignment) for one in bound)
        if is_own and not names.is_whole(name) and is_fed(each, names):
            found.add(name)
    return found


def is_fed(call: ast.Call, names: Names) -> bool:
    """Whether a call is given something that can be of upnext."""
    return any(mentions(each, names) for each in (*call.args, *(one.value for one in call.keywords)))


def root_name(expr: ast.expr) -> str:
    """The name that `name.attribute[item]` begins with, "" for none."""
    while isinstance(expr, ast.Attribute | ast.Subscript):
        expr = expr.value
    return expr.id if isinstance(expr, ast.Name) else ""


def lines_of(pattern: re.Pattern[str], text: str) -> list[int]:
    """The numbers of the lines on which a match begins or ends."""
    lines: list[int] = []
    line, position = 1, 0
    for each in pattern.finditer(text):
        for place in each.span():
            line += text.count("\n", position, place)
            position = place
            if not lines or lines[-1] != line:
                lines.append(line)
    return lines
