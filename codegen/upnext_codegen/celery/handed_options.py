"""What a decorator of the project does with its `**options` before it creates a task with them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upnext_codegen.names.scopes import FunctionNode

_DECISIVE = frozenset({"bind", "name", "base"})
"""Options that say what a task takes, and what it is called."""
_READING = frozenset({"get", "items", "keys", "values", "copy"})


class Changes(NamedTuple):
    """What happens to `**options`.

    Attributes:
        name: The parameter that holds them.
        defaults: Those that are added where they are not given.
        later: Those that are put in place of what is given.
        removed: Those that are taken out.
    """

    name: str
    defaults: dict[str, ast.expr]
    later: dict[str, ast.expr]
    removed: frozenset[str]


def changes_of(node: FunctionNode) -> Changes | None:
    """Return what a function does with its `**options`, None if unknown."""
    assert node.args.kwarg is not None
    name = node.args.kwarg.arg
    reader = _Reader(name, {id(each) for each in node.body})
    for each in ast.walk(node):
        reader.read(each)
    uses = {id(each) for each in ast.walk(node) if isinstance(each, ast.Name) and each.id == name}
    return reader.changes() if uses <= reader.known and not reader.is_uncertain else None


class _Reader:
    def __init__(self, name: str, statements: set[int]) -> None:
        self.known: set[int] = set()
        self.is_uncertain = False
        self._name = name
        self._statements = statements
        self._defaults: dict[str, ast.expr] = {}
        self._later: dict[str, ast.expr] = {}
        self._removed: set[str] = set()

    def changes(self) -> Changes:
        return Changes(self._name, self._defaults, self._later, frozenset(self._removed))

    def read(self, node: ast.AST) -> None:
        match node:
            case ast.Expr(ast.Call(ast.Attribute(owner, "setdefault"), [ast.Constant(str() as key), value])):
                self._change(self._defaults, node, owner, key, value)
            case ast.Assign([ast.Subscript(owner, ast.Constant(str() as key))], value):
                self._change(self._later, node, owner, key, value)
            case ast.Call(ast.Attribute(owner, "pop"), [ast.Constant(str() as key), *_]):
                if self._is_it(owner):
                    self._removed.add(key)
            case ast.Subscript(owner, _, ast.Load()) | ast.keyword(None, owner):
                self._is_it(owner)
            case ast.Dict(keys, values):
                self._note(each for key, each in zip(keys, values, strict=True) if key is None)
            case ast.Attribute(owner, attr) if attr in _READING:
                self._is_it(owner)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp() | ast.If() | ast.IfExp():
                self._note(ast.iter_child_nodes(node))
            case _:
                pass

    def _note(self, nodes: Iterable[ast.AST]) -> None:
        for each in nodes:
            self._is_it(each)

    def _is_it(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name) and node.id == self._name:
            self.known.add(id(node))
            return True
        return False

    def _change(self, changes: dict[str, ast.expr], node: ast.AST, owner: ast.AST, key: str, value: ast.expr) -> None:
        if self._is_it(owner):
            # What happens in a branch may not happen.
            self.is_uncertain |= key in _DECISIVE and id(node) not in self._statements
            changes[key] = value
