"""Decides whether `import module` is used for something that the module exports.

Many projects have a file named like an external package (`backends/redis.py`), and even more have `import redis`. The
import does not mean the file unless something is taken from it that only the file has.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.names.exported_names import is_exported
from upnext_codegen.reading.tree import walk

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from upnext_codegen.unread.missing import Missing
    from upnext_codegen.unread.takers import Takers


def is_used(statement: ast.Import, missed: Missing, exports: frozenset[str], tree: ast.Module, takers: Takers) -> bool:
    """Whether an imported module is used for its upnext names, or in a way that does not show.

    Args:
        statement: The statement.
        missed: The module, and the file that it may mean.
        exports: What that exports, as `exported_names` has it.
        tree: The file around the statement.
        takers: The files that may take it from there.
    """
    bound = [alias.asname or alias.name for alias in statement.names if alias.name == missed.module]
    if not bound:
        return True
    package = missed.target.removesuffix("__init__.py")
    return any(
        not name or is_exported(exports, name) or _is_module(f"{package}{name}", takers.index.entries)
        for each in bound
        for name in _taken(each, tree)
    ) or takers.is_used_through(missed.file, {each.partition(".")[0] for each in bound}, missed.target)


def _is_module(path: str, files: Container[str]) -> bool:
    return f"{path}.py" in files or f"{path}/__init__.py" in files


def _taken(name: str, tree: ast.Module) -> Iterator[str]:
    """Yield what a file takes from a dotted name; "" where it uses that as a whole."""
    passed: set[int] = set()
    for node in walk(tree):  # Each comes before its children.
        passed.update(id(each) for each in _only_tested(node, is_tested=id(node) in passed))
        if isinstance(node, ast.Attribute) and _is_named(node.value, name):
            passed.add(id(node.value))
            yield node.attr
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load) and id(node) not in passed:
            yield from [""] if _is_named(node, name) else []
        elif isinstance(node, ast.Constant) and node.value == name:
            yield ""  # `sys.modules["redis"]`, `globals()["redis"]`


def _only_tested(node: ast.AST, *, is_tested: bool) -> Sequence[ast.expr]:
    """Return the expressions in a node that are only tested for truth or equality.

    Args:
        node: The node.
        is_tested: Whether that holds of itself.
    """
    match node:
        case ast.If(test) | ast.IfExp(test) | ast.While(test) | ast.Assert(test) | ast.UnaryOp(ast.Not(), test):
            return (test,)
        case ast.Compare(left, operators, others) if all(isinstance(each, ast.Is | ast.IsNot) for each in operators):
            return (left, *others)
        case ast.BoolOp(_, values) if is_tested:
            return values
        case _:
            return ()


def _is_named(node: ast.expr, name: str) -> bool:
    rest, _, last = name.rpartition(".")
    if isinstance(node, ast.Attribute):
        return bool(rest) and node.attr == last and _is_named(node.value, rest)
    return isinstance(node, ast.Name) and not rest and node.id == last
