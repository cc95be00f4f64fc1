"""Edits to one file: small changes to its text that leave the rest unchanged, byte for byte."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider, ScopeProvider

from upnext_codegen.fixes.source import starts_of_lines
from upnext_codegen.renames.excerpt import excerpt

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from libcst.metadata import CodePosition, CodeRange, QualifiedName, Scope

    from upnext_codegen.records import Place


class Edits:
    """A file to change.

    Args:
        file: Its path relative to the project root.
        data: Its content.
        module: Its tree.
        text: The same as text.
        numbers: Which line of the text each line of the tree is, where the tree is that of an excerpt.
    """

    def __init__(
        self, file: str, data: bytes, module: cst.Module, text: str, numbers: Sequence[int] | None = None
    ) -> None:
        self.file = file
        self.before = data
        self.module = module
        self.text = text
        self._wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
        self._numbers = numbers
        self._edits: dict[tuple[int, int], str] = {}

    @classmethod
    def read(cls, file: str, data: bytes) -> Edits | None:
        """Parse a file, None if libcst cannot, or does not reproduce it byte for byte."""
        try:
            module = cst.parse_module(data)
            text = module.code  # which takes long
            return cls(file, data, module, text) if text.encode(module.encoding) == data else None
        except (cst.ParserSyntaxError, UnicodeError, LookupError, RecursionError):
            return None

    @classmethod
    def read_about(cls, file: str, data: bytes, words: Collection[str]) -> Edits | None:
        """Parse only the parts of a file that may involve some words; the rest is left unchanged."""
        found = excerpt(data, words)
        if found is None:
            return cls.read(file, data)
        try:
            return cls(file, data, cst.parse_module(found.text), found.whole, found.numbers)
        except (cst.ParserSyntaxError, RecursionError):
            return cls.read(file, data)

    @cached_property
    def positions(self) -> Mapping[cst.CSTNode, CodeRange]:
        """The positions of nodes."""
        return self._wrapper.resolve(PositionProvider)

    @cached_property
    def _scopes(self) -> Mapping[cst.CSTNode, Scope | None]:
        """The scope of each node; computing it is slow."""
        return self._wrapper.resolve(ScopeProvider)

    def qualified_names(self, node: cst.CSTNode) -> Collection[QualifiedName]:
        """The qualified names of a name, computed only on request."""
        scope = self._scopes.get(node)
        return () if scope is None else scope.get_qualified_names_for(node)

    @cached_property
    def nodes(self) -> list[cst.CSTNode]:
        """All nodes, outer ones first."""
        return walk(self.module)

    @cached_property
    def imports(self) -> list[cst.ImportFrom]:
        """All imports from modules, wherever they are."""
        return [node for node in self.nodes if isinstance(node, cst.ImportFrom)]

    def function(self, place: Place) -> cst.FunctionDef | None:
        """The function whose name is at a place."""
        functions = (node for node in self.nodes if isinstance(node, cst.FunctionDef))
        return next((node for node in functions if self.place_of(node.name) == place[1:]), None)

    def qualname(self, function: cst.FunctionDef) -> str:
        """The name of a function in its module: "confirm", or "Mails.confirm" in a class."""
        return next((each.name for each in self.qualified_names(function)), function.name.value)

    def calls_at(self, place: Place) -> list[cst.Call]:
        """The calls that start at a place."""
        calls = [node for node in self.nodes if isinstance(node, cst.Call)]
        return [node for node in calls if self.place_of(node) == place[1:]]

    def place_of(self, node: cst.CSTNode) -> tuple[int, int]:
        """The line and column of a node, from 1."""
        start = self.positions[node].start
        return self._line(start), start.column + 1

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """The start and end of a node in the text."""
        position = self.positions[node]
        return self._offset(position.start), self._offset(position.end)

    def replace(self, node: cst.CSTNode, text: str) -> None:
        """Replace a node by a text."""
        self._edits[self.span(node)] = text

    def is_changed(self, node: cst.CSTNode) -> bool:
        """Return whether a node is to be replaced."""
        return self.span(node) in self._edits

    def put(self, start: int, end: int, text: str) -> None:
        """Replace a text by another, or insert between two characters."""
        self._edits[start, end] = text

    def place_after(self, line: int, column: int) -> tuple[int, int]:
        """Return the position, after all edits, of what is now at a line and column, from 1."""
        offset = self._lines[line - 1] + column - 1
        moved = offset + sum(len(new) - (end - start) for (start, end), new in self._edits.items() if end <= offset)
        starts = starts_of_lines(self._text_after)
        number = bisect_right(starts, moved)
        return number, moved - starts[number - 1] + 1

    def put_at(self, place: int) -> str:
        """Return what is inserted between two characters."""
        return self._edits.get((place, place), "")

    @property
    def after(self) -> bytes:
        """The file after all edits."""
        return self._text_after.encode(self.module.encoding)

    @property
    def _text_after(self) -> str:
        text = self.text
        for (start, end), new in sorted(self._edits.items(), reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _offset(self, position: CodePosition) -> int:
        return self._lines[self._line(position) - 1] + position.column

    def _line(self, position: CodePosition) -> int:
        """The line of the text for a position in the tree, from 1."""
        # A module ends after its last line.
        return position.line if self._numbers is None else self._numbers[position.line - 1]

    @cached_property
    def _lines(self) -> list[int]:
        return starts_of_lines(self.text)


def walk(node: cst.CSTNode) -> list[cst.CSTNode]:
    """Return a node and all nodes in it, outer ones first."""
    found: list[cst.CSTNode] = []
    waiting = [node]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += reversed(current.children)
    return found


def text_of(node: cst.BaseExpression) -> str | None:
    """The value of a string literal, None for anything else."""
    value = node.evaluated_value if isinstance(node, cst.SimpleString) else None
    return value if isinstance(value, str) else None
