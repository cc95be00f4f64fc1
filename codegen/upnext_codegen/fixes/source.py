"""A source file as libcst has it, and what stands at a place in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libcst.metadata import CodeRange

    from upnext_codegen.records import Place


@dataclass(frozen=True, slots=True)
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
        """Parse a file, None where libcst cannot."""
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
        """The function whose name, or one of whose positional-only parameters, stands at a place."""
        return self.functions.get(place[1:])

    def calls_at(self, place: Place) -> tuple[cst.Call, ...]:
        """The calls that start at a place."""
        return self.calls.get(place[1:], ())

    def replaced(self, old: cst.CSTNode, new: cst.CSTNode) -> cst.Module:
        """The file with one node in the place of another."""
        changed = self.module.deep_replace(old, new)
        assert isinstance(changed, cst.Module)
        return changed


def _start(position: CodeRange) -> tuple[int, int]:
    """A line and a column, both from 1."""
    return position.start.line, position.start.column + 1
