"""The position of a call in its function: whether every run reaches it, what follows, where its result goes."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from upnext_codegen.reading.tree import children

if TYPE_CHECKING:
    from collections.abc import Iterator

Body: TypeAlias = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef
"""What a call can stand in."""

_LATER = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_COMPREHENSION = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
_LOOP = ast.For | ast.AsyncFor | ast.While
_LOGGING = frozenset({"critical", "debug", "error", "exception", "info", "log", "print", "warning"})
_PLAIN = frozenset(
    {"append", "bool", "dict", "format", "frozenset", "hex", "isinstance", "isoformat", "items", "join", "keys", "len"}
    | {"list", "lower", "monotonic", "now", "perf_counter", "repr", "set", "str", "strip", "time", "total_seconds"}
    | {"tuple", "upper", "uuid4", "values"}
)
_SAFE = _LOGGING | _PLAIN
"""Calls by these names are taken not to fail, unless they are awaited."""
_CATCH_ALL = frozenset({"Exception", "BaseException"})
_FIRST_FIELDS: dict[type[ast.AST], set[str]] = {
    ast.If: {"test"},
    ast.IfExp: {"test"},
    ast.For: {"iter"},
    ast.AsyncFor: {"iter"},
    ast.While: {"test"},
    ast.Match: {"subject"},
    ast.Try: {"body", "orelse", "finalbody"},
}
"""For nodes of which not every part runs, the fields that do."""


class Standing(NamedTuple):
    """The position of a call in its function.

    Attributes:
        always: Whether every run of the function gets there, unless something fails before.
        followed: Whether something that can fail follows it, so that the function may fail after it.
        lost: Why its result cannot be awaited, "" if it may be.
    """

    always: bool = False
    followed: bool = False
    lost: str = ""


class _Step(NamedTuple):
    """One step on the path down to a call."""

    parent: ast.AST
    field: str
    child: ast.AST


class _Around(NamedTuple):
    """The surroundings of a statement in its block.

    Attributes:
        may_be_left: Whether a statement before it may end the function, or the turn of a loop.
        may_fail: Whether a statement behind it can fail.
        ends: Whether nothing behind the block is reached after it.
    """

    may_be_left: bool
    may_fail: bool
    ends: bool


@dataclass(slots=True)
class Standings:
    """Determines the positions of calls in their functions, and caches the path in the function seen last."""

    _body: Body | None = None
    _steps: dict[ast.AST, _Step] = field(default_factory=dict[ast.AST, _Step])
    _around: dict[ast.stmt, _Around] = field(default_factory=dict[ast.stmt, "_Around"])

    def of(self, body: Body, call: ast.Call) -> Standing:
        """Work out how a call stands in the function or module around it."""
        if self._body is not body:
            self._body, self._steps, self._around = body, _steps_in(body), {}
        way: list[_Step] = []
        node: ast.AST = call
        while node is not body:
            step = self._steps.get(node)
            if step is None:
                return Standing()  # As in a decorator, which is not part of the body.
            way.append(step)
            node = step.parent
        way.reverse()
        return Standing(self._always(way), self._followed(way), _lost(body, way))

    def _always(self, way: list[_Step]) -> bool:
        return all(
            _runs(step) and not (isinstance(step.child, ast.stmt) and self._in_block(step).may_be_left) for step in way
        )

    def _followed(self, way: list[_Step]) -> bool:
        if any(isinstance(step.parent, ast.Lambda | ast.GeneratorExp) for step in way):
            return False  # It is unknown when that runs.
        found = False
        for step in reversed(way):
            if isinstance(step.parent, ast.Call) and step.parent is not way[-1].child:
                found = found or not _is_safe(step.parent)
            if isinstance(step.parent, _LOOP) and step.field in {"body", "test"}:
                return True  # The next iteration calls it again.
            if isinstance(step.parent, _COMPREHENSION):
                return True
            if not isinstance(step.child, ast.stmt):
                continue
            if isinstance(step.child, ast.Return | ast.Raise):
                return found or isinstance(step.child, ast.Raise)
            around = self._in_block(step)
            found = found or around.may_fail
            if isinstance(step.parent, ast.Try) and step.field == "body" and _catches_all(step.parent):
                found = False
            found = found or (isinstance(step.parent, ast.Try) and any(map(_can_fail, step.parent.finalbody)))
            if around.ends:
                break
        return found

    def _in_block(self, step: _Step) -> _Around:
        """The surroundings of a statement in its block, determined for the whole block at once."""
        statement = cast("ast.stmt", step.child)
        if statement not in self._around:
            block = cast("list[ast.stmt]", getattr(step.parent, step.field))
            self._around.update(zip(block, _arounds(block), strict=True))
        return self._around[statement]


def _arounds(block: list[ast.stmt]) -> list[_Around]:
    """The surroundings of each statement of a block."""
    left: list[bool] = []
    may_be_left = False
    for statement in block:
        left.append(may_be_left)
        may_be_left = may_be_left or _may_leave(statement)
    after: list[tuple[bool, bool]] = []
    behind = (False, False)
    for statement in reversed(block):
        after.append(behind)
        if _can_fail(statement):
            behind = (True, True)
        elif isinstance(statement, ast.Return):
            behind = (False, True)
        elif isinstance(statement, ast.Break | ast.Continue):
            behind = (False, False)
    return [_Around(*each) for each in zip(left, *zip(*reversed(after), strict=True), strict=True)]


def _steps_in(body: Body) -> dict[ast.AST, _Step]:
    """The step down to every node of a body."""
    found: dict[ast.AST, _Step] = {statement: _Step(body, "body", statement) for statement in body.body}
    stack: list[ast.AST] = [*body.body]
    while stack:
        for step in _children(stack.pop()):
            found[step.child] = step
            stack.append(step.child)
    return found


def _children(node: ast.AST) -> Iterator[_Step]:
    for name, value in ast.iter_fields(node):
        for each in cast("list[object]", value) if isinstance(value, list) else [value]:
            if isinstance(each, ast.AST):
                yield _Step(node, name, each)


# Whether every run gets there


def _runs(step: _Step) -> bool:
    """Whether a part of a node runs whenever the node does."""
    parent, field, child = step
    if isinstance(parent, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
        return field == "body"
    if isinstance(parent, ast.While) and field == "body":
        return isinstance(parent.test, ast.Constant) and bool(parent.test.value)
    if isinstance(parent, ast.BoolOp):
        return child is parent.values[0]
    if isinstance(parent, ast.Compare):
        return child is parent.left or child is parent.comparators[0]
    if isinstance(parent, _LATER | _COMPREHENSION | ast.ExceptHandler | ast.match_case):
        return False
    first = _FIRST_FIELDS.get(ast.Try if isinstance(parent, ast.TryStar) else type(parent))
    return first is None or field in first


def _may_leave(statement: ast.stmt) -> bool:
    leaving = ast.Return | ast.Raise | ast.Assert | ast.Break | ast.Continue
    return any(isinstance(each, leaving) for each in _now(statement))


def _now(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and everything inside it that runs with it, without the bodies of functions."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if not isinstance(current, _LATER):
            stack += children(current)


# Whether something that can fail follows


def _can_fail(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Try) and _catches_all(statement):
        return any(map(_can_fail, statement.finalbody))
    failing = ast.Raise | ast.Assert | ast.Await | ast.AsyncFor | ast.AsyncWith
    return any(
        isinstance(each, failing) or (isinstance(each, ast.Call) and not _is_safe(each)) for each in _now(statement)
    )


def _is_safe(call: ast.Call) -> bool:
    func = call.func
    return (func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")) in _SAFE


def _catches_all(statement: ast.Try) -> bool:
    """Whether every exception of its body ends there."""
    for handler in statement.handlers:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if any(kind is None or (isinstance(kind, ast.Name) and kind.id in _CATCH_ALL) for kind in kinds):
            return not any(isinstance(each, ast.Raise) for line in handler.body for each in _now(line))
    return False


# What becomes of the result


def _lost(body: Body, way: list[_Step]) -> str:
    *_, step = way
    outer = way[-2] if len(way) > 1 else step
    match step.parent:
        case ast.Expr():
            # Type checkers report it in code that they check.
            return "" if _is_checked(body) else "is never awaited"
        case ast.BoolOp() | ast.IfExp() if isinstance(outer.parent, ast.Expr) and step.field != "test":
            return "is never awaited"
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() if isinstance(outer.parent, ast.Expr):
            return "is never awaited"
        case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)):
            unused = not isinstance(body, ast.Module) and not _is_used(body, name)
            return f'is never awaited: nothing uses "{name}"' if unused else ""
        case _:
            return ""


def _is_checked(body: Body) -> bool:
    """Whether mypy checks a body by default: not that of a function without annotations."""
    if isinstance(body, ast.Module):
        return True
    args = body.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    return body.returns is not None or any(each is not None and each.annotation is not None for each in every)


def _is_used(body: Body, name: str) -> bool:
    """Whether a name may be read after it was bound, also through functions such as `locals()`."""
    for each in ast.walk(body):
        match each:
            case ast.Name(found, ast.Load() | ast.Del()) if found == name or found in {
                "locals",
                "vars",
                "eval",
                "exec",
            }:
                return True
            case ast.Global(names) | ast.Nonlocal(names) if name in names:
                return True
            case _:
                pass
    return False
