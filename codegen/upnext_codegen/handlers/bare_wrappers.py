"""Wrappers without `functools.wraps`: functions that a decorator returns in place of the decorated one.

The runtime sees only such a wrapper, so its declaration decides what a payload can have. What it takes as `**kwargs`
reaches the wrapped function unchanged, neither checked nor converted.
"""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from upnext_codegen.handlers.formals import formals_of
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import function_node
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, FunctionDefinition, Use
from upnext_codegen.reading.expression_text import text_of
from upnext_codegen.reading.tree import walk

if TYPE_CHECKING:
    from upnext_codegen.handlers.formals import Formal
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Definition, FunctionNode, Scope

TRANSPARENT = frozenset({"functools.cache", "functools.lru_cache"})
"""Decorators of others through which the runtime sees the function."""

Wrapper: TypeAlias = values.FunctionRef | values.LambdaRef
_TELLING = frozenset({"__signature__", "__wrapped__", "__dict__"})
"""Attributes by which a wrapper shows, or can show, what it wraps."""
_ANYTHING = frozenset({"", "object", "Any", "typing.Any"})
_REST = "**"
_DEEPEST = 8
"""Decorators that call one another: deeper ones count as any that cannot be followed."""


class Demand(NamedTuple):
    """What a wrapped function relies on for one of its parameters.

    Attributes:
        typed: Whether it has an annotation that says more than "anything".
        position: Its number among those that can be passed by position, -1 for any other.
    """

    typed: bool
    position: int


Demands: TypeAlias = dict[str, Demand]
"""By parameter; `**` stands for what `**kwargs` takes."""


def wrapper_of(evaluator: Evaluator, decorator: values.Value, depth: int = 0) -> Wrapper | None:
    """The function that a decorator certainly returns instead of its argument, without revealing that one.

    Args:
        evaluator: Knows the values of names.
        decorator: What is called with the function.
        depth: How many decorators call one another.
    """
    called = evaluator.called_function(decorator)
    if not isinstance(called, Wrapper) or depth > _DEEPEST:
        return None
    body = _scope_of(evaluator, called)
    found = [_returned(evaluator, each.node, body, depth) for each in body.returns]
    if not found or None in found:
        return None
    # `return make if function is None else make(function)`: with a function it is the second.
    made = [each for each in found if each is not None]
    left = {each for each in made if wrapper_of(evaluator, each, depth + 1) not in made}
    return left.pop() if len(left) == 1 else None


def demands_of(formals: list[Formal]) -> Demands:
    """What a function that is called with these arguments relies on."""
    found: Demands = {}
    positional = [each for each in formals if each.kind in {"positional", "any"}]
    for each in formals:
        typed = each.annotation is not None and text_of(each.annotation) not in _ANYTHING
        if each.kind == "kwargs" and typed:
            found[_REST] = Demand(typed, -1)
        elif each.kind not in {"args", "kwargs"}:
            found[each.name] = Demand(typed, positional.index(each) if each in positional else -1)
    return found


def behind(wrapper: Wrapper, demands: Demands) -> Demands:
    """What callers of a wrapper have to provide: what the wrapper does not pass itself, and its own needs."""
    formals = formals_of(_node(wrapper))
    own = demands_of(formals)
    takes_rest = any(each.kind == "kwargs" for each in formals)
    passed, by_keyword = _passed(wrapper)
    for name, demand in demands.items():
        given = passed[demand.position] if 0 <= demand.position < len(passed) else by_keyword.get(name)
        # Passed arguments are no longer needed, unless the wrapper itself was called with them.
        source = name if given is None else given.id if isinstance(given, ast.Name) else ""
        if source in own and not _is_bound(wrapper, source):
            own[source] = own[source]._replace(typed=own[source].typed or demand.typed)
        elif given is None and takes_rest:
            own[name] = Demand(demand.typed, -1)
    return own


def takes_by_position(wrapper: Wrapper) -> bool:
    """Whether a wrapper has parameters that no payload can fill."""
    return any(each.kind in {"positional", "args"} for each in formals_of(_node(wrapper)))


def is_hidden(wrapper: Wrapper, demands: Demands) -> bool:
    """Whether the runtime, which sees the wrapper's declaration, misses something that is relied on."""
    declared = demands_of(formals_of(_node(wrapper)))
    return any(name not in declared or demand.typed > declared[name].typed for name, demand in demands.items())


def _returned(evaluator: Evaluator, node: ast.AST, body: Scope, depth: int) -> Wrapper | None:
    """The function that an expression creates, unless it is set to show what it wraps."""
    match node:
        case ast.Lambda():
            return values.LambdaRef(node, Use(body, node.lineno))
        case ast.IfExp(_, first, second):
            sides = {_returned(evaluator, each, body, depth) for each in (first, second)}
            return _called_with_one(evaluator, sides, depth)
        case ast.Call(func):
            return wrapper_of(evaluator, evaluator.value(func, Use(body, node.lineno)), depth + 1)
        case ast.Name(name):
            definitions = body.definitions.get(name, [])
            if len(definitions) != 1 or _may_show(body, name):
                return None
            return _defined(evaluator, definitions[0], depth)
        case _:
            return None


def _called_with_one(evaluator: Evaluator, sides: set[Wrapper | None], depth: int) -> Wrapper | None:
    """For a decorator that can be called first: what it makes of a function, not what creates the decorator."""
    left = [each for each in sides if each is not None and wrapper_of(evaluator, each, depth + 1) not in sides - {None}]
    return left[0] if None not in sides and len(left) == 1 else None


def _defined(evaluator: Evaluator, definition: Definition, depth: int) -> Wrapper | None:
    """The meaning of a name in a decorator: an inner function, as its own decorators leave it, or an assigned value."""
    match definition.binding:
        case Assignment(value=ast.expr() as value):
            return _returned(evaluator, value, definition.scope, depth)
        case FunctionDefinition(node):
            found: Wrapper | None = values.FunctionRef(definition)
            for decorator in reversed(node.decorator_list):
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                use = Use(definition.scope, decorator.lineno)
                other = evaluator.value(called, use)
                if not isinstance(other, ExternalName) or other.name not in TRANSPARENT:
                    found = wrapper_of(evaluator, evaluator.value(decorator, use), depth + 1)
                if found is None:
                    break
            return found
        case _:
            return None


def _may_show(body: Scope, name: str) -> bool:
    """Whether a decorator does more with an inner function than return it, call it and set plain attributes."""
    harmless = 0
    uses = [each for each in walk(body.node) if isinstance(each, ast.Name) and each.id == name]
    for each in walk(body.node):
        match each:
            case ast.Return(ast.Name(used)) | ast.Call(ast.Name(used)) if used == name:
                harmless += 1
            case ast.Attribute(ast.Name(used), attr) if used == name and attr not in _TELLING:
                harmless += 1
            case ast.Assign([ast.Name(used)]) if used == name:
                harmless += 1
            case ast.IfExp(_, first, second):
                harmless += sum(isinstance(side, ast.Name) and side.id == name for side in (first, second))
            case _:
                pass
    return harmless < len(uses)


def _passed(wrapper: Wrapper) -> tuple[list[ast.expr], dict[str, ast.expr]]:
    """What a wrapper passes to the wrapped function, by position and keyword; nothing if it calls it in two places."""
    scope = wrapper.definition.scope if isinstance(wrapper, values.FunctionRef) else wrapper.use.scope
    around = scope.node.args if isinstance(scope.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) else None
    wrapped = set[str]() if around is None else {each.arg for each in (*around.posonlyargs, *around.args)}
    calls = [each for each in walk(_node(wrapper)) if isinstance(each, ast.Call)]
    match [each for each in calls if isinstance(each.func, ast.Name) and each.func.id in wrapped]:
        case [call]:
            known = itertools.takewhile(lambda given: not isinstance(given, ast.Starred), call.args)
            return [*known], {given.arg: given.value for given in call.keywords if given.arg}
        case _:
            return [], {}


def _is_bound(wrapper: Wrapper, name: str) -> bool:
    """Whether a wrapper rebinds one of its parameters."""
    nodes = walk(_node(wrapper))
    return any(isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Store) for each in nodes)


def _node(wrapper: Wrapper) -> FunctionNode | ast.Lambda:
    return wrapper.node if isinstance(wrapper, values.LambdaRef) else function_node(wrapper)


def _scope_of(evaluator: Evaluator, function: Wrapper) -> Scope:
    if isinstance(function, values.FunctionRef):
        return evaluator.body_of(function)
    return function.use.scope.module.inline(function.node, function.use.scope)
