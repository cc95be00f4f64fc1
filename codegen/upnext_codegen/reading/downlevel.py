"""Rewrites syntax newer than the running Python, place by place, into syntax that it knows.

Every line and column stays where it was, so that places in the rewritten text are places in the user's file. The
bounds and defaults of type parameters, which older Pythons cannot express, are returned separately.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Literal, TypeAlias

import libcst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

_MOST = 12
"""Places that are rewritten one by one: beyond that the whole file takes less time."""
_FEW = 3
"""Lines that are tried as the end of a statement."""
_BEGINS = re.compile(r"\s*(?!(?:else|elif|except|finally)\b)[^\s#)\]}]")
_LAZY = re.compile(r"^(?P<indent>[ \t]*)lazy(?=[ \t]+(?:import|from)\b)", re.MULTILINE)


DownlevelParameter: TypeAlias = tuple[str, str | None, str | None]
"""The name, the bound and the default of a type parameter."""


@dataclass(frozen=True, slots=True)
class Downleveled:
    """A rewritten text.

    Attributes:
        text: The text.
        type_parameters: Those of what is named so on that line.
    """

    text: str
    type_parameters: dict[tuple[str, int], tuple[DownlevelParameter, ...]]


def downlevel(text: str, line: int) -> Downleveled | None:
    """Rewrite a text, None if no Python could parse it.

    Most files have newer syntax in a few places, and libcst takes a hundred times as long as the running Python. So
    only the statements are given to it that the latter stops at, one after another, and the whole if that does not do.

    Args:
        text: The text.
        line: Where the running Python stopped reading it.
    """
    parameters: dict[tuple[str, int], tuple[DownlevelParameter, ...]] = {}
    for _ in range(_MOST):
        part = _statement_at(text.split("\n"), line)
        if part is None:
            break
        text = part.text
        parameters |= part.type_parameters
        stopped = _stopped_at(text)
        if stopped is None:
            return Downleveled(text, parameters)
        line = stopped
    whole = _rewritten(text)
    return whole and Downleveled(whole.text, parameters | whole.type_parameters)


def _statement_at(lines: list[str], line: int) -> Downleveled | None:
    """Rewrite the innermost statement around a line; None if it is not found or contains nothing new."""
    for first in _beginnings(lines, line):
        if _stopped_at("\n".join([*lines[:first], f"{' ' * _indent(lines[first])}pass"])) is not None:
            continue  # It is inside brackets or a text, or after a decorator.
        for last in _ends(lines, first, line):
            part = lines[first:last]
            # An indented statement is given to libcst with something around it.
            around = ["if 1:"] if lines[first][:1].isspace() else []
            found = _rewritten("\n".join([*around, *part]))
            if found is None:
                continue
            rewritten = found.text.split("\n")[len(around) :]
            shift = first - len(around)
            parameters = {(name, shift + number): each for (name, number), each in found.type_parameters.items()}
            text = "\n".join([*lines[:first], *rewritten, *lines[last:]])
            return Downleveled(text, parameters) if rewritten != part else None
    return None


def _beginnings(lines: list[str], line: int) -> Iterator[int]:
    """The lines where the statements around a line may begin, the innermost first."""
    limit = _indent(lines[min(line, len(lines)) - 1]) + 1
    for number in range(min(line, len(lines)) - 1, -1, -1):
        content = lines[number]
        indent = _indent(content)
        if _BEGINS.match(content) and (indent < limit or (indent == limit and content.lstrip().startswith("@"))):
            yield number
            limit = indent


def _ends(lines: list[str], first: int, line: int) -> Iterator[int]:
    """The lines after a line where a statement that began at another may end."""
    limit = _indent(lines[first])
    after = (
        number for number in range(line, len(lines)) if _BEGINS.match(lines[number]) and _indent(lines[number]) <= limit
    )
    return islice(chain(after, (len(lines),)), _FEW)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _stopped_at(text: str) -> int | None:
    """The line where the running Python stops reading a text, None if it reads all of it."""
    try:
        _parse(text, "exec")
    except SyntaxError as error:
        return max(error.lineno or 1, 1)
    except (ValueError, RecursionError, MemoryError):
        return 1
    return None


def _rewritten(text: str) -> Downleveled | None:
    text = _LAZY.sub(r"\g<indent>0;  ", text)
    try:
        module = libcst.parse_module(text)
        wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
        positions = wrapper.resolve(PositionProvider)
        rewriter = _Rewriter(text.split("\n"), module, positions)
        wrapper.module.visit(rewriter)
    except (libcst.ParserSyntaxError, RecursionError, MemoryError, SystemError, ValueError, KeyError):
        return None  # KeyError: libcst has no position for something that is nested too deeply.
    return Downleveled("\n".join(rewriter.lines), rewriter.type_parameters)


@dataclass
class _Rewriter(libcst.CSTVisitor):
    """Overwrites new syntax with spaces, or with old syntax of the same length."""

    lines: list[str]
    module: libcst.Module
    positions: Any
    type_parameters: dict[tuple[str, int], tuple[DownlevelParameter, ...]] = field(
        default_factory=dict[tuple[str, int], tuple[DownlevelParameter, ...]]
    )

    def range_of(self, node: libcst.CSTNode) -> CodeRange:
        """The range of a node."""
        found: CodeRange = self.positions[node]
        return found

    def visit_FunctionDef(self, node: libcst.FunctionDef) -> None:  # noqa: N802 - libcst's name
        """Remove the type parameters."""
        self._take_parameters(node.name, node.type_parameters)

    def visit_ClassDef(self, node: libcst.ClassDef) -> None:  # noqa: N802
        """Remove the type parameters."""
        self._take_parameters(node.name, node.type_parameters)

    def visit_TypeAlias(self, node: libcst.TypeAlias) -> None:  # noqa: N802
        """Turn `type X = ...` into an assignment."""
        start = self.range_of(node).start
        self._write(start.line, start.column, "0;  ")
        # Recorded even if empty: it distinguishes an alias from an assignment.
        self.type_parameters[node.name.value, self.range_of(node.name).start.line] = ()
        self._take_parameters(node.name, node.type_parameters)

    def _take_parameters(self, name: libcst.Name, parameters: libcst.TypeParameters | None) -> None:
        if parameters is None:
            return
        found = tuple(
            (each.param.name.value, self._code(getattr(each.param, "bound", None)), self._code(each.default))
            for each in parameters.params
        )
        self.type_parameters[name.value, self.range_of(name).start.line] = found
        self._blank(self.range_of(parameters))

    def _code(self, node: libcst.BaseExpression | None) -> str | None:
        return None if node is None else self.module.code_for_node(node)

    def visit_ConcatenatedString(self, node: libcst.ConcatenatedString) -> bool:  # noqa: N802
        """Rewrite all of it if a part is new."""
        return self._string(node)

    def visit_FormattedString(self, node: libcst.FormattedString) -> bool:  # noqa: N802
        """Rewrite nested quotes of one kind."""
        return self._string(node)

    def visit_TemplatedString(self, node: libcst.TemplatedString) -> bool:  # noqa: N802
        """Rewrite a t-string, which no older Python has."""
        return self._string(node)

    def _string(self, node: libcst.CSTNode) -> bool:
        place = self.range_of(node)
        code = self._slice(place)
        if not _parses(code):
            swapped = _swapped(code)
            if swapped is not None and place.start.line == place.end.line:
                self._write(place.start.line, place.start.column, swapped)
            else:
                # A name without a definition: its value is unknown, like that of the string.
                self._blank(place)
                one_line = place.start.line == place.end.line
                self._write(place.start.line, place.start.column, "_" if one_line else "(_")
                if not one_line:
                    self._write(place.end.line, place.end.column - 1, ")")
        return False

    def visit_ExceptHandler(self, node: libcst.ExceptHandler) -> None:  # noqa: N802
        """Rewrite the exceptions."""
        self._take_exceptions(node.type)

    def visit_ExceptStarHandler(self, node: libcst.ExceptStarHandler) -> None:  # noqa: N802
        """Rewrite the exceptions."""
        self._take_exceptions(node.type)

    def _take_exceptions(self, named: libcst.BaseExpression | None) -> None:
        """Keep only the first of several exceptions without parentheses."""
        if isinstance(named, libcst.Tuple) and not named.lpar:
            place = self.range_of(named)
            first = self.range_of(named.elements[0].value).end
            self._blank(CodeRange(first, place.end))

    def visit_ListComp(self, node: libcst.ListComp) -> None:  # noqa: N802
        """Remove the star from the element."""
        self._unstar(node.elt)

    def visit_SetComp(self, node: libcst.SetComp) -> None:  # noqa: N802
        """Remove the star from the element."""
        self._unstar(node.elt)

    def visit_GeneratorExp(self, node: libcst.GeneratorExp) -> None:  # noqa: N802
        """Remove the star from the element."""
        self._unstar(node.elt)

    def _unstar(self, element: libcst.CSTNode) -> None:
        start = self.range_of(element).start
        if self.lines[start.line - 1][start.column : start.column + 1] == "*":
            self._write(start.line, start.column, " ")

    def _slice(self, place: CodeRange) -> str:
        rows = self.lines[place.start.line - 1 : place.end.line]
        rows[-1] = rows[-1][: place.end.column]
        rows[0] = rows[0][place.start.column :]
        return "\n".join(rows)

    def _write(self, line: int, column: int, text: str) -> None:
        row = self.lines[line - 1]
        self.lines[line - 1] = row[:column] + text + row[column + len(text) :]

    def _blank(self, place: CodeRange) -> None:
        for line in range(place.start.line, place.end.line + 1):
            row = self.lines[line - 1]
            first = place.start.column if line == place.start.line else 0
            last = place.end.column if line == place.end.line else len(row)
            # A line end inside brackets needs a backslash once the brackets are gone.
            goes_on = line < place.end.line
            self.lines[line - 1] = row[:first] + " " * (last - first) + row[last:] + ("\\" if goes_on else "")


def _parses(code: str) -> bool:
    try:
        _parse(f"({code})", "eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _parse(code: str, mode: Literal["exec", "eval"]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ast.parse(code, mode=mode)


def _swapped(code: str) -> str | None:
    """The same f-string with other quotes inside, None if that is impossible."""
    found = re.fullmatch(r"(?s)([a-zA-Z]*)([\"'])(.*)\2", code)
    if found is None:
        return None
    prefix, quote, inside = found.groups()
    other = "'" if quote == '"' else '"'
    if other in inside or "t" in prefix.lower():
        return None
    swapped = f"{prefix}{quote}{inside.replace(quote, other)}{quote}"
    return swapped if _parses(swapped) else None
