"""Locations of findings that stay valid when lines are added above them.

The stub repeats the errors of `upnext gen`, so that the mypy plugin can show them in place, but contains no line
numbers. A place is given as the innermost enclosing statement that has a name, and the distance from it.
"""

from __future__ import annotations

import ast
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from upnext_codegen.escaped_text import visible
from upnext_codegen.findings import Finding, is_error
from upnext_codegen.reading.source import SourceError, tree_of


class _Span(NamedTuple):
    """A named statement: its lines with and without decorators, and its name."""

    first: int
    last: int
    line: int
    name: str
    nth: int


def anchored(findings: Iterable[Finding], root: Path, folder: Path) -> tuple[str, ...]:
    """Return the errors among findings in the stub's form, without those that mypy reports by itself.

    The first line of each is `CODE STATEMENT#NTH+LINES:COLUMN in FILE`: the file as seen from the stub, the statement
    as `statements` names it, and the distance in lines; its message and its notes follow, a line each. What has no
    such place is left out: a file that cannot be parsed stops mypy anyway.

    Args:
        findings: All findings, without those that are silenced.
        root: The project root, which places are relative to.
        folder: Where the stub is.
    """

    @cache
    def named(file: str) -> tuple[_Span, ...]:
        try:
            tree = tree_of((root / file).read_bytes())[1]
        except (OSError, SourceError):
            return ()
        return tuple(
            _Span(_first_line(node), _last_line(node), node.lineno, name, nth) for name, nth, node in statements(tree)
        )

    found: list[str] = []
    for finding in filter(is_error, findings):
        if finding.typed:
            continue
        place = finding.place
        around = [each for each in named(place.file) if each.first <= place.line <= each.last]
        if not around:
            continue
        nearest = around[-1]
        file = Path(os.path.relpath(root / place.file, folder)).as_posix()
        where = f"{nearest.name}#{nearest.nth}{place.line - nearest.line:+}:{place.column} in {file}"
        notes = [f"{related.place.file}: {related.message}" for related in finding.related]
        notes += [f"and {finding.not_listed} more places"] if finding.not_listed else []
        lines = (f"{finding.code} {where}", finding.message, *notes, finding.help)
        found.append("\n".join(visible(line) for line in lines))
    return tuple(dict.fromkeys(found))


def statements(tree: ast.AST) -> Iterator[tuple[str, int, ast.stmt]]:
    """Return the named statements of a file in order: the name, its number among equal names, the statement.

    Names are `def F`, `class C`, `X =`, and `call` for an expression that stands alone.
    """
    count: Counter[str] = Counter()
    for node in _in_order(tree):
        name = _name(node)
        if name:
            yield name, count[name], node
            count[name] += 1


def _in_order(tree: ast.AST) -> Iterator[ast.stmt]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        children = ast.iter_child_nodes(node)
        waiting += [each for each in children if isinstance(each, ast.stmt | ast.excepthandler | ast.match_case)][::-1]


def _name(node: ast.stmt) -> str:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return f"def {node.name}"
        case ast.ClassDef():
            return f"class {node.name}"
        case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)):
            # For a Python without the `type` statement, an assignment replaces it.
            return "" if hasattr(node, "type_params") else f"{name} ="
        case ast.Expr(value=ast.Call() | ast.Await()):
            return "call"
        case _:
            return ""


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min(node.lineno, *(decorator.lineno for decorator in decorators)) if decorators else node.lineno


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno
