"""Signatures that are complete but for what a canvas adds, so that the task's arguments are known.

`task.s(...)` alone may receive more arguments later. As the second step of a chain it receives the result of the first
step; the first step of a chain that is run receives nothing.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.celery.celery_names import CHAINS, CHORDS, GROUPS
from upnext_codegen.celery.containers import argument
from upnext_codegen.names.modules import ExternalName

if TYPE_CHECKING:
    from upnext_codegen.names.lookup import Lookup
    from upnext_codegen.names.scopes import Use

_RUNS = frozenset({"delay", "apply_async", "apply"})
_LINKS = frozenset({"apply_async", "send_task", "apply"})
_GIVES_ITSELF = frozenset({"set", "on_error"})
"""Methods of a signature that change what is around its arguments, and return it."""


@dataclass(slots=True)
class Canvas:
    """Follows signatures to where they are used.

    Attributes:
        lookup: Looks names up.
        results: For each expression that makes a signature and is known to be complete, how many results of other tasks
            Celery adds in front of its arguments.
    """

    lookup: Lookup
    results: dict[ast.expr, int] = field(default_factory=dict[ast.expr, int])

    def read(self, expr: ast.expr, use: Use, calls: list[tuple[ast.Call, Use]]) -> None:
        """Read an expression and the calls in it."""
        for call, its_use in calls:
            self._read_call(call, its_use)
        for each in ast.walk(expr):
            if isinstance(each, ast.BinOp) and isinstance(each.op, ast.BitOr):
                self._feed(each.right, 1, use)

    def _read_call(self, call: ast.Call, use: Use) -> None:
        """Read what a call does with the signatures among its arguments, or the one that it runs."""
        kind = self._kind(call, use)
        if kind == "chain":
            self._chain(call, use)
        elif kind == "chord":
            self._feed(argument(call, 1, "body"), 1, use)
        elif self._kind(call.func, use) == "chord":
            # `chord(header)` makes a signature that takes the body, and calling it starts the chord.
            self._feed(argument(call, 0, "body"), 1, use)
            self._feed(call.func, 0, use)
        elif not call.args and not call.keywords and self._kind(call.func, use):
            self._feed(call.func, 0, use)
        if isinstance(call.func, ast.Attribute):
            self._method(call, call.func, use)
        elif isinstance(call.func, ast.Name) and call.func.id == "on_commit":
            self._feed(argument(call, 0, "func"), 0, use)

    def _method(self, call: ast.Call, func: ast.Attribute, use: Use) -> None:
        names = {each.arg for each in call.keywords}
        if (
            func.attr in _RUNS
            and not call.args
            and not names & {None, "args", "kwargs"}
            and self._kind(func.value, use)
        ):
            self._feed(func.value, 0, use)
        if func.attr in _LINKS:
            for each in call.keywords:
                if each.arg == "link":
                    self._each(each.value, 1, use)
        elif func.attr == "link":
            self._feed(argument(call, 0, "callback"), 1, use)
        elif func.attr == "on_commit":
            self._feed(argument(call, 0, "func"), 0, use)
        elif (
            func.attr == "add_periodic_task"
            and len(call.args) <= len(("schedule", "sig"))
            and not names & {None, "args", "kwargs"}
        ):
            self._feed(argument(call, 1, "sig"), 0, use)

    def _chain(self, call: ast.Call, use: Use) -> None:
        has_one_before = False
        for each in _members(call):
            # How many items a starred one adds is unknown, perhaps none.
            if isinstance(each, ast.Starred):
                continue
            if has_one_before:
                self._feed(each, 1, use)
            has_one_before = True

    def _feed(self, expr: ast.expr | None, results: int, use: Use) -> None:
        """Record that the result of an expression receives that many results, and nothing else."""
        match expr:
            case ast.BinOp(left, ast.BitOr(), _):
                self._feed(left, results, use)
            case ast.Call(ast.Attribute(value, attr)) if attr in _GIVES_ITSELF:
                if not any(each.arg in {"immutable", None} for each in expr.keywords):
                    self._feed(value, results, use)
            case ast.Call():
                kind = self._kind(expr, use)
                members = _members(expr)
                if kind == "group":
                    for each in members:
                        self._each(each, results, use)
                elif kind == "chord":
                    self._each(argument(expr, 0, "header"), results, use)
                elif kind == "chain" and members:
                    self._feed(members[0], results, use)
                elif not kind:
                    self.results[expr] = results
            case _:
                pass

    def _each(self, expr: ast.expr | None, results: int, use: Use) -> None:
        """Do the same for each item of a display or comprehension, or for a single signature."""
        match expr:
            case ast.List(items) | ast.Tuple(items) | ast.Set(items):
                for item in items:
                    self._feed(item, results, use)
            case ast.ListComp(item) | ast.GeneratorExp(item) | ast.SetComp(item):
                self._feed(item, results, use)
            case _:
                self._feed(expr, results, use)

    def _kind(self, expr: ast.expr, use: Use) -> str:
        """Return whether an expression is a "chain", "group" or "chord", "" if it is none as far as is known."""
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.BitOr):
            return "chain"
        if not isinstance(expr, ast.Call):
            return ""
        for each in self.lookup.path(use, expr.func):
            if isinstance(each, ExternalName):
                for kind, names in (("chain", CHAINS), ("group", GROUPS), ("chord", CHORDS)):
                    if each.name in names:
                        return kind
        return ""


def _members(call: ast.Call) -> list[ast.expr]:
    """The members of a chain or group."""
    if len(call.args) == 1 and isinstance(call.args[0], ast.List | ast.Tuple):
        return call.args[0].elts
    return call.args
