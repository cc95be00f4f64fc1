"""How decorators of the project change a function's parameters: they pass some themselves, or hide them all.

A function's own `def` declares what it takes. But a decorator annotated as `Callable[Concatenate[Session, P], R]` to
`Callable[P, R]` removes the first parameter; the runtime reads the same annotations (`upnext.payload.wrappers`).
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from upnext_codegen.handlers.bare_wrappers import (
    TRANSPARENT,
    behind,
    demands_of,
    is_hidden,
    takes_by_position,
    wrapper_of,
)
from upnext_codegen.handlers.formals import formals_of
from upnext_codegen.handlers.wrapped import own_decorators
from upnext_codegen.names import values
from upnext_codegen.names.annotation_names import definitions, external
from upnext_codegen.names.evaluator import class_node, function_node
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, Definition, Use
from upnext_codegen.reading.expression_text import text_of
from upnext_codegen.reading.string_annotations import unquoted
from upnext_codegen.reading.tree import walk

if TYPE_CHECKING:
    from upnext_codegen.handlers.bare_wrappers import Demands
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import FunctionNode

_T = TypeVar("_T")


class Supplied(NamedTuple):
    """The effect of the decorators below the attaching one.

    Attributes:
        passed: For each of them, the innermost first: how many positional arguments it passes, and how many it asks
            of its own callers.
        replaced_by: The function that the runtime sees in place of the decorated one; None for that one itself.
        hidden_by: The decorator that returns it, where it hides what the decorated one takes; "" for none.
        is_refused: Whether the runtime refuses it for its own parameters.
        object_of: The class, or what returns a partial, that makes an object of the function, which the runtime
            refuses as well; "" for none.
        restated_by: The one that says itself at run time what the function takes; "" for none.
    """

    passed: tuple[tuple[int, int], ...] = ()
    replaced_by: values.FunctionRef | None = None
    hidden_by: str = ""
    is_refused: bool = False
    object_of: str = ""
    restated_by: str = ""


def supplied_by_decorators(evaluator: Evaluator, function: values.FunctionRef) -> Supplied:
    """Read how the decorators of a function change its parameters."""
    definition = function.definition
    passed: list[tuple[int, int]] = []
    object_of, restated_by, seen_through = "", "", True
    decorators = own_decorators(evaluator, function)
    for number, decorator in enumerate(decorators):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        use = Use(definition.scope, decorator.lineno, definition.branches)
        found = evaluator.value(called, use)
        if isinstance(found, ExternalName):
            seen_through = seen_through and found.name in TRANSPARENT
        if number == 0 and decorator is called and isinstance(found, values.ClassRef):
            object_of = found.definition.name if _makes_objects(evaluator, found) else ""
        if number == 0 and decorator is called and isinstance(found, values.FunctionRef):
            object_of = found.definition.name if _makes_partials(evaluator, found) else ""
        wrapper = wrapper_of(evaluator, evaluator.value(decorator, use)) if seen_through and not object_of else None
        if wrapper is not None:
            demands = _demands(evaluator, function, decorators[number + 1 :])
            replaced_by = wrapper if isinstance(wrapper, values.FunctionRef) else None
            shown = found.definition.name if isinstance(found, values.FunctionRef) else text_of(called)
            is_refused = takes_by_position(wrapper)
            hidden_by = shown if is_refused or is_hidden(wrapper, behind(wrapper, demands)) else ""
            return Supplied(tuple(reversed(passed)), replaced_by, hidden_by, is_refused)
        if isinstance(found, values.FunctionRef):
            step = _step(evaluator, found, is_made=isinstance(decorator, ast.Call))
            passed += [step] if step is not None else []
            if seen_through and _restates(function_node(found)):
                restated_by = found.definition.name
    return Supplied(tuple(reversed(passed)), object_of=object_of, restated_by=restated_by)


def _demands(evaluator: Evaluator, function: values.FunctionRef, decorators: list[ast.expr]) -> Demands:
    """What callers of a function below some decorators have to provide."""
    definition = function.definition
    demands = demands_of(formals_of(function_node(function)))
    for decorator in reversed(decorators):
        use = Use(definition.scope, decorator.lineno, definition.branches)
        wrapper = wrapper_of(evaluator, evaluator.value(decorator, use))
        if wrapper is not None:
            demands = behind(wrapper, demands)
            continue
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        found = evaluator.value(called, use)
        is_made, passed = called is not decorator, 0
        if isinstance(found, values.FunctionRef) and (step := _step(evaluator, found, is_made=is_made)) is not None:
            passed, _ = step
        demands = {name: each for name, each in demands.items() if not 0 <= each.position < passed}
    return demands


def left_of(given: list[_T], positional: list[_T], supplied: Supplied) -> tuple[list[_T], int]:
    """Return the parameters that callers fill, and how many further positional arguments they have to pass.

    Args:
        given: All parameters.
        positional: Those of them that can be passed by their position.
        supplied: What the decorators pass.
    """
    asked, waiting = 0, [*positional]
    for passed, more in supplied.passed:
        of_others = min(passed, asked)
        waiting = waiting[passed - of_others :]
        asked += more - of_others
    gone = [each for each in positional if each not in waiting]
    return [each for each in given if each not in gone], asked


def _step(evaluator: Evaluator, decorator: values.FunctionRef, *, is_made: bool) -> tuple[int, int] | None:
    """Read the annotations of a decorator, or of what creates one."""
    node, use = function_node(decorator), Use(decorator.definition.scope)
    taken, made = next((each.annotation for each in (*node.args.posonlyargs, *node.args.args)), None), node.returns
    if is_made:
        inner = _callable(evaluator, made, use)
        if inner is None or not isinstance(inner[0], ast.List) or len(inner[0].elts) != 1:
            return None
        taken, made = inner[0].elts[0], inner[1]
    before, after = _positions(evaluator, taken, use), _positions(evaluator, made, use)
    if before is None or after is None or before[1] != after[1]:
        return None
    return before[0], after[0]


def _positions(evaluator: Evaluator, annotation: ast.expr | None, use: Use) -> tuple[int, str] | None:
    """Return how many positional arguments a `Callable` takes before those of a `ParamSpec`, and its name."""
    found = _callable(evaluator, annotation, use)
    taken = None if found is None else unquoted(found[0])
    if isinstance(taken, ast.Name):
        return 0, taken.id
    if not isinstance(taken, ast.Subscript) or external(evaluator, taken.value, use) != "Concatenate":
        return None
    match taken.slice:
        case ast.Tuple([*before, ast.Name(name)]):
            return len(before), name
        case _:
            return None


def _callable(evaluator: Evaluator, annotation: ast.expr | None, use: Use) -> tuple[ast.expr, ast.expr] | None:
    """Read `Callable[x, y]`, also through a plain alias."""
    expr = None if annotation is None else unquoted(annotation)
    if isinstance(expr, ast.Name | ast.Attribute):
        aliased = next(iter(definitions(evaluator, expr, use)), None)
        if isinstance(aliased, Definition) and isinstance(aliased.binding, Assignment):
            value = aliased.binding.value
            expr, use = unquoted(value) if isinstance(value, ast.expr) else None, aliased.use
    match expr:
        case ast.Subscript(head, ast.Tuple([taken, made])) if external(evaluator, head, use) == "Callable":
            return taken, made
        case _:
            return None


def _makes_objects(evaluator: Evaluator, cls: values.ClassRef) -> bool:
    """Whether a call of a class certainly creates an object that is neither a function nor bound like one."""
    odd = any(evaluator.class_attribute(cls, name) != values.NOT_UPNEXT for name in ("__new__", "__get__"))
    return not odd and not class_node(cls).keywords and evaluator.attached_by(cls) is None


def _makes_partials(evaluator: Evaluator, decorator: values.FunctionRef) -> bool:
    """Whether a decorator certainly returns `functools.partial(...)`."""
    body = evaluator.body_of(decorator)
    calls = [each.node.func for each in body.returns if isinstance(each.node, ast.Call)]
    found = [evaluator.value(each, Use(body, each.lineno)) for each in calls]
    partials = [each for each in found if isinstance(each, ExternalName) and each.name == "functools.partial"]
    return bool(partials) and len(partials) == len(body.returns)


def _restates(node: FunctionNode) -> bool:
    """Whether a decorator sets the signature of its result, or removes the reference to what it wraps."""
    return any(
        isinstance(each, ast.Attribute)
        and (each.attr, type(each.ctx)) in {("__signature__", ast.Store), ("__wrapped__", ast.Del)}
        for each in walk(node)
    )
