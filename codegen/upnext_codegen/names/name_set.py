"""Names of a scope that can stand for something of upnext, with the lines and expressions that contain one."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from upnext_codegen.names.effects import Among, Effects
from upnext_codegen.reading.string_annotations import unquoted
from upnext_codegen.reading.tree import children

if TYPE_CHECKING:
    from upnext_codegen.names.modules import ModuleRef
    from upnext_codegen.names.scopes import Definition
    from upnext_codegen.reading.source import SourceText

_WHOLE = frozenset({"__dict__", "__getattr__", "__getattribute__"})
"""Attributes of a module that give whatever it has."""


@dataclass(slots=True, eq=False)
class Names:
    """The names of a scope that can stand for something of upnext, and the lines that contain one.

    Attributes:
        text: The text of the file.
        all: The names.
        modules: Of those that stand for modules alone, which: what they are asked for can lead to upnext or not.
        leads: Whether an attribute of a module does.
        receivers: What stands for a class or its objects inside it, and modules that make others known: which of their
            attributes can be of upnext.
        everything: Whether every line counts, which changes nothing but the time it takes.
        lines: The numbers of the lines, sorted.
        effects: What is known of functions and classes which hold names of modules, by those of the names that they
            hold. What is known of others, their file keeps.
    """

    text: SourceText
    leads: Callable[[ModuleRef, str], bool]
    everything: bool = False
    all: set[str] = field(default_factory=set[str])
    modules: dict[str, list[ModuleRef]] = field(default_factory=dict[str, "list[ModuleRef]"])
    receivers: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    lines: list[int] = field(default_factory=list[int])
    effects: dict[tuple[Definition, Among], Effects] = field(default_factory=dict["tuple[Definition, Among]", Effects])

    def copy(self) -> Names:
        """The same names, to add others to."""
        return replace(
            self,
            all=set(self.all),
            modules=dict(self.modules),
            receivers={name: set(attributes) for name, attributes in self.receivers.items()},
            lines=[*self.lines],
        )

    def without(self, names: set[str]) -> Names:
        """The names except some, to add others to."""
        found = self.copy()
        found.all -= names
        for name in names:
            found.modules.pop(name, None)
            found.receivers.pop(name, None)
        return found

    def add(self, names: Iterable[str], first: int = 1, last: int | None = None) -> None:
        """Add names that can stand for anything, for some lines of the file."""
        fresh = [name for name in names if not self.is_whole(name)]
        for name in fresh:
            self.modules.pop(name, None)
            self.receivers.pop(name, None)
        self.all.update(fresh)
        self._take_lines(self.text.lines_with(fresh, first, last))

    def add_module(self, name: str, module: ModuleRef) -> None:
        """Add a name that can stand for a module.

        Only those lines count that take something of upnext from it, or that do not say what they take. Modules such as
        `utils` stand on most lines of a large project.
        """
        if self.is_whole(name) or module in self.modules.get(name, ()):
            return  # `import shop.events` and `import shop.models` are both of `shop`
        self.modules.setdefault(name, []).append(module)
        self.all.add(name)
        self._take_lines(
            [
                line
                for attribute, lines in self.text.attributes_of(name).items()
                if not attribute or self.holds(name, attribute)
                for line in lines
            ]
        )

    def add_parts(self, names: Mapping[str, str]) -> None:
        """Add names of which one attribute can stand for anything or, if that is "", the name itself."""
        self.add([name for name, attribute in names.items() if not attribute])
        for name, attribute in names.items():
            if attribute and not self.is_whole(name):
                self.all.add(name)
                self.receivers.setdefault(name, set()).add(attribute)
                self._take_lines(self.text.lines_with((attribute,)))

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

    def among(self, definition: Definition) -> Among:
        """The names in the lines of a function or class, with what is known about them."""
        words = self.words_of(definition)
        found = words & self.all
        receivers = words & self.receivers.get("self", set()) if "self" in found else frozenset[str]()
        return Among(found, found.intersection(self.modules), "self" in self.receivers, receivers)

    def words_of(self, definition: Definition) -> frozenset[str]:
        """The words in the lines of a function or class."""
        return self.text.words_between(*definition.span)

    def is_whole(self, name: str) -> bool:
        """Whether a name can stand for anything, not only for modules or an object of the class around it."""
        return name in self.all and name not in self.modules and name not in self.receivers

    def holds(self, module: str, attribute: str) -> bool:
        """Whether an attribute of a name's value can be of upnext."""
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
    """Whether an expression contains one of these names; for a module, an attribute that can be of upnext."""
    return names.between(node.lineno, node.end_lineno) and holds(node, names)


def holds(node: ast.AST, names: Names) -> bool:
    """Whether anything below a node is one of these names."""
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
            stack += children_with_texts(current)
    return False


def _first_line(statement: ast.stmt) -> int:
    """The first line of a statement, that of a decorator if it has one."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min(statement.lineno, *(each.lineno for each in decorators), statement.lineno)


def children_with_texts(node: ast.AST) -> list[ast.AST]:
    """The direct children of a node, with string annotations parsed."""
    found = children(node)
    if isinstance(node, ast.arg | ast.AnnAssign) and isinstance(node.annotation, ast.Constant):
        found.append(unquoted(node.annotation))
    return found


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
