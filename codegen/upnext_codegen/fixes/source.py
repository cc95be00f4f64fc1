"""A source file parsed by libcst, with access to the node at a given place."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libcst.metadata import CodeRange

    from upnext_codegen.records import Place


_LINE_END = re.compile(r"\r\n|\r|\n")


class Change(NamedTuple):
    """A replacement of a range of a file, given in characters from its start."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Source:
    """A file that can be changed.

    Attributes:
        module: Its tree.
        functions: Its functions, by the line and column of their names and of their positional-only parameters.
        calls: Its calls, by where they start, outer ones first.
    """

    module: cst.Module
    functions: Mapping[tuple[int, int], cst.FunctionDef]
    calls: Mapping[tuple[int, int], tuple[cst.Call, ...]]

    @classmethod
    def read(cls, data: bytes) -> Source | None:
        """Parse a file, None if libcst cannot."""
        try:
            module = cst.parse_module(data)
        except (cst.ParserSyntaxError, UnicodeError, LookupError, RecursionError):
            return None
        positions = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
        functions: dict[tuple[int, int], cst.FunctionDef] = {}
        calls: dict[tuple[int, int], tuple[cst.Call, ...]] = {}
        for node, position in positions.items():
            if isinstance(node, cst.FunctionDef):
                for name in (node.name, *(each.name for each in node.params.posonly_params)):
                    functions[_start(positions[name])] = node
            elif isinstance(node, cst.Call):
                calls[_start(position)] = (*calls.get(_start(position), ()), node)
        return cls(module, functions, calls)

    def function(self, place: Place) -> cst.FunctionDef | None:
        """The function whose name, or one of whose positional-only parameters, is at a place."""
        return self.functions.get(place[1:])

    def calls_at(self, place: Place) -> tuple[cst.Call, ...]:
        """The calls that start at a place."""
        return self.calls.get(place[1:], ())

    def replaced(self, old: cst.CSTNode, new: cst.CSTNode) -> cst.Module:
        """The file with one node in place of another."""
        changed = self.module.deep_replace(old, new)
        assert isinstance(changed, cst.Module)
        return changed

    def change(self, line: int, old: cst.CSTNode, new: cst.CSTNode) -> Change | None:
        """The smallest text change that replaces one node by another; None if it changes nothing.

        Only the statement that the node stands in is written anew, so that many changes of a long file are no more
        work each than one of a short file.

        Args:
            line: The line that the node starts in.
            old: The node.
            new: What is to stand in its place.
        """
        number = bisect_right(self._statement_lines, line) - 1
        statement = self.module.body[number]
        changed = statement.deep_replace(old, new)
        assert isinstance(changed, cst.CSTNode)
        before, after = self._statement_texts[number], self.module.code_for_node(changed)
        if before == after:
            return None
        start = _shared(before, after)
        end = _shared(before[start:][::-1], after[start:][::-1])
        offset = self._statement_starts[number]
        return Change(offset + start, offset + len(before) - end, after[start : len(after) - end])

    @cached_property
    def text(self) -> str:
        """The whole file."""
        return self.module.code

    @cached_property
    def line_starts(self) -> list[int]:
        """Where each line starts in the text."""
        return starts_of_lines(self.text)

    @cached_property
    def _statement_texts(self) -> list[str]:
        """The statements of the module with the comments before them, one after the other."""
        return [self.module.code_for_node(each) for each in self.module.body]

    @cached_property
    def _statement_starts(self) -> list[int]:
        before = sum(len(self.module.code_for_node(each)) for each in self.module.header)
        return list(accumulate(map(len, self._statement_texts[:-1]), initial=before))

    @cached_property
    def _statement_lines(self) -> list[int]:
        return [bisect_right(self.line_starts, start) for start in self._statement_starts]


def _shared(first: str, second: str) -> int:
    """The length of the common beginning of two texts."""
    length = min(len(first), len(second))
    return next((number for number in range(length) if first[number] != second[number]), length)


def _start(position: CodeRange) -> tuple[int, int]:
    """A line and a column, both from 1."""
    return position.start.line, position.start.column + 1


def requoted(node: cst.SimpleString, text: str) -> cst.SimpleString:
    """Return the literal of another text with the same prefix and quotes."""
    return node.with_changes(value=f"{node.prefix}{node.quote}{text}{node.quote}")


def starts_of_lines(text: str) -> list[int]:
    """Return where each line of a text starts."""
    return [0, *(each.end() for each in _LINE_END.finditer(text))]
